#include "server/exchange.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::server {
namespace {

Error too_large(std::uint64_t limit) {
  return Error{Code::too_large, fmt::format("the request's body is larger than {} bytes", limit)};
}

class TextReceiver final : public Receiver {
 public:
  explicit TextReceiver(std::function<void(std::string)> then) : then_(std::move(then)) {}

  Result<void> write(ByteView bytes) override {
    text_ += bytes.text();
    return {};
  }
  void finish(Exchange&) override { then_(std::move(text_)); }

 private:
  std::function<void(std::string)> then_;
  std::string text_;
};

}  // namespace

Exchange::Exchange(Engine& engine, Loop& loop, const RequestParser& parser, std::function<void()> changed)
    : engine_(engine), loop_(loop), parser_(parser), changed_(std::move(changed)), began_(Loop::Clock::now()) {}

void Exchange::answer(Answer answer) {
  HOTWELL_ASSERT(!answer_);
  answer_ = std::move(answer);
  changed_();
}

void Exchange::read_text(std::uint64_t limit, std::function<void(std::string)> then) {
  receive(limit, std::make_unique<TextReceiver>(std::move(then)));
}

void Exchange::receive(std::uint64_t limit, std::unique_ptr<Receiver> receiver) {
  if (content_length().value_or(0) > limit) return fail(too_large(limit));
  body_limit_ = limit;
  receiver_ = std::move(receiver);
  changed_();
}

Result<void> Exchange::take_body(ByteView bytes) {
  body_size_ += bytes.size();
  if (body_size_ > body_limit_) return std::unexpected(too_large(body_limit_));
  return receiver_->write(bytes);
}

void Exchange::finish_body() {
  const auto receiver = std::move(receiver_);
  receiver->finish(*this);
}

}  // namespace hotwell::server
