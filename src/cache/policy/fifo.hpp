/// FIFO: who came first goes first, whatever was used. The floor that a policy has to beat.
#pragma once

#include "cache/policy/queue.hpp"

namespace hotwell::cache {

class Fifo final : public EvictionPolicy {
 public:
  [[nodiscard]] Hits hits() const noexcept override { return Hits::marked; }
  void inserted(PolicyNode& node) override { queue_.push_newest(node); }
  void hit(PolicyNode&) override {}
  void removed(PolicyNode& node, Departure) override { queue_.erase(node); }
  void replaced(PolicyNode& old, PolicyNode& node) override { queue_.replace(old, node); }
  [[nodiscard]] PolicyNode* victim(Weight) override { return queue_.oldest(); }
  void spared(PolicyNode& node) override { queue_.make_newest(node); }

 private:
  PolicyQueue queue_;
};

}  // namespace hotwell::cache
