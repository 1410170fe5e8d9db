/// S3-FIFO: a small queue that newcomers have to prove themselves in, a main queue with second chances, and ghosts of
/// those that failed: who comes back soon goes straight to the main queue. A hit only counts up to three.
/// Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO Queues Are All You Need for Cache Eviction", SOSP 2023.
#pragma once

#include "cache/policy/ghosts.hpp"
#include "cache/policy/queue.hpp"

namespace hotwell::cache {

class S3Fifo final : public EvictionPolicy {
 public:
  [[nodiscard]] Hits hits() const noexcept override { return Hits::marked; }
  void inserted(PolicyNode& node) override;
  void hit(PolicyNode& node) override { node.use(3); }
  void removed(PolicyNode& node, Departure departure) override;
  void replaced(PolicyNode& old, PolicyNode& node) override { queue_of(old).replace(old, node); }
  [[nodiscard]] PolicyNode* victim(Weight incoming) override;
  void spared(PolicyNode& node) override { queue_of(node).make_newest(node); }
  void set_capacity(Weight capacity) override;

 private:
  enum : std::uint8_t { in_small, in_main };
  [[nodiscard]] PolicyQueue& queue_of(const PolicyNode& node) { return node.queue == in_small ? small_ : main_; }

  PolicyQueue small_;
  PolicyQueue main_;
  Ghosts ghosts_;
  std::uint64_t entries_ = 0;
};

}  // namespace hotwell::cache
