#include "cache/memory/entry.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/assert.hpp"
#include "cache/memory/heap_cost.hpp"

namespace hotwell::cache {
namespace {

// Above this, bytes that somebody has allocated already are not copied: what is that large leaves few holes in the
// heap.
constexpr std::size_t most_copied = 1 << 20;
constexpr std::size_t most_inside = (std::size_t{1} << 31) - 1;

constexpr std::uint64_t tree_links = 32;    // of a map's node: colour, parent, left, right
constexpr std::uint64_t shared_count = 16;  // before bytes that a shared_ptr keeps
// At the table's lowest load a word and its part of the bucket's second, and what policies remember of a key.
constexpr std::uint64_t elsewhere = 13 + 12;

}  // namespace

Entry* Entry::make(const Details& details, const Buffer& bytes, Kind& kind, std::uint64_t key_hash) {
  HOTWELL_ASSERT(details.key.size() < (std::size_t{1} << 16));
  const bool inside = bytes.size() <= (bytes.owns() ? most_copied : most_inside);
  std::unique_ptr<Extras> extras;
  if (!inside || !details.metadata.empty()) {
    extras = std::make_unique<Extras>(details.metadata, inside         ? Buffer()
                                                        : bytes.owns() ? bytes
                                                                       : Buffer::copy_of(bytes.view()));
  }
  const auto size = inside ? bytes.size() : 0;
  void* memory = kind.cells->take(sizeof(Entry) + details.key.size() + (extras ? sizeof(Extras*) : 0) + size);
  auto* entry = new (memory) Entry(details, kind, key_hash, static_cast<std::uint32_t>(size), extras != nullptr);
  char* at = reinterpret_cast<char*>(entry + 1);
  std::memcpy(at, details.key.data(), details.key.size());
  at += details.key.size();
  if (size != 0) std::memcpy(at, bytes.view().data(), size);
  at += size;
  if (const Extras* last = extras.release()) std::memcpy(at, &last, sizeof last);
  entry->weight = entry->cost();
  return entry;
}

Entry::Entry(const Details& details, Kind& kind, std::uint64_t key_hash, std::uint32_t size, bool has_extras) noexcept
    : placed_(0),
      hits_(0),
      has_extras_(has_extras ? 1 : 0),
      size_(size & most_inside),
      generation_(details.generation),
      created_(details.created.time_since_epoch().count()),
      expires_(details.expires.time_since_epoch().count()),
      kind_and_key_size_(reinterpret_cast<std::uint64_t>(&kind) | std::uint64_t{details.key.size()} << 48) {
  HOTWELL_ASSERT((reinterpret_cast<std::uint64_t>(&kind) & ~address_bits) == 0);
  hash = static_cast<std::uint32_t>(key_hash);
}

Entry::~Entry() { delete extras(); }

std::uint64_t Entry::cost() const noexcept {
  auto sum = Cells::cost(allocated()) + elsewhere;
  if (const Extras* more = extras()) {
    sum += heap_cost(sizeof(Extras));
    for (const auto& pair : more->metadata)
      sum += heap_cost(tree_links + sizeof(pair)) + heap_cost(pair.first) + heap_cost(pair.second);
    if (more->content.size() != 0) sum += heap_cost(more->content.size() + shared_count);
  }
  const Kind& own = kind();
  if (own.of == Kind::Of::one) sum += heap_cost(sizeof(Kind)) + heap_cost(own.content_type) + heap_cost(own.type);
  return sum;
}

unsigned Entry::hits(std::uint8_t period) const noexcept {
  const auto halvings = static_cast<std::uint8_t>(period - hits_period_);
  return halvings < 7 ? unsigned{hits_} >> halvings : 0;
}

void Entry::count_hit(std::uint8_t period) noexcept {
  constexpr unsigned most = 127;
  const auto count = std::min(hits(period) + 1, most);
  hits_ = count & most;
  hits_period_ = period;
}

void Entry::destroy(Entry& entry) noexcept {
  entry.kind().budget->give_back(entry.weight);
  discard(entry);
}

void Entry::discard(Entry& entry) noexcept {
  Kind& kind = entry.kind();
  const auto size = entry.allocated();
  entry.~Entry();
  kind.cells->give_back(&entry, size);
  kind.let_go();
}

std::size_t Entry::allocated() const noexcept {
  return sizeof(Entry) + key_size() + size_ + (has_extras_ != 0 ? sizeof(Extras*) : 0);
}

Entry::Extras* Entry::extras() const noexcept {
  if (has_extras_ == 0) return nullptr;
  Extras* more = nullptr;
  std::memcpy(static_cast<void*>(&more), tail() + key_size() + size_, sizeof more);
  return more;
}

}  // namespace hotwell::cache
