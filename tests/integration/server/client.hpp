/// A client that sends exactly the bytes it is told to and checks the framing of what comes back. Blocking, with a
/// limit after which a read fails instead of hanging.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include <hotwell/body.hpp>

namespace hotwell::test {

struct Reply {
  unsigned status = 0;
  std::map<std::string, std::string> fields;  ///< names in lower case
  std::string body;
  bool whole = false;  ///< the body arrived to its announced end

  [[nodiscard]] std::string field(const std::string& name) const;
  [[nodiscard]] boost::json::value json() const;
  /// The problem's code; empty where the body is none.
  [[nodiscard]] std::string code() const;
};

class Client {
 public:
  explicit Client(std::uint16_t port);

  void send(std::string_view bytes);
  /// "METHOD target HTTP/1.1" with Host, the given fields (each with its CRLF) and a body with its length.
  void request(std::string_view method, std::string_view target, std::string_view fields = {},
               std::optional<std::string_view> body = {});
  /// Reads a whole answer.
  Reply reply(std::string_view method = "GET");
  Reply ask(std::string_view method, std::string_view target, std::string_view fields = {},
            std::optional<std::string_view> body = {});
  /// Reads an answer's head; its body is left to read_chunk() and read_exactly().
  Reply head();
  /// One chunk's data; empty at the end of the body; nothing where the connection broke.
  std::optional<std::string> read_chunk();
  std::string read_exactly(std::size_t size);
  /// True once the server closed its side, whatever stood before it.
  bool closed();
  void half_close();
  /// Closes with a reset.
  void abort();
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  bool fill();
  std::optional<std::string> take_line();

  FileHandle socket_;
  std::string buffer_;
};

}  // namespace hotwell::test
