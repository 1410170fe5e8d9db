#include "cache/policy/w_tiny_lfu.hpp"

#include <algorithm>

namespace hotwell::cache {
namespace {

// Where it starts, before anything was learned.
constexpr double first_window = 0.25;

}  // namespace

void WTinyLfu::set_capacity(Weight capacity) {
  const auto before = this->capacity();
  const double part = before == 0 ? first_window : static_cast<double>(window_limit_) / static_cast<double>(before);
  EvictionPolicy::set_capacity(capacity);
  shadow_.set_capacity(capacity);
  window_limit_ = std::clamp(static_cast<Weight>(part * static_cast<double>(capacity)), narrowest(), capacity);
}

void WTinyLfu::inserted(PolicyNode& node) {
  sketch_.expect(++entries_);
  sketch_.add(node.hash);
  if (shadow_.follows(node.hash)) {
    const auto rate = shadow_.rate();
    if (shadow_.access(node.hash, node.weight)) widen(node.weight * rate);
  }
  node.queue = in_window;
  window_.push_newest(node);
  // While there is room, what leaves the window needs nobody's place.
  const auto main_limit = capacity() - window_limit_;
  while (window_.weight() > window_limit_ && window_.oldest() != &node &&
         probation_.weight() + protected_.weight() + window_.oldest()->weight <= main_limit)
    move(*window_.oldest(), in_probation);
}

void WTinyLfu::hit(PolicyNode& node) {
  sketch_.add(node.hash);
  if (shadow_.follows(node.hash)) {
    const auto rate = shadow_.rate();
    if (!shadow_.access(node.hash, node.weight)) narrow(node.weight * rate);
  }
  if (node.queue == in_probation) {
    move(node, in_protected);
    demote();
  } else {
    queue_of(node).make_newest(node);
  }
}

void WTinyLfu::removed(PolicyNode& node, Departure departure) {
  --entries_;
  if (departure == Departure::erased && shadow_.follows(node.hash)) shadow_.forget(node.hash);
  queue_of(node).erase(node);
}

void WTinyLfu::replaced(PolicyNode& old, PolicyNode& node) {
  queue_of(old).replace(old, node);
  hit(node);
}

PolicyNode* WTinyLfu::victim(Weight incoming) {
  demote();
  PolicyNode* main = probation_.empty() ? protected_.oldest() : probation_.oldest();
  PolicyNode* candidate = window_.oldest();
  if (main == nullptr) return candidate;
  if (candidate == nullptr || window_.weight() + incoming <= window_limit_) return main;
  if (sketch_.count(candidate->hash) <= sketch_.count(main->hash)) return candidate;
  move(*candidate, in_probation);
  return main;
}

void WTinyLfu::move(PolicyNode& node, std::uint8_t queue) {
  queue_of(node).erase(node);
  node.queue = queue;
  queue_of(node).push_newest(node);
}

void WTinyLfu::widen(Weight weight) { window_limit_ += std::min(weight, capacity() - window_limit_); }

void WTinyLfu::narrow(Weight weight) {
  window_limit_ -= std::min(weight, window_limit_ - std::min(narrowest(), window_limit_));
}

void WTinyLfu::demote() {
  // Four fifths of the main part are protected, as in the paper.
  const auto limit = (capacity() - window_limit_) / 5 * 4;
  while (protected_.weight() > limit && !protected_.empty()) move(*protected_.oldest(), in_probation);
}

}  // namespace hotwell::cache
