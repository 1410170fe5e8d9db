/// Strict LRU: the reference that the other policies are measured against.
#pragma once

#include "cache/memory/policy.hpp"

namespace hotwell::cache {

/// A ring through a sentinel: its next is the most recently used, its previous the least.
class Lru final : public EvictionPolicy {
 public:
  Lru() { ring_.previous = ring_.next = &ring_; }
  Lru(const Lru&) = delete;
  Lru& operator=(const Lru&) = delete;

  void inserted(PolicyNode& node) override;
  void hit(PolicyNode& node) override;
  void removed(PolicyNode& node, Departure departure) override;
  [[nodiscard]] PolicyNode* victim() override { return ring_.previous == &ring_ ? nullptr : ring_.previous; }

 private:
  PolicyNode ring_;
};

}  // namespace hotwell::cache
