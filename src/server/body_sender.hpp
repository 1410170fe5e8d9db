/// Sends one answer over a non-blocking socket, step by step: texts and buffers by one gathered write with the head,
/// files by sendfile, bodies of unknown length with chunked coding as they come.
///
/// Invariants:
/// - At most max_step bytes a step, so that one connection never holds its thread for long.
/// - No byte of a file is sent before it was verified, nor from pages that would have to be read from the disk first.
/// - A source that broke is never ended as if it were whole: the answer is `broken`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "server/answer.hpp"

namespace hotwell::server {

class BodySender {
 public:
  enum class Step : std::uint8_t {
    done,
    yielded,  ///< step again, after the others had their turn
    blocked,  ///< the socket takes no more: step when it is writable
    starved,  ///< the source has nothing new: step after its on_change()
    unready,  ///< what unready() says has to be verified and read in; then tell made_ready()
    broken,   ///< the connection is of no use any more
  };
  static constexpr std::uint64_t max_step = 1 << 20;
  static constexpr std::size_t chunk_size = 256 * 1024;  ///< of text

  /// Where the head is to be written before start(), complete with the blank line; empty, with the room that the last
  /// one took.
  [[nodiscard]] std::string& new_head() {
    head_.clear();
    return head_;
  }
  /// The parts and what is followed are the answer's; `head_only` for HEAD.
  enum class Send : std::uint8_t { head_only, all };
  void start(Answer answer, Send what);
  Step step(int socket);

  /// The next step may send the last byte: what is to be true before the client sees the end has to be done now.
  [[nodiscard]] bool is_ending() const;
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  /// Null where the answer's length is known.
  [[nodiscard]] const std::shared_ptr<ChunkSource>& source() const { return source_; }

  // The part of an object that has to be made ready next.
  struct Unready {
    Object object;
    int fd = -1;
    std::uint64_t in_file = 0;  ///< where it lies in the file
    std::uint64_t offset = 0;   ///< where it lies in the object
    std::uint64_t length = 0;
  };
  [[nodiscard]] Unready unready() const;
  /// The bytes of unready() are what was stored, and sending them waits for no disk.
  void made_ready();

 private:
  Step send_memory(int socket);
  Step send_file(int socket, FilePart& file);
  /// How much of the current file is sent next.
  [[nodiscard]] std::uint64_t next_step(const FilePart& file) const {
    return std::min(file.length - offset_, max_step);
  }
  [[nodiscard]] bool is_ready(const FilePart& file) const;
  /// Makes piece_ and what frames it the next chunk, or the end.
  Step next_chunk();
  Step send_chunk(int socket);
  /// What send() or sendfile() came to; counts.
  [[nodiscard]] Step after_sending(std::int64_t sent);

  std::string head_;
  boost::container::small_vector<Part, 1> parts_;
  std::shared_ptr<ChunkSource> source_;
  ChunkSource::Piece piece_;  // what of it is being sent: its file's bytes come when `text`, the framing, is sent
  std::string_view tail_;     // what comes behind the file's bytes
  std::size_t index_ = 0;     // 0 is the head, n the part n - 1
  std::uint64_t offset_ = 0;  // within it, or within the piece's text
  std::uint64_t ready_ = 0;   // of the current file part: bytes from its begin
  std::uint64_t sent_ = 0;
  bool ended_ = false;  // the last chunk is in piece_
};

}  // namespace hotwell::server
