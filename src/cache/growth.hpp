/// Growth: the Growing of one attempt, moved on by its writer and followed by readers on any thread.
///
/// Invariant: begin() never passes what a reader has not passed: a reader meets no byte that was let go.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <hotwell/body.hpp>

namespace hotwell::cache {

/// Ownership: reader() wants it to be held by a shared_ptr.
class Growth final : public Growing, public std::enable_shared_from_this<Growth> {
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
  [[nodiscard]] std::uint64_t begin() const override { return begin_.load(std::memory_order_acquire); }
  [[nodiscard]] std::shared_ptr<Growing> reader(std::uint64_t from) override;

  // The writer's side.
  void set_content_type(std::string content_type);
  void advance(std::uint64_t watermark);
  void seal(std::uint64_t size);
  void abandon(Error error);
  /// Moves begin() up to the last multiple of `step` that every reader has passed, and returns it. Nothing moves where
  /// nobody reads.
  std::uint64_t shed(std::uint64_t step);
  /// Calls `wake` once, as soon as shed(step) has more to give or no reader has anything left to pass, maybe at once.
  /// False, without a call, where no reader has.
  bool on_passed(std::uint64_t step, std::function<void()> wake);

 private:
  class Reader;
  struct Follower {
    std::uint64_t seen;
    std::function<void()> wake;
  };
  /// Wakes, under no lock, whom `watermark_` and `state_` concern.
  void wake_followers();
  /// A reader has moved or is gone.
  void moved();
  // Under the lock.
  /// What every reader has passed; nothing where nobody reads.
  [[nodiscard]] std::optional<std::uint64_t> passed_by_all() const;
  [[nodiscard]] bool can_shed(std::uint64_t passed, std::uint64_t step) const;

  const std::uint64_t generation_;
  const std::shared_ptr<const FileHandle> file_;
  std::atomic<std::uint64_t> watermark_{0};
  std::atomic<State> state_{State::growing};
  mutable std::mutex mutex_;
  std::string content_type_;
  Error error_;
  std::vector<Follower> followers_;
  std::atomic<std::uint64_t> begin_{0};
  std::vector<const Reader*> readers_;
  std::uint64_t step_ = 0;            ///< of the producer that waits
  std::function<void()> on_passed_;   ///< empty where it does not
  std::atomic<bool> waiting_{false};  ///< whether it does: asked without the lock
};

}  // namespace hotwell::cache
