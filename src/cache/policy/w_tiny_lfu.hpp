/// W-TinyLFU: newcomers wait in a window in order of use; who leaves it has to be asked for more often than whom it
/// would push out of the main part, or goes. The main part is a probation queue and a protected one.
///
/// How large the window is, is learned from comparison with strict LRU, which a shadow follows: a hit that LRU would
/// have had and this cache had not makes the window wider by the object's weight, a hit that LRU would not have had
/// makes it narrower by as much. A window of all the capacity is LRU itself, so what LRU does better is not missed for
/// long, and where frequency tells more than recency the window closes.
/// Source: Einziger, Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017; that the window has
/// to adapt, Einziger, Eytan, Friedman, Manes, "Adaptive Software Cache Management", Middleware 2018; learning from
/// the hits of the other expert is ARC's idea (Megiddo, Modha, FAST 2003).
#pragma once

#include "cache/policy/lru_shadow.hpp"
#include "cache/policy/queue.hpp"
#include "cache/policy/sketch.hpp"

namespace hotwell::cache {

class WTinyLfu final : public EvictionPolicy {
 public:
  [[nodiscard]] Hits hits() const noexcept override { return Hits::ordered; }
  void inserted(PolicyNode& node) override;
  void hit(PolicyNode& node) override;
  void removed(PolicyNode& node, Departure departure) override;
  void replaced(PolicyNode& old, PolicyNode& node) override;
  [[nodiscard]] PolicyNode* victim(Weight incoming) override;
  void spared(PolicyNode& node) override { queue_of(node).make_newest(node); }
  void set_capacity(Weight capacity) override;

  [[nodiscard]] Weight window_limit() const noexcept { return window_limit_; }

 private:
  enum : std::uint8_t { in_window, in_probation, in_protected };
  [[nodiscard]] PolicyQueue& queue_of(const PolicyNode& node) {
    return node.queue == in_window ? window_ : node.queue == in_probation ? probation_ : protected_;
  }
  void move(PolicyNode& node, std::uint8_t queue);
  [[nodiscard]] Weight narrowest() const noexcept { return capacity() / 100; }
  void widen(Weight weight);
  void narrow(Weight weight);
  void demote();

  PolicyQueue window_;
  PolicyQueue probation_;
  PolicyQueue protected_;
  Weight window_limit_ = 0;
  FrequencySketch sketch_;
  LruShadow shadow_;
  std::uint64_t entries_ = 0;
};

}  // namespace hotwell::cache
