#include "apps/hotwell/replay/simulation.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <hotwell/units.hpp>

#include "base/assert.hpp"
#include "base/digest.hpp"

namespace hotwell::replay {

Result<ReplayCapacity> parse_replay_capacity(std::string_view text) {
  const bool bare = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  const auto parsed = parse_bytes(text);
  if (!parsed || parsed->count == 0)
    return fail(Code::invalid_argument,
                fmt::format("capacity: expected a number of objects (4096) or a size (64MiB), got \"{}\"", text));
  return ReplayCapacity{parsed->count, bare ? ReplayCapacity::Unit::objects : ReplayCapacity::Unit::bytes};
}

void Simulation::request(const TraceRequest& request) {
  ++counts_.requests;
  counts_.bytes += request.size;
  if (const auto found = cached_.find(request.key); found != cached_.end()) {
    policy_->hit(found->second);
    return;
  }
  ++counts_.misses;
  counts_.miss_bytes += request.size;
  const cache::Weight weight = capacity_.unit == ReplayCapacity::Unit::objects ? 1 : request.size;
  if (weight > capacity_.amount) return;
  while (used_ > capacity_.amount - weight) {
    cache::PolicyNode* victim = policy_->victim(weight);
    HOTWELL_ASSERT(victim != nullptr);
    policy_->removed(*victim, cache::Departure::evicted);
    used_ -= victim->weight;
    cached_.erase(static_cast<Cached*>(victim)->key);
  }
  used_ += weight;
  auto& node = cached_[request.key];
  node.key = request.key;
  node.weight = weight;
  node.hash = static_cast<std::uint32_t>(base::xxh3_64({&request.key, sizeof request.key}));
  policy_->inserted(node);
}

Result<Footprint> footprint(const std::filesystem::path& file, const TraceFormat& format) {
  Footprint sum;
  std::unordered_map<std::uint64_t, std::uint64_t> sizes;
  auto read = read_trace(file, format, [&](const TraceRequest& request) {
    ++sum.requests;
    sizes[request.key] = request.size;
  });
  if (!read) return std::unexpected(read.error());
  sum.objects = sizes.size();
  for (const auto& [key, size] : sizes) sum.bytes += size;
  return sum;
}

}  // namespace hotwell::replay
