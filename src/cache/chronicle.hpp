/// The chronicle: which objects lately moved between the levels or left them, and why. What explain() tells from.
/// Invariant: it holds the last `most` moves of all keys, and names keys by their digest, so that it costs the same
/// however long they are.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/cache.hpp>

#include "cache/tier.hpp"

namespace hotwell::cache {

/// Threads: any.
class Chronicle {
 public:
  static constexpr std::size_t most = 16'384;
  using Step = CacheExplanation::Step;

  /// What happened at one time for one reason; `because_of` has to outlive it.
  class Page {
   public:
    Page(Chronicle& chronicle, WallTime when, std::string_view because_of = {})
        : chronicle_(chronicle), when_(when), because_of_(because_of) {}
    void note(std::string_view key, Step::What what, Level level);
    void note(std::uint64_t key_digest, Step::What what, Level level);

   private:
    Chronicle& chronicle_;
    const WallTime when_;
    const std::string_view because_of_;
    std::shared_ptr<const std::string> kept_reason_;  ///< one for all lines
  };
  /// Oldest first. Of two keys with one digest (64 bits) both are told.
  [[nodiscard]] std::vector<Step> of(std::string_view key) const;

 private:
  struct Line {
    std::uint64_t key = 0;
    WallTime when{};
    std::shared_ptr<const std::string> because_of;
    Step::What what = Step::What::evicted;
    Level level = Level::memory;
  };
  void add(Line line);

  mutable std::mutex mutex_;
  std::vector<Line> lines_;  ///< a ring once it is full
  std::size_t next_ = 0;
};

}  // namespace hotwell::cache
