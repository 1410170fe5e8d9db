/// One cache as the memory tier's policies would keep it, fed with a trace's requests: what is asked for and not there
/// is brought in, where it fits at all.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/hotwell/replay/trace.hpp"
#include "cache/policy/policy.hpp"

namespace hotwell::replay {

struct ReplayCapacity {
  enum class Unit : std::uint8_t { objects, bytes };
  std::uint64_t amount = 0;
  Unit unit = Unit::objects;
};
/// "4096": objects; "64MiB": bytes. Errors: invalid_argument.
[[nodiscard]] Result<ReplayCapacity> parse_replay_capacity(std::string_view text);

struct ReplayCounts {
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;
  std::uint64_t bytes = 0;  ///< asked for
  std::uint64_t miss_bytes = 0;

  [[nodiscard]] std::uint64_t hits() const noexcept { return requests - misses; }
  [[nodiscard]] double miss_ratio() const noexcept { return ratio(misses, requests); }
  [[nodiscard]] double byte_miss_ratio() const noexcept { return ratio(miss_bytes, bytes); }

 private:
  [[nodiscard]] static double ratio(std::uint64_t part, std::uint64_t whole) noexcept {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

class Simulation {
 public:
  Simulation(ReplayCapacity capacity, std::unique_ptr<cache::EvictionPolicy> policy)
      : capacity_(capacity), policy_(std::move(policy)) {
    policy_->set_capacity(capacity_.amount);
  }
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  void request(const TraceRequest& request);
  [[nodiscard]] const ReplayCounts& counts() const noexcept { return counts_; }

 private:
  struct Cached final : cache::PolicyNode {
    std::uint64_t key = 0;
  };

  ReplayCapacity capacity_;
  std::unique_ptr<cache::EvictionPolicy> policy_;
  cache::Weight used_ = 0;
  std::unordered_map<std::uint64_t, Cached> cached_;  ///< nodes stay where they are
  ReplayCounts counts_;
};

/// What is asked for at all: how large a cache is that misses each object once.
struct Footprint {
  std::uint64_t requests = 0;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};
/// Errors: as read_trace().
[[nodiscard]] Result<Footprint> footprint(const std::filesystem::path& file, const TraceFormat& format);

}  // namespace hotwell::replay
