/// The CacheWriter over a draft of either tier: keeps draft, growth and description in step.
///
/// What is larger than its tier still reaches those who follow it: what they have all passed is let go to make room for
/// what comes. Then no object comes of it, and the seal says so. What nobody follows (anything a user stores) is whole
/// or not at all.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "cache/draft.hpp"
#include "cache/growth.hpp"
#include "cache/writer.hpp"

namespace hotwell::cache {

/// Makes the finished draft an object; the writer's way back into the cache.
using Commit = std::function<Result<Object>(Draft& draft, Details details)>;
/// Tells listeners what had to leave for this attempt.
using Tell = std::function<void(Removals&& removed)>;

class Attempt final : public CacheWriter {
 public:
  Attempt(std::unique_ptr<Draft> draft, Details details, Level level, Commit commit, Tell tell);
  ~Attempt() override;

  [[nodiscard]] int fd() const override { return growth_->fd(); }
  Result<void> write(ByteView bytes) override;
  Result<void> advance(std::uint64_t n) override;
  [[nodiscard]] bool has_room(std::function<void()> wake) override;
  void set_content_type(std::string content_type) override;
  Result<void> seal(std::uint64_t size) override;
  void abandon(Error error) override;
  [[nodiscard]] std::uint64_t generation() const override { return growth_->generation(); }
  [[nodiscard]] std::shared_ptr<Growing> growing() const override { return growth_; }
  [[nodiscard]] Object object() const override;

 private:
  /// Runs `step` with a list of removals, tells them, and abandons where it failed.
  Result<void> run(const std::function<Result<void>(Removals&)>& step);
  /// Room for `n` bytes in sum, if need be at the cost of those that every reader has passed.
  Result<void> make_room(std::uint64_t n, Removals& removed);

  std::unique_ptr<Draft> draft_;  ///< empty once sealed or abandoned
  const Level level_;
  const Commit commit_;
  const Tell tell_;
  const std::shared_ptr<Growth> growth_;
  std::uint64_t written_ = 0;
  mutable std::mutex mutex_;  ///< of what readers ask for
  Details details_;
  std::optional<Object> sealed_;
};

}  // namespace hotwell::cache
