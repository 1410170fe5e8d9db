#include "cache/memory/kinds.hpp"

#include "base/digest.hpp"

namespace hotwell::cache {

Kinds::~Kinds() {
  for (auto& place : places_)
    if (Kind* kind = place.load(std::memory_order_relaxed)) kind->let_go();
}

Kind& Kinds::of(std::string_view content_type, std::string_view type) {
  if (content_type.size() + type.size() <= most_text) {
    auto& place = find(content_type, type);
    Kind* kind = place.load(std::memory_order_acquire);
    if (kind == nullptr) {
      const std::lock_guard lock(mutex_);
      auto& free = find(content_type, type);
      kind = free.load(std::memory_order_relaxed);
      if (kind == nullptr && count_ < most_shared) {
        kind = new Kind(content_type, type, budget_, cells_, Kind::Of::many);
        free.store(kind, std::memory_order_release);
        ++count_;
      }
    }
    if (kind != nullptr) {
      kind->keep();
      return *kind;
    }
  }
  return *new Kind(content_type, type, budget_, cells_, Kind::Of::one);
}

std::atomic<Kind*>& Kinds::find(std::string_view content_type, std::string_view type) {
  auto at = base::xxh3_64(content_type, base::xxh3_64(type));
  for (;; ++at) {
    auto& place = places_[at % places_.size()];
    const Kind* kind = place.load(std::memory_order_acquire);
    if (kind == nullptr || (kind->content_type == content_type && kind->type == type)) return place;
  }
}

}  // namespace hotwell::cache
