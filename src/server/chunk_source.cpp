#include "server/chunk_source.hpp"

#include <algorithm>

namespace hotwell::server {
namespace {

/// What is sent is let go by as much at a time.
constexpr std::uint64_t longest_piece = 1 << 20;

class GrowingSource final : public ChunkSource {
 public:
  explicit GrowingSource(std::shared_ptr<Growing> growing) : growing_(std::move(growing)) {}

  Taken take(Piece& piece, std::size_t) override {
    growing_->passed(taken_);  // what was taken before is sent
    // The state is asked before the watermark: what is final at the end is final after it too.
    const auto state = growing_->state();
    if (state == Growing::State::abandoned) return Taken::broken;
    const auto watermark = growing_->watermark();
    piece.fd = growing_->fd();
    piece.offset = taken_;
    piece.length = std::min(watermark - taken_, longest_piece);
    taken_ += piece.length;
    if (taken_ == watermark && state == Growing::State::sealed) return Taken::end;
    return piece.length > 0 ? Taken::some : Taken::none_yet;
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
