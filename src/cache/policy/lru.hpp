/// Strict LRU: the reference that the other policies are measured against.
#pragma once

#include "cache/policy/queue.hpp"

namespace hotwell::cache {

class Lru final : public EvictionPolicy {
 public:
  [[nodiscard]] Hits hits() const noexcept override { return Hits::ordered; }
  void inserted(PolicyNode& node) override { queue_.push_newest(node); }
  void hit(PolicyNode& node) override { queue_.make_newest(node); }
  void removed(PolicyNode& node, Departure) override { queue_.erase(node); }
  void replaced(PolicyNode& old, PolicyNode& node) override {
    queue_.replace(old, node);
    queue_.make_newest(node);
  }
  [[nodiscard]] PolicyNode* victim(Weight) override { return queue_.oldest(); }
  void spared(PolicyNode& node) override { queue_.make_newest(node); }

 private:
  PolicyQueue queue_;
};

}  // namespace hotwell::cache
