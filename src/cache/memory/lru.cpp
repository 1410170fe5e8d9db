#include "cache/memory/lru.hpp"

namespace hotwell::cache {

void Lru::inserted(PolicyNode& node) {
  node.previous = &ring_;
  node.next = ring_.next;
  node.next->previous = ring_.next = &node;
}

void Lru::hit(PolicyNode& node) {
  if (ring_.next == &node) return;
  removed(node, Departure::erased);
  inserted(node);
}

void Lru::removed(PolicyNode& node, Departure) {
  node.previous->next = node.next;
  node.next->previous = node.previous;
  node.previous = node.next = nullptr;
}

}  // namespace hotwell::cache
