#include "cache/growth.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace hotwell::cache {

/// Threads: as a Growing; passed() by one at a time.
class Growth::Reader final : public Growing {
 public:
  Reader(std::shared_ptr<Growth> growth, std::uint64_t from) : growth_(std::move(growth)), passed_(from) {}
  ~Reader() override {
    {
      const std::lock_guard lock(growth_->mutex_);
      std::erase(growth_->readers_, this);
    }
    growth_->moved();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] std::uint64_t generation() const override { return growth_->generation(); }
  [[nodiscard]] std::uint64_t watermark() const override { return growth_->watermark(); }
  [[nodiscard]] State state() const override { return growth_->state(); }
  [[nodiscard]] Error error() const override { return growth_->error(); }
  [[nodiscard]] std::string content_type() const override { return growth_->content_type(); }
  [[nodiscard]] int fd() const override { return growth_->fd(); }
  void on_change(std::uint64_t seen, std::function<void()> wake) override { growth_->on_change(seen, std::move(wake)); }
  [[nodiscard]] std::uint64_t begin() const override { return growth_->begin(); }
  [[nodiscard]] std::shared_ptr<Growing> reader(std::uint64_t from) override { return growth_->reader(from); }
  void passed(std::uint64_t offset) override {
    if (offset <= place()) return;
    passed_.store(offset);
    growth_->moved();
  }
  [[nodiscard]] std::uint64_t place() const { return passed_.load(); }

 private:
  const std::shared_ptr<Growth> growth_;
  std::atomic<std::uint64_t> passed_;
};

Error Growth::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

std::string Growth::content_type() const {
  const std::lock_guard lock(mutex_);
  return content_type_;
}

void Growth::set_content_type(std::string content_type) {
  const std::lock_guard lock(mutex_);
  content_type_ = std::move(content_type);
}

void Growth::on_change(std::uint64_t seen, std::function<void()> wake) {
  {
    // The writer moves the watermark before it takes the lock: either it is seen here or the follower is seen there.
    const std::lock_guard lock(mutex_);
    if (watermark() <= seen && state() == State::growing) {
      followers_.push_back({seen, std::move(wake)});
      return;
    }
  }
  wake();
}

std::shared_ptr<Growing> Growth::reader(std::uint64_t from) {
  auto made = std::make_shared<Reader>(shared_from_this(), from);
  const std::lock_guard lock(mutex_);
  if (from < begin()) return nullptr;
  readers_.push_back(made.get());
  return made;
}

std::optional<std::uint64_t> Growth::passed_by_all() const {
  auto least = everything;
  for (const auto* reader : readers_) least = std::min(least, reader->place());
  return least == everything ? std::nullopt : std::optional(std::min(least, watermark()));
}

bool Growth::can_shed(std::uint64_t passed, std::uint64_t step) const { return passed / step * step > begin(); }

std::uint64_t Growth::shed(std::uint64_t step) {
  const std::lock_guard lock(mutex_);
  if (const auto passed = passed_by_all(); passed && can_shed(*passed, step))
    begin_.store(*passed / step * step, std::memory_order_release);
  return begin();
}

bool Growth::on_passed(std::uint64_t step, std::function<void()> wake) {
  {
    const std::lock_guard lock(mutex_);
    // Before the readers' places are looked at: whoever moves from now on sees it.
    waiting_.store(true);
    const auto passed = passed_by_all();
    if (!passed || (*passed == watermark() && !can_shed(*passed, step))) {
      waiting_.store(false);
      return false;
    }
    step_ = step;
    on_passed_ = std::move(wake);
  }
  moved();
  return true;
}

void Growth::moved() {
  if (!waiting_.load()) return;
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    const auto passed = passed_by_all();
    if (!on_passed_ || (passed && *passed != watermark() && !can_shed(*passed, step_))) return;
    waiting_.store(false);
    wake.swap(on_passed_);
  }
  wake();
}

void Growth::advance(std::uint64_t to) {
  HOTWELL_ASSERT(to >= watermark() && "a watermark never falls");
  if (to == watermark()) return;
  watermark_.store(to, std::memory_order_release);
  wake_followers();
}

void Growth::seal(std::uint64_t size) {
  HOTWELL_ASSERT(size >= watermark() && "bytes that were final cannot be taken back");
  watermark_.store(size, std::memory_order_release);
  state_.store(State::sealed, std::memory_order_release);
  wake_followers();
}

void Growth::abandon(Error error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  state_.store(State::abandoned, std::memory_order_release);
  wake_followers();
}

void Growth::wake_followers() {
  std::vector<Follower> due;
  {
    const std::lock_guard lock(mutex_);
    const bool ended = state() != State::growing;
    const auto reached = watermark();
    const auto first = std::partition(followers_.begin(), followers_.end(),
                                      [&](const Follower& f) { return !ended && f.seen >= reached; });
    due.assign(std::make_move_iterator(first), std::make_move_iterator(followers_.end()));
    followers_.erase(first, followers_.end());
  }
  for (auto& follower : due) follower.wake();
}

}  // namespace hotwell::cache
