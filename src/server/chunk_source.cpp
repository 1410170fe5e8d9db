#include "server/chunk_source.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace hotwell::server {
namespace {

class GrowingSource final : public ChunkSource {
 public:
  explicit GrowingSource(std::shared_ptr<Growing> growing) : growing_(std::move(growing)) {}

  Taken take(std::string& bytes, std::size_t limit) override {
    // The state is asked before the watermark: what is final at the end is final after it too.
    const auto state = growing_->state();
    if (state == Growing::State::abandoned) return Taken::broken;
    const auto watermark = growing_->watermark();
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(watermark - taken_, limit));
    const auto before = bytes.size();
    bytes.resize(before + size);
    for (std::size_t read = 0; read < size;) {
      const auto n =
          ::pread(growing_->fd(), bytes.data() + before + read, size - read, static_cast<off_t>(taken_ + read));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Taken::broken;
      read += static_cast<std::size_t>(n);
    }
    taken_ += size;
    if (taken_ == watermark && state == Growing::State::sealed) return Taken::end;
    return size > 0 ? Taken::some : Taken::none_yet;
  }

  void on_change(std::function<void()> wake) override { growing_->on_change(taken_, std::move(wake)); }

  std::optional<Error> failure() const override {
    if (growing_->state() != Growing::State::abandoned) return std::nullopt;
    return growing_->error();
  }

 private:
  std::shared_ptr<Growing> growing_;
  std::uint64_t taken_ = 0;
};

}  // namespace

std::shared_ptr<ChunkSource> follow_growing(std::shared_ptr<Growing> growing) {
  return std::make_shared<GrowingSource>(std::move(growing));
}

}  // namespace hotwell::server
