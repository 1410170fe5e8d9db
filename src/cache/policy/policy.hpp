/// What an eviction policy is: it orders nodes and says who goes next. One policy a file; whoever owns the nodes owns
/// the room and the lock. The same code orders entries of the memory tier and objects of a recorded trace.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell::cache {

/// What an object takes of the capacity: bytes, or 1 each where objects are counted.
using Weight = std::uint64_t;

/// What a policy keeps in each entry: its place, and two small marks whose meaning is the policy's own.
struct PolicyNode {
  PolicyNode* newer = nullptr;
  PolicyNode* older = nullptr;
  Weight weight = 0;       ///< set by the owner before inserted(), constant while it is there
  std::uint32_t hash = 0;  ///< of the key: for policies that remember who was there
  std::uint8_t queue = 0;  ///< which of the policy's queues it is in
  std::atomic<std::uint8_t> uses{0};

  /// Counts a use up to `most`, and writes nothing beyond: a hot entry's cache line stays shared between readers.
  void use(std::uint8_t most) noexcept {
    const auto seen = uses.load(std::memory_order_relaxed);
    if (seen < most) uses.store(static_cast<std::uint8_t>(seen + 1), std::memory_order_relaxed);
  }
};

enum class Departure : std::uint8_t {
  evicted,  ///< it was victim()
  erased,   ///< deleted or expired: says nothing about its worth
};

enum class Hits : std::uint8_t {
  marked,   ///< hit() only marks the node: any thread may call it at any time while the node lives
  ordered,  ///< hit() changes the order: call it as the other members, later and in batches if need be
};

/// Threads: one at a time, but for hit() where it only marks. The owner tells the capacity first, and asks for victims
/// until what comes fits.
class EvictionPolicy {
 public:
  EvictionPolicy() = default;
  virtual ~EvictionPolicy() = default;
  EvictionPolicy(const EvictionPolicy&) = delete;
  EvictionPolicy& operator=(const EvictionPolicy&) = delete;

  [[nodiscard]] virtual Hits hits() const noexcept = 0;
  virtual void inserted(PolicyNode& node) = 0;
  virtual void hit(PolicyNode& node) = 0;
  virtual void removed(PolicyNode& node, Departure departure) = 0;
  /// The same key has a new value: `node` takes the place and the marks of `old`, which is gone.
  virtual void replaced(PolicyNode& old, PolicyNode& node) = 0;
  /// Who goes next, so that `incoming` may come; null where nothing is left. It stays in its place until removed().
  [[nodiscard]] virtual PolicyNode* victim(Weight incoming) = 0;
  /// The victim cannot go now, since somebody reads it: the next victim is another, as long as there is one.
  virtual void spared(PolicyNode& node) = 0;
  virtual void set_capacity(Weight capacity) { capacity_ = capacity; }

 protected:
  [[nodiscard]] Weight capacity() const noexcept { return capacity_; }

 private:
  Weight capacity_ = 0;
};

/// The product's own choice: what "default" means (docs/decisions/eviction-policy.md).
inline constexpr std::string_view default_policy = "wtinylfu";

/// All names, as people read them: "lru, fifo, ...".
[[nodiscard]] std::string_view policy_names();
/// By name, or "default". Errors: invalid_argument, naming those that there are.
[[nodiscard]] Result<std::unique_ptr<EvictionPolicy>> make_policy(std::string_view name);

}  // namespace hotwell::cache
