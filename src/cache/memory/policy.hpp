/// What an eviction policy is: it orders nodes and says who goes next. One policy a file; the tier owns the entries,
/// the bytes and the lock. The same code orders entries in the tier and objects of a recorded trace.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell::cache {

/// What a policy keeps in each entry: links, and two small marks whose meaning is the policy's own.
struct PolicyNode {
  PolicyNode* previous = nullptr;
  PolicyNode* next = nullptr;
  std::uint64_t hash = 0;   ///< of the key: for policies that remember who was evicted
  std::uint64_t bytes = 0;  ///< what evicting it gives back
  std::uint8_t mark = 0;
  std::uint8_t queue = 0;
};

enum class Departure : std::uint8_t {
  evicted,  ///< it was victim()
  erased,   ///< deleted, replaced or expired: says nothing about its worth
};

/// Threads: one at a time. Capacity is in bytes: the tier asks for victims until what it needs fits.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  virtual void inserted(PolicyNode& node) = 0;
  virtual void hit(PolicyNode& node) = 0;
  virtual void removed(PolicyNode& node, Departure departure) = 0;
  /// Who goes next; null where nothing is left. Moves nothing that a second call would not move.
  [[nodiscard]] virtual PolicyNode* victim() = 0;
};

/// "lru". Errors: invalid_argument, naming those that there are.
[[nodiscard]] Result<std::unique_ptr<EvictionPolicy>> make_policy(std::string_view name);

}  // namespace hotwell::cache
