/// SIEVE: one queue that nothing moves in. A hand walks from old to new, takes the mark off what was used and evicts
/// the first that was not: newcomers that are never used go soon, what is used stays where it is.
/// Source: Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is Simpler than LRU", NSDI 2024.
#pragma once

#include "cache/policy/queue.hpp"

namespace hotwell::cache {

class Sieve final : public EvictionPolicy {
 public:
  [[nodiscard]] Hits hits() const noexcept override { return Hits::marked; }
  void inserted(PolicyNode& node) override { queue_.push_newest(node); }
  void hit(PolicyNode& node) override { node.use(1); }
  void removed(PolicyNode& node, Departure) override {
    if (hand_ == &node) hand_ = queue_.newer(node);
    queue_.erase(node);
  }
  void replaced(PolicyNode& old, PolicyNode& node) override {
    if (hand_ == &old) hand_ = &node;
    queue_.replace(old, node);
  }
  [[nodiscard]] PolicyNode* victim(Weight) override {
    PolicyNode* node = hand_ != nullptr ? hand_ : queue_.oldest();
    // Each step takes a mark away, so this ends; readers that mark meanwhile can only delay it.
    while (node != nullptr && node->uses.exchange(0, std::memory_order_relaxed) != 0) node = after(*node);
    hand_ = node;
    return node;
  }
  void spared(PolicyNode& node) override { hand_ = after(node); }

 private:
  [[nodiscard]] PolicyNode* after(const PolicyNode& node) const {
    PolicyNode* next = queue_.newer(node);
    return next != nullptr ? next : queue_.oldest();
  }

  PolicyQueue queue_;
  PolicyNode* hand_ = nullptr;  ///< where the walk goes on; null: at the oldest
};

}  // namespace hotwell::cache
