/// A request's head, and the parser that fills it in and hands the body on. Sans-io: bytes in, values out.
/// Stands on Beast's basic_parser, which checks the grammar; here the fields are kept in one string instead of a node
/// each, and body bytes go straight from the read buffer to whoever receives them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>

#include <hotwell/body.hpp>

namespace hotwell::server {

namespace http = boost::beast::http;

/// Views stay valid as long as the request lives and its head is not parsed further.
class Request {
 public:
  [[nodiscard]] http::verb method() const { return method_; }
  [[nodiscard]] std::string_view method_text() const { return view(method_text_); }
  [[nodiscard]] std::string_view target() const { return view(target_); }
  /// 10 or 11.
  [[nodiscard]] int version() const { return version_; }
  /// The first field of that name; empty where there is none.
  [[nodiscard]] std::string_view field(http::field name) const;
  [[nodiscard]] std::size_t count(http::field name) const;
  [[nodiscard]] bool has(http::field name) const { return count(name) > 0; }
  /// Every value of that name as one list.
  [[nodiscard]] std::string joined(http::field name) const;
  void for_each(const std::function<void(std::string_view name, std::string_view value)>& visit) const;

 private:
  friend class RequestParser;
  struct Slice {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  struct Field {
    http::field id;
    Slice name;
    Slice value;
  };
  [[nodiscard]] std::string_view view(Slice slice) const {
    return std::string_view(text_).substr(slice.offset, slice.size);
  }
  Slice keep(std::string_view text);
  void clear();

  std::string text_;
  std::vector<Field> fields_;
  http::verb method_ = http::verb::unknown;
  Slice method_text_;
  Slice target_;
  int version_ = 11;
};

/// Takes the bytes of a body as they arrive. An error ends the request: what was received is dropped.
using BodyBytes = std::function<Result<void>(ByteView)>;

/// Parses one request after another: reset() between them.
class RequestParser {
 public:
  enum class Progress : std::uint8_t {
    need_more,  ///< of the head or the body
    head,       ///< the head is complete: told once
    complete,   ///< the whole request was taken
    failed,     ///< error() says why; the connection cannot go on
    refused,    ///< the receiver of the body answered with an error()
  };
  static constexpr std::uint32_t head_limit = 32 * 1024;

  RequestParser();
  ~RequestParser();
  void reset();
  /// Takes bytes off the front of `bytes`, which have to be kept and offered again, with more behind them, as far as
  /// they were not taken. After `head` body bytes go to `body`.
  Progress take(std::string_view& bytes, const BodyBytes& body);

  [[nodiscard]] const Request& request() const { return request_; }
  /// Anything of this request was seen.
  [[nodiscard]] bool began() const;
  [[nodiscard]] bool head_done() const;
  [[nodiscard]] bool complete() const;
  // Known once the head is done.
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] bool has_body() const;
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  [[nodiscard]] const Error& error() const { return error_; }
  /// 400, or 431 where the head is too large, or 505, or 501: the status that error() is answered with.
  [[nodiscard]] unsigned status() const { return status_; }

 private:
  class Parser;
  Request request_;
  std::unique_ptr<Parser> parser_;
  Error error_;
  unsigned status_ = 400;
};

}  // namespace hotwell::server
