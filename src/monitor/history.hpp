/// The past as points: every series at three grains, 1 s over 5 min, 10 s over 1 h and 60 s over 24 h.
///
/// Invariants:
///  - A grain's slot is its number since 1970: two series' points of one slot are of one time, across restarts too.
///  - A point carries its slot, so that a ring needs no clearing: what stands at a place and is of another slot is
///  older
///    than the ring and is not there.
///  - At most `max_series` series; those without a point in 24 h make room for new ones at the next start.
///  - The grains 10 s and 60 s are in the file as soon as their writes are carried out (docs/formats/history.md). A
///  file that cannot be
///    read or written costs the past, never the present: it is said once and everything goes on in memory.
///
/// Threads: one at a time (the owner locks), but for carry_out(), which may wait for the disk and needs no lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hotwell/body.hpp>
#include <hotwell/units.hpp>

#include "monitor/window.hpp"

namespace hotwell::monitor {

enum class Grain : std::uint8_t { second, ten_seconds, minute };
inline constexpr std::size_t grain_count = 3;

struct GrainSize {
  std::uint32_t step;    ///< seconds
  std::uint32_t length;  ///< points that are kept
  [[nodiscard]] constexpr std::uint32_t span() const { return step * length; }
};
inline constexpr std::array<GrainSize, grain_count> grains{{{1, 300}, {10, 360}, {60, 1440}}};
[[nodiscard]] constexpr const GrainSize& size_of(Grain grain) { return grains[static_cast<std::size_t>(grain)]; }

/// What one series was in one slot. Durations are in seconds. A measured value (a gauge) is `sum / count`: of a level
/// the count is the readings, of a ratio what it is a part of.
struct Point {
  std::uint32_t slot = 0;  ///< 0: nothing is here
  float count = 0;
  float failed = 0;
  float sum = 0;
  float min = 0;
  float max = 0;
  float p50 = 0;
  float p95 = 0;
  float p99 = 0;
  float p999 = 0;
};
static_assert(sizeof(Point) == 40 && std::is_trivially_copyable_v<Point>);

/// A point at rest: a third smaller, as a day of 512 series is most of what the monitor holds. Counts and sums stay as
/// they are; extremes and quantiles keep ten bits, which is within 0.1 % of them.
class PackedPoint {
 public:
  PackedPoint() = default;
  explicit PackedPoint(const Point& point);
  [[nodiscard]] std::uint32_t slot() const { return slot_; }
  [[nodiscard]] Point unpack() const;

 private:
  std::uint32_t slot_ = 0;
  float count_ = 0;
  float failed_ = 0;
  float sum_ = 0;
  std::array<std::uint16_t, 6> levels_{};  ///< min, max, and the quantiles
};
static_assert(sizeof(PackedPoint) == 28);

/// Of requests; the slot is left to the caller.
[[nodiscard]] Point point_of(const Tally& tally, const Histogram& histogram);
/// Of the points of one series that lie in a larger slot; their quantiles are those of the values. Precondition: not
/// empty.
[[nodiscard]] Point point_of(const std::vector<Point>& finer);

class History {
 public:
  static constexpr std::size_t max_series = 768;
  static constexpr std::size_t max_key = 272;

  /// Reads the file in `directory`, or makes one; without a directory nothing is saved. `now` is seconds since 1970.
  History(const std::filesystem::path& directory, std::uint32_t now);
  ~History() { carry_out(take_writes()); }
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// The series' number, a new one where it is needed; empty when all are taken or the key is too long.
  [[nodiscard]] std::optional<std::size_t> series(std::string_view key);
  [[nodiscard]] std::optional<std::size_t> find(std::string_view key) const;
  /// Every key, in no order.
  [[nodiscard]] std::vector<std::string> keys() const;

  /// Sets a point; its slot says where.
  void put(Grain grain, std::size_t series, const Point& point);
  /// Has what was put into one slot of a coarser grain written to the file.
  void write(Grain grain, std::uint32_t slot);
  struct Write {
    std::uint64_t offset;
    std::vector<std::byte> bytes;
  };
  /// What is to be written, in order.
  [[nodiscard]] std::vector<Write> take_writes() { return std::exchange(writes_, {}); }
  void carry_out(const std::vector<Write>& writes);
  [[nodiscard]] std::optional<Point> at(Grain grain, std::size_t series, std::uint32_t slot) const;

 private:
  struct Series {
    std::string key;
    std::array<std::vector<PackedPoint>, grain_count> rings;  ///< empty until the first point
  };
  bool open(const std::filesystem::path& directory);
  void load(std::uint32_t now);
  void write_key(std::size_t series);
  void queue_write(std::uint64_t offset, const void* bytes, std::size_t size);
  void give_up(std::string_view what);

  std::vector<Series> series_;
  std::unordered_map<std::string, std::size_t> numbers_;
  std::vector<std::size_t> free_;  ///< numbers without a key
  std::vector<Write> writes_;
  FileHandle file_;                  ///< stays open where it was opened
  std::atomic<bool> in_vain_{true};  ///< nothing is saved: there is no file, or it failed
  std::filesystem::path path_;
};

}  // namespace hotwell::monitor
