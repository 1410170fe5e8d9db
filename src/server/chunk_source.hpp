/// Where a body of unknown length comes from, piece by piece: a result that grows, or events as they happen.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <hotwell/body.hpp>

namespace hotwell::server {

/// Threads: its connection's, but for whatever feeds it.
class ChunkSource {
 public:
  enum class Taken : std::uint8_t { some, none_yet, end, broken };
  /// Text, or bytes of a file that stay as they are until the next take().
  struct Piece {
    std::string text;
    int fd = -1;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  ///< of the file's; 0: it is the text
  };

  virtual ~ChunkSource() = default;
  /// Puts further bytes into an empty `piece`: of text at most `limit`. `end` may come with the last ones.
  [[nodiscard]] virtual Taken take(Piece& piece, std::size_t limit) = 0;
  /// Calls `wake` once, as soon as take() has another answer than none_yet; from any thread, at once if it has already.
  virtual void on_change(std::function<void()> wake) = 0;
  /// Why it broke, where that is a failure of the daemon's own.
  [[nodiscard]] virtual std::optional<Error> failure() const { return std::nullopt; }
  /// take() would answer `broken`: asked now and then while the client takes nothing.
  [[nodiscard]] virtual bool is_broken() { return false; }
  /// It never ends by itself: not to be waited for when the server stops.
  [[nodiscard]] virtual bool endless() const { return false; }
};

/// Follows a growing result by its watermark. An abandoned one breaks, whatever was final of it.
[[nodiscard]] std::shared_ptr<ChunkSource> follow_growing(std::shared_ptr<Growing> growing);

}  // namespace hotwell::server
