#include "monitor/recorder.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "base/assert.hpp"
#include "base/digest.hpp"

namespace hotwell::monitor {
namespace {

using Cell = std::uint64_t;

Cell load(const Cell& cell) noexcept {
  // atomic_ref of const objects comes with a later standard; a load does not write.
  return std::atomic_ref<Cell>(const_cast<Cell&>(cell)).load(std::memory_order_relaxed);
}
void store(Cell& cell, Cell value) noexcept { std::atomic_ref<Cell>(cell).store(value, std::memory_order_relaxed); }
/// The single writer's increment: no bus lock.
void bump(Cell& cell, Cell by = 1) noexcept { store(cell, load(cell) + by); }
void raise(Cell& cell, Cell value) noexcept {
  if (load(cell) < value) store(cell, value);
}

}  // namespace

/// One thread's counters of one series, but for its buckets: a cache line. All zero is empty, as the kernel hands out
/// memory: so the minimum is kept complemented and the maximum by one too high.
struct alignas(64) Head {
  std::array<Cell, outcome_count> outcomes;
  Cell sum;
  Cell clamped;
  Cell not_min;
  Cell max_plus_one;
  Cell blocks;  ///< which powers of two were ever used: readers skip the rest

  [[nodiscard]] std::uint64_t total() const noexcept {
    std::uint64_t sum_of = 0;
    for (const Cell& cell : outcomes) sum_of += load(cell);
    return sum_of;
  }
};
using BucketCells = std::array<Cell, Buckets::count>;

struct Cells {
  Head* head = nullptr;
  Cell* buckets = nullptr;

  void add(Duration duration, RequestOutcome outcome) const noexcept {
    const bool negative = duration.count() < 0;
    const auto value = negative ? 0 : static_cast<std::uint64_t>(duration.count());
    if (negative || value >= Buckets::limit) bump(head->clamped);
    const std::size_t index = Buckets::index(value);
    const Cell block = Cell{1} << (index >> Buckets::part_bits);
    if ((load(head->blocks) & block) == 0) store(head->blocks, load(head->blocks) | block);
    bump(buckets[index]);
    bump(head->sum, value);
    raise(head->not_min, ~value);
    raise(head->max_plus_one, value + 1);
    // Last, so that a reader who skips a series whose count did not move misses nothing that was complete.
    bump(head->outcomes[static_cast<std::size_t>(outcome)]);
  }
};

static_assert(Buckets::block_count <= 64);

constexpr std::size_t series_slots = Recorder::max_series + 1;  // and "__other__"

/// Pages that cost nothing until they are written: most threads use few series, most series few powers of two. The
/// heads stand together, so that who looks for what moved reads a few pages.
class CellsOfAllSeries {
 public:
  CellsOfAllSeries()
      : memory_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    // Huge pages would make the untouched ones cost as much as the others.
    (void)madvise(memory_, bytes, MADV_NOHUGEPAGE);
  }
  ~CellsOfAllSeries() { munmap(memory_, bytes); }
  CellsOfAllSeries(const CellsOfAllSeries&) = delete;
  CellsOfAllSeries& operator=(const CellsOfAllSeries&) = delete;
  [[nodiscard]] Head& head(std::size_t series) const noexcept { return static_cast<Head*>(memory_)[series]; }
  Cells operator[](std::size_t series) const noexcept {
    auto* buckets = reinterpret_cast<BucketCells*>(static_cast<std::byte*>(memory_) + heads);
    return {&head(series), buckets[series].data()};
  }

 private:
  static constexpr std::size_t heads = series_slots * sizeof(Head);
  static constexpr std::size_t bytes = heads + series_slots * sizeof(BucketCells);
  void* memory_;
};

namespace {

/// The well-formed sequences of the Unicode standard, table 3-7.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t offset) {
      return i + offset < text.size() ? static_cast<unsigned char>(text[i + offset]) : 0U;
    };
    const auto continues = [&](std::size_t offset) { return (byte(offset) & 0xC0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) {
      i += 1;
    } else if (first >= 0xC2 && first <= 0xDF && continues(1)) {
      i += 2;
    } else if (first >= 0xE0 && first <= 0xEF && continues(1) && continues(2) && !(first == 0xE0 && byte(1) < 0xA0) &&
               !(first == 0xED && byte(1) > 0x9F)) {
      i += 3;
    } else if (first >= 0xF0 && first <= 0xF4 && continues(1) && continues(2) && continues(3) &&
               !(first == 0xF0 && byte(1) < 0x90) && !(first == 0xF4 && byte(1) > 0x8F)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

void Tally::merge(const Tally& other) {
  for (std::size_t i = 0; i < outcome_count; ++i) outcomes[i] += other.outcomes[i];
  sum += other.sum;
  clamped += other.clamped;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

void Tally::subtract(const Tally& earlier) {
  for (std::size_t i = 0; i < outcome_count; ++i) outcomes[i] -= earlier.outcomes[i];
  sum -= earlier.sum;
  clamped -= earlier.clamped;
}

/// What one thread at a time writes: its counters, and its own table of the endpoints it has seen.
class Slab {
 public:
  struct Found {
    const std::string* name;  ///< null: counted together with others
    Cells cells;              ///< without a head: not seen before
  };
  Found find(std::string_view endpoint, std::uint64_t hash) noexcept {
    for (std::size_t i = hash % table_size;; i = (i + 1) % table_size) {
      const Entry& entry = table_[i];
      if (entry.name == nullptr) return {nullptr, {}};
      if (entry.hash == hash && *entry.name == endpoint) return {entry.name, cells_[entry.series]};
    }
  }
  Found add(const std::string& endpoint, std::uint64_t hash, std::size_t series) noexcept {
    std::size_t i = hash % table_size;
    while (table_[i].name != nullptr) i = (i + 1) % table_size;
    table_[i] = {hash, &endpoint, series};
    return {&endpoint, cells_[series]};
  }
  [[nodiscard]] Cells cells(std::size_t series) const noexcept { return cells_[series]; }
  [[nodiscard]] Head& head(std::size_t series) const noexcept { return cells_.head(series); }

 private:
  struct Entry {
    std::uint64_t hash = 0;
    const std::string* name = nullptr;  ///< owned by the registry
    std::size_t series = 0;
  };
  static constexpr std::size_t table_size = 2 * Recorder::max_series;  // never more than half full
  std::array<Entry, table_size> table_{};
  CellsOfAllSeries cells_;
};

/// What the threads share: the slabs and the endpoints' numbers. Outlives the recorder while a thread returns a slab.
class Recorder::Registry {
 public:
  Registry() { names_.emplace_back(other_endpoint); }

  Slab* lease() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      slabs_.push_back(std::make_unique<Slab>());
      idle_.reserve(slabs_.size());  // so that giving back, at a thread's end, cannot fail
      return slabs_.back().get();
    }
    Slab* slab = idle_.back();
    idle_.pop_back();
    return slab;
  }
  void give_back(Slab* slab) noexcept {
    const std::lock_guard lock(mutex_);
    idle_.push_back(slab);
  }

  /// The counters of an endpoint that the slab's thread has not met before.
  Slab::Found meet(Slab& slab, std::string_view endpoint, std::uint64_t hash) {
    const Number found = find(endpoint);
    return found.name == nullptr ? Slab::Found{nullptr, slab.cells(0)} : slab.add(*found.name, hash, found.series);
  }
  std::size_t number(std::string_view endpoint) { return find(endpoint).series; }

  [[nodiscard]] std::size_t series_count() const {
    const std::lock_guard lock(mutex_);
    return names_.size();
  }
  [[nodiscard]] const std::string& name(std::size_t series) const {
    const std::lock_guard lock(mutex_);
    return names_[series];
  }
  template <class F>
  void for_each_slab(F visit) const {
    const std::lock_guard lock(mutex_);
    for (const auto& slab : slabs_) visit(*slab);
  }

 private:
  struct Number {
    const std::string* name;  ///< null: "__other__"
    std::size_t series;
  };
  /// Gives a new endpoint its number while there are any.
  Number find(std::string_view endpoint) {
    constexpr Number other{nullptr, 0};
    if (endpoint.empty() || endpoint.size() > max_name || endpoint == other_endpoint) return other;
    if (frozen_.load(std::memory_order_acquire)) {
      const auto found = numbers_.find(endpoint);
      return found == numbers_.end() ? other : Number{&found->first, found->second};
    }
    if (!is_utf8(endpoint)) return other;
    const std::lock_guard lock(mutex_);
    auto found = numbers_.find(endpoint);
    if (found == numbers_.end()) {
      if (numbers_.size() == max_series) return other;  // frozen while this thread waited for the lock
      found = numbers_.emplace(endpoint, names_.size()).first;
      names_.push_back(found->first);
      if (numbers_.size() == max_series) frozen_.store(true, std::memory_order_release);
    }
    return {&found->first, found->second};
  }

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::vector<Slab*> idle_;
  std::map<std::string, std::size_t, std::less<>> numbers_;  ///< never changes again once frozen
  std::deque<std::string> names_;                            ///< by number; references stay valid
  std::atomic<bool> frozen_{false};
};

namespace {

/// What the thread recorded into last. Trivial, so that the fast path pays no initialization guard and that it may be
/// read while a thread ends.
struct Last {
  std::uint64_t recorder;
  Slab* slab;
  const std::string* endpoint;  ///< owned by the registry; null: none that has counters of its own
  Cells cells;                  ///< of that endpoint
};
constinit thread_local Last last{0, nullptr, nullptr, {}};

/// memcmp without the call: names are short.
bool same(const std::string& known, std::string_view asked) noexcept {
  const std::size_t size = known.size();
  if (size != asked.size()) return false;
  const auto word = [](const char* at) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, sizeof bytes);
    return bytes;
  };
  const char* a = known.data();
  const char* b = asked.data();
  if (size < sizeof(std::uint64_t)) {
    for (std::size_t i = 0; i < size; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }
  const std::size_t end = size - sizeof(std::uint64_t);
  for (std::size_t i = 0; i < end; i += sizeof(std::uint64_t))
    if (word(a + i) != word(b + i)) return false;
  return word(a + end) == word(b + end);
}
constinit thread_local bool thread_ended = false;

struct Lease {
  std::uint64_t recorder;
  std::weak_ptr<Recorder::Registry> registry;
  Slab* slab;
};

/// Gives every slab back when the thread ends.
struct Leases {
  std::vector<Lease> held;
  ~Leases() {
    thread_ended = true;
    last = {0, nullptr, nullptr, {}};
    for (const Lease& lease : held)
      if (const auto registry = lease.registry.lock()) registry->give_back(lease.slab);
  }
};
thread_local Leases leases;

Slab* lease_for(std::uint64_t recorder, const std::shared_ptr<Recorder::Registry>& registry) {
  for (const Lease& lease : leases.held)
    if (lease.recorder == recorder) return lease.slab;
  std::erase_if(leases.held, [](const Lease& lease) { return lease.registry.expired(); });
  leases.held.reserve(leases.held.size() + 1);
  Slab* slab = registry->lease();
  leases.held.push_back({recorder, registry, slab});
  return slab;
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> ids{0};
  return ids.fetch_add(1) + 1;
}

}  // namespace

Recorder::Recorder() : id_(next_id()), registry_(std::make_shared<Registry>()) {}
Recorder::~Recorder() = default;

template <class F>
void Recorder::with_slab(F count_in) {
  if (last.recorder != id_) [[unlikely]] {
    if (thread_ended) {  // another thread-local's destructor records: too late for a lease of one's own
      Slab* slab = registry_->lease();
      count_in(*slab);
      registry_->give_back(slab);
      return;
    }
    last = {id_, lease_for(id_, registry_), nullptr, {}};
  }
  count_in(*last.slab);
}

void Recorder::record(Duration duration, RequestOutcome outcome, std::string_view endpoint) {
  if (last.recorder == id_ && last.endpoint != nullptr && same(*last.endpoint, endpoint)) {
    last.cells.add(duration, outcome);
    return;
  }
  with_slab([&](Slab& slab) {
    const std::uint64_t hash = base::xxh3_64(endpoint);
    Slab::Found found = slab.find(endpoint, hash);
    if (found.cells.head == nullptr) found = registry_->meet(slab, endpoint, hash);
    if (last.slab == &slab) {
      last.endpoint = found.name;
      last.cells = found.cells;
    }
    found.cells.add(duration, outcome);
  });
}

void Recorder::record(Duration duration, RequestOutcome outcome, Series series) {
  with_slab([&](Slab& slab) { slab.cells(series.number).add(duration, outcome); });
}

void Recorder::count(RequestOutcome outcome, std::string_view endpoint) {
  with_slab(
      [&](Slab& slab) { bump(slab.head(registry_->number(endpoint)).outcomes[static_cast<std::size_t>(outcome)]); });
}

Recorder::Series Recorder::series(std::string_view endpoint) { return {registry_->number(endpoint)}; }

std::size_t Recorder::series_count() const { return registry_->series_count(); }
const std::string& Recorder::name(std::size_t series) const { return registry_->name(series); }

std::uint64_t Recorder::count(std::size_t series) const {
  std::uint64_t total = 0;
  registry_->for_each_slab([&](const Slab& slab) { total += slab.head(series).total(); });
  return total;
}

void Recorder::read(std::size_t series, Extremes extremes, Tally& tally, Histogram& histogram) const {
  registry_->for_each_slab([&](const Slab& slab) {
    const Cells cells = slab.cells(series);
    Head& head = *cells.head;
    if (head.total() == 0) return;
    Tally one;
    for (std::size_t i = 0; i < outcome_count; ++i) one.outcomes[i] = load(head.outcomes[i]);
    one.sum = load(head.sum);
    one.clamped = load(head.clamped);
    // The one place where a reader writes. The writer that compares with the old extreme at this very moment counts
    // its request to the second that ends.
    const auto extreme = [&](Cell& cell) {
      return extremes == Extremes::take ? std::atomic_ref<Cell>(cell).exchange(0, std::memory_order_relaxed)
                                        : load(cell);
    };
    one.min = ~extreme(head.not_min);
    if (const Cell max = extreme(head.max_plus_one); max != 0) one.max = max - 1;
    tally.merge(one);
    for (Cell blocks = load(head.blocks); blocks != 0; blocks &= blocks - 1) {
      const auto block = static_cast<std::size_t>(std::countr_zero(blocks));
      const Cell* first = &cells.buckets[block << Buckets::part_bits];
      histogram.add_block(block, [first](std::size_t i) { return load(first[i]); });
    }
  });
}

}  // namespace hotwell::monitor
