#include "cache/policy/s3_fifo.hpp"

namespace hotwell::cache {
namespace {

// The paper's figures.
constexpr Weight small_part = 10;          // a tenth of the capacity
constexpr std::uint8_t uses_to_prove = 2;  // before the small queue's end

}  // namespace

void S3Fifo::set_capacity(Weight capacity) {
  EvictionPolicy::set_capacity(capacity);
  ghosts_.set_span(capacity - capacity / small_part);
}

void S3Fifo::inserted(PolicyNode& node) {
  ghosts_.expect(++entries_);
  node.queue = ghosts_.recall(node.hash) ? in_main : in_small;
  queue_of(node).push_newest(node);
}

void S3Fifo::removed(PolicyNode& node, Departure departure) {
  --entries_;
  if (departure == Departure::evicted && node.queue == in_small) ghosts_.remember(node.hash, node.weight);
  queue_of(node).erase(node);
}

PolicyNode* S3Fifo::victim(Weight) {
  // Each turn moves a node out of the small queue or takes one of its at most three uses, so this ends.
  for (;;) {
    PolicyNode* node = small_.oldest();
    if (node != nullptr && (main_.empty() || small_.weight() >= capacity() / small_part)) {
      if (node->uses.load(std::memory_order_relaxed) < uses_to_prove) return node;
      small_.erase(*node);
      node->uses.store(0, std::memory_order_relaxed);
      node->queue = in_main;
      main_.push_newest(*node);
      continue;
    }
    node = main_.oldest();
    if (node == nullptr) return nullptr;
    const auto uses = node->uses.load(std::memory_order_relaxed);
    if (uses == 0) return node;
    node->uses.store(static_cast<std::uint8_t>(uses - 1), std::memory_order_relaxed);
    main_.make_newest(*node);
  }
}

}  // namespace hotwell::cache
