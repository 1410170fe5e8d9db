/// Growth: the Growing of one attempt, moved on by its writer and followed by readers on any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include <hotwell/body.hpp>

namespace hotwell::cache {

class Growth final : public Growing {
 public:
  Growth(std::uint64_t generation, std::shared_ptr<const FileHandle> file, std::string content_type)
      : generation_(generation), file_(std::move(file)), content_type_(std::move(content_type)) {}

  [[nodiscard]] std::uint64_t generation() const override { return generation_; }
  [[nodiscard]] std::uint64_t watermark() const override { return watermark_.load(std::memory_order_acquire); }
  [[nodiscard]] State state() const override { return state_.load(std::memory_order_acquire); }
  [[nodiscard]] Error error() const override;
  [[nodiscard]] std::string content_type() const override;
  [[nodiscard]] int fd() const override { return file_->get(); }
  void on_change(std::uint64_t seen, std::function<void()> wake) override;

  // The writer's side.
  void set_content_type(std::string content_type);
  void advance(std::uint64_t watermark);
  void seal(std::uint64_t size);
  void abandon(Error error);

 private:
  struct Follower {
    std::uint64_t seen;
    std::function<void()> wake;
  };
  /// Wakes, under no lock, whom `watermark_` and `state_` concern.
  void wake_followers();

  const std::uint64_t generation_;
  const std::shared_ptr<const FileHandle> file_;
  std::atomic<std::uint64_t> watermark_{0};
  std::atomic<State> state_{State::growing};
  mutable std::mutex mutex_;
  std::string content_type_;
  Error error_;
  std::vector<Follower> followers_;
};

}  // namespace hotwell::cache
