/// The queue that policies are made of: an intrusive ring of nodes from the newest to the oldest, with its weight.
#pragma once

#include "cache/policy/policy.hpp"

namespace hotwell::cache {

class PolicyQueue {
 public:
  PolicyQueue() { ring_.newer = ring_.older = &ring_; }
  PolicyQueue(const PolicyQueue&) = delete;
  PolicyQueue& operator=(const PolicyQueue&) = delete;

  [[nodiscard]] Weight weight() const noexcept { return weight_; }
  [[nodiscard]] bool empty() const noexcept { return ring_.newer == &ring_; }
  [[nodiscard]] PolicyNode* oldest() const noexcept { return empty() ? nullptr : ring_.newer; }
  /// The next newer one; null behind the newest.
  [[nodiscard]] PolicyNode* newer(const PolicyNode& node) const noexcept {
    return node.newer == &ring_ ? nullptr : node.newer;
  }

  void push_newest(PolicyNode& node) noexcept { link(node, *ring_.older, ring_); }
  void erase(PolicyNode& node) noexcept {
    node.older->newer = node.newer;
    node.newer->older = node.older;
    node.older = node.newer = nullptr;
    weight_ -= node.weight;
  }
  void make_newest(PolicyNode& node) noexcept {
    if (ring_.older == &node) return;
    erase(node);
    push_newest(node);
  }
  void replace(PolicyNode& old, PolicyNode& node) noexcept {
    PolicyNode& older = *old.older;
    PolicyNode& newer = *old.newer;
    erase(old);
    link(node, older, newer);
    node.queue = old.queue;
    node.uses.store(old.uses.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }

 private:
  void link(PolicyNode& node, PolicyNode& older, PolicyNode& newer) noexcept {
    node.older = &older;
    node.newer = &newer;
    older.newer = newer.older = &node;
    weight_ += node.weight;
  }

  PolicyNode ring_;  ///< its `newer` is the oldest node, its `older` the newest
  Weight weight_ = 0;
};

}  // namespace hotwell::cache
