#include "cache/policy/lru_shadow.hpp"

namespace hotwell::cache {
namespace {

constexpr std::size_t most_keys = 4096;

}  // namespace

LruShadow::LruShadow() : chains_(most_keys) {}

bool LruShadow::access(std::uint32_t hash, Weight weight) {
  if (const auto at = find(hash); at != 0) {
    unlink(at);
    // A new value's weight counts from here on.
    keys_[at].weight = weight;
    link_newest(at);
    trim();
    return true;
  }
  if (weight > capacity_ / rate()) return false;
  if (free_ == 0 && keys_.size() > most_keys) follow_fewer();
  if (!follows(hash)) return false;
  std::uint32_t at = free_;
  if (at != 0) {
    free_ = keys_[at].next;
  } else {
    at = static_cast<std::uint32_t>(keys_.size());
    keys_.emplace_back();
  }
  keys_[at].hash = hash;
  keys_[at].weight = weight;
  keys_[at].next = chain(hash);
  chain(hash) = at;
  link_newest(at);
  trim();
  return false;
}

void LruShadow::forget(std::uint32_t hash) {
  if (const auto at = find(hash); at != 0) drop(at);
}

void LruShadow::set_capacity(Weight capacity) {
  capacity_ = capacity;
  trim();
}

std::uint32_t& LruShadow::chain(std::uint32_t hash) { return chains_[mixed(hash) >> 52]; }

std::uint32_t LruShadow::find(std::uint32_t hash) {
  std::uint32_t at = chain(hash);
  while (at != 0 && keys_[at].hash != hash) at = keys_[at].next;
  return at;
}

void LruShadow::link_newest(std::uint32_t at) {
  keys_[at].newer = 0;
  keys_[at].older = keys_[0].older;
  keys_[keys_[0].older].newer = at;
  keys_[0].older = at;
  weight_ += keys_[at].weight;
}

void LruShadow::unlink(std::uint32_t at) {
  keys_[keys_[at].older].newer = keys_[at].newer;
  keys_[keys_[at].newer].older = keys_[at].older;
  weight_ -= keys_[at].weight;
}

void LruShadow::drop(std::uint32_t at) {
  unlink(at);
  std::uint32_t* place = &chain(keys_[at].hash);
  while (*place != at) place = &keys_[*place].next;
  *place = keys_[at].next;
  keys_[at].next = free_;
  free_ = at;
}

void LruShadow::follow_fewer() {
  while (free_ == 0) {
    ++halvings_;
    for (std::uint32_t at = keys_[0].newer; at != 0;) {
      const auto next = keys_[at].newer;
      if (!follows(keys_[at].hash)) drop(at);
      at = next;
    }
    trim();
  }
}

void LruShadow::trim() {
  while (weight_ > capacity_ / rate()) drop(keys_[0].newer);
}

}  // namespace hotwell::cache
