/// Sends one answer over a non-blocking socket, step by step: texts and buffers by one gathered write with the head,
/// files by sendfile, bodies of unknown length with chunked coding as they come.
///
/// Invariants:
/// - At most max_step bytes a step, so that one connection never holds its thread for long.
/// - No byte of a file is sent before it was verified.
/// - A source that broke is never ended as if it were whole: the answer is `broken`.
#pragma once

#include <cstdint>
#include <string>

#include "server/answer.hpp"

namespace hotwell::server {

class BodySender {
 public:
  enum class Step : std::uint8_t {
    done,
    yielded,     ///< step again, after the others had their turn
    blocked,     ///< the socket takes no more: step when it is writable
    starved,     ///< the source has nothing new: step after its on_change()
    unverified,  ///< verify unverified_object() and tell verified()
    broken,      ///< the connection is of no use any more
  };
  static constexpr std::uint64_t max_step = 1 << 20;
  static constexpr std::size_t chunk_size = 256 * 1024;

  /// `head` is complete, with the blank line. The parts and what is followed are the answer's; `with_body` is false
  /// for HEAD.
  enum class Send : std::uint8_t { head_only, all };
  void start(std::string head, Answer answer, Send what);
  Step step(int socket);

  /// The next step may send the last byte: what is to be true before the client sees the end has to be done now.
  [[nodiscard]] bool is_ending() const;
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  /// Null where the answer's length is known.
  [[nodiscard]] const std::shared_ptr<ChunkSource>& source() const { return source_; }

  // The part that has to be verified next.
  struct Unverified {
    Object object;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  [[nodiscard]] Unverified unverified() const;
  /// The bytes of unverified() are what was stored.
  void verified();

 private:
  Step send_memory(int socket);
  Step send_file(int socket, FilePart& file);
  /// Puts the next chunk, or the end, into chunk_.
  Step next_chunk();

  std::string head_;
  boost::container::small_vector<Part, 1> parts_;
  std::shared_ptr<ChunkSource> source_;
  std::string chunk_;           // the source's chunk that is being sent
  std::size_t index_ = 0;       // 0 is the head, n the part n - 1
  std::uint64_t offset_ = 0;    // within it
  std::uint64_t verified_ = 0;  // of the current file part: bytes from its begin
  std::uint64_t sent_ = 0;
  bool ended_ = false;  // the last chunk is in chunk_
};

}  // namespace hotwell::server
