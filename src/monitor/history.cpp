#include "monitor/history.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"

namespace hotwell::monitor {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

struct FileHeader {
  std::array<char, 8> magic{'H', 'W', 'H', 'I', 'S', 'T', '\n', '\0'};
  std::uint32_t version = 1;
  std::uint32_t series = History::max_series;
  std::uint32_t point_size = sizeof(Point);
  std::uint32_t ten_seconds = size_of(Grain::ten_seconds).length;
  std::uint32_t minutes = size_of(Grain::minute).length;
  std::uint32_t unused = 0;
  friend bool operator==(const FileHeader&, const FileHeader&) = default;
};
struct KeyRecord {
  std::uint64_t digest = 0;  ///< XXH3 of the key's bytes
  std::uint32_t length = 0;  ///< 0: no series
  std::uint32_t unused = 0;
  std::array<char, History::max_key> key{};
};
constexpr std::uint64_t keys_offset = 4096;
constexpr std::uint64_t rows_offset = keys_offset + History::max_series * sizeof(KeyRecord);
constexpr std::uint64_t row_size = History::max_series * sizeof(Point);
static_assert(rows_offset % 4096 == 0);

std::uint64_t row_offset(Grain grain, std::uint32_t slot) {
  const std::uint64_t before = grain == Grain::minute ? size_of(Grain::ten_seconds).length : 0;
  return rows_offset + (before + slot % size_of(grain).length) * row_size;
}

bool sound(const Point& point) {
  for (const float value :
       {point.count, point.failed, point.sum, point.min, point.max, point.p50, point.p95, point.p99, point.p999})
    if (!std::isfinite(value)) return false;
  return point.count > 0 && point.failed >= 0;
}

bool read_all(int fd, std::uint64_t offset, void* into, std::size_t size) {
  auto* to = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

namespace {

// A float's exponent, cut to seven bits around 1, and nine bits of its fraction, rounded: from 2^-63 to 2^64, which
// holds both nanoseconds in seconds and any file system in bytes. Nothing and what is below are 0.
constexpr unsigned fraction_bits = 9;
constexpr unsigned dropped_bits = 23 - fraction_bits;
constexpr std::uint32_t bias = (127U - 63U) << fraction_bits;

std::uint16_t pack_level(float value) {
  if (!(value > 0)) return 0;
  const std::uint32_t rounded = (std::bit_cast<std::uint32_t>(value) + (1U << (dropped_bits - 1))) >> dropped_bits;
  return static_cast<std::uint16_t>(std::clamp(rounded, bias, bias + 0xffffU) - bias);
}
float unpack_level(std::uint16_t packed) {
  return packed == 0 ? 0 : std::bit_cast<float>((packed + bias) << dropped_bits);
}

}  // namespace

PackedPoint::PackedPoint(const Point& point)
    : slot_(point.slot),
      count_(point.count),
      failed_(point.failed),
      sum_(point.sum),
      levels_{pack_level(point.min), pack_level(point.max), pack_level(point.p50),
              pack_level(point.p95), pack_level(point.p99), pack_level(point.p999)} {}

Point PackedPoint::unpack() const {
  return {.slot = slot_,
          .count = count_,
          .failed = failed_,
          .sum = sum_,
          .min = unpack_level(levels_[0]),
          .max = unpack_level(levels_[1]),
          .p50 = unpack_level(levels_[2]),
          .p95 = unpack_level(levels_[3]),
          .p99 = unpack_level(levels_[4]),
          .p999 = unpack_level(levels_[5])};
}

Point point_of(const Tally& tally, const Histogram& histogram) {
  const auto seconds = [](std::uint64_t nanoseconds) {
    return static_cast<float>(static_cast<double>(nanoseconds) / 1e9);
  };
  Point point;
  point.count = static_cast<float>(tally.total());
  point.failed = static_cast<float>(tally.failed());
  if (tally.total() == 0) return point;
  point.sum = seconds(tally.sum);
  point.min = seconds(std::min(tally.min, tally.max));
  point.max = seconds(tally.max);
  const auto quantiles = histogram.quantiles<4>({0.5, 0.95, 0.99, 0.999});
  const auto kept = [&](std::size_t i) { return std::clamp(seconds(quantiles[i]), point.min, point.max); };
  point.p50 = kept(0);
  point.p95 = kept(1);
  point.p99 = kept(2);
  point.p999 = kept(3);
  return point;
}

Point point_of(const std::vector<Point>& finer) {
  HOTWELL_ASSERT(!finer.empty());
  Point point = finer.front();
  std::vector<float> values;
  for (const Point& each : finer) values.push_back(each.sum / each.count);
  for (auto each = finer.begin() + 1; each != finer.end(); ++each) {
    point.count += each->count;
    point.failed += each->failed;
    point.sum += each->sum;
    point.min = std::min(point.min, each->min);
    point.max = std::max(point.max, each->max);
  }
  std::ranges::sort(values);
  const auto rank = [&](double q) {
    return values[static_cast<std::size_t>(std::max(std::ceil(q * static_cast<double>(values.size())), 1.0)) - 1];
  };
  point.p50 = rank(0.5);
  point.p95 = rank(0.95);
  point.p99 = rank(0.99);
  point.p999 = rank(0.999);
  return point;
}

History::History(const std::filesystem::path& directory, std::uint32_t now) {
  if (!directory.empty() && open(directory)) load(now);
}

bool History::open(const std::filesystem::path& directory) {
  path_ = directory / "history";
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  file_ = FileHandle(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file_) {
    give_up("opening it");
    return false;
  }
  in_vain_ = false;
  FileHeader found;
  if (read_all(file_.get(), 0, &found, sizeof found) && found == FileHeader{}) return true;
  // Empty, of another version, or not ours: begun anew.
  const FileHeader header;
  if (::ftruncate(file_.get(), 0) != 0) give_up("beginning it");
  queue_write(0, &header, sizeof header);
  return false;
}

void History::load(std::uint32_t now) {
  std::vector<KeyRecord> keys(max_series);
  // A file that ends early holds fewer: what cannot be read stays empty.
  for (std::size_t i = 0; i < max_series; ++i)
    if (!read_all(file_.get(), keys_offset + i * sizeof(KeyRecord), &keys[i], sizeof(KeyRecord))) break;
  for (const KeyRecord& record : keys) {
    Series& series = series_.emplace_back();
    if (record.length == 0 || record.length > max_key) continue;
    const std::string_view key(record.key.data(), record.length);
    if (base::xxh3_64(key) == record.digest) series.key = key;
  }
  while (!series_.empty() && series_.back().key.empty()) series_.pop_back();
  std::vector<Point> row(series_.size());
  std::vector<bool> lives(series_.size());
  for (const Grain grain : {Grain::ten_seconds, Grain::minute}) {
    const auto& [step, length] = size_of(grain);
    const std::uint32_t newest = now / step;
    for (std::uint32_t place = 0; place < length; ++place) {
      if (!read_all(file_.get(), row_offset(grain, place), row.data(), row.size() * sizeof(Point))) continue;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const Point& point = row[i];
        if (series_[i].key.empty() || point.slot % length != place || point.slot > newest ||
            point.slot + length <= newest || !sound(point))
          continue;
        put(grain, i, point);
        lives[i] = true;
      }
    }
  }
  for (std::size_t i = 0; i < series_.size(); ++i) {
    if (!lives[i]) series_[i] = {};
    if (series_[i].key.empty() || !numbers_.emplace(series_[i].key, i).second) free_.push_back(i);
  }
}

std::optional<std::size_t> History::find(std::string_view key) const {
  const auto found = numbers_.find(std::string(key));
  return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> History::keys() const {
  std::vector<std::string> all;
  for (const auto& [key, number] : numbers_) all.push_back(key);
  return all;
}

std::optional<std::size_t> History::series(std::string_view key) {
  if (const auto found = find(key)) return found;
  if (key.empty() || key.size() > max_key) return std::nullopt;
  std::size_t number = series_.size();
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else if (number == max_series) {
    return std::nullopt;
  } else {
    series_.emplace_back();
  }
  series_[number] = {std::string(key), {}};
  numbers_.emplace(key, number);
  write_key(number);
  return number;
}

void History::put(Grain grain, std::size_t series, const Point& point) {
  auto& ring = series_[series].rings[static_cast<std::size_t>(grain)];
  if (ring.empty()) ring.resize(size_of(grain).length);
  ring[point.slot % ring.size()] = PackedPoint(point);
}

std::optional<Point> History::at(Grain grain, std::size_t series, std::uint32_t slot) const {
  const auto& ring = series_[series].rings[static_cast<std::size_t>(grain)];
  if (ring.empty()) return std::nullopt;
  const PackedPoint& point = ring[slot % ring.size()];
  return point.slot() == slot ? std::optional(point.unpack()) : std::nullopt;
}

void History::write(Grain grain, std::uint32_t slot) {
  std::vector<Point> row(series_.size());
  for (std::size_t i = 0; i < series_.size(); ++i)
    if (const auto point = at(grain, i, slot)) row[i] = *point;
  queue_write(row_offset(grain, slot), row.data(), row.size() * sizeof(Point));
}

void History::write_key(std::size_t series) {
  const std::string& key = series_[series].key;
  KeyRecord record;
  record.digest = base::xxh3_64(key);
  record.length = static_cast<std::uint32_t>(key.size());
  std::ranges::copy(key, record.key.begin());
  queue_write(keys_offset + series * sizeof record, &record, sizeof record);
}

void History::queue_write(std::uint64_t offset, const void* bytes, std::size_t size) {
  if (in_vain_) return;
  const auto* from = static_cast<const std::byte*>(bytes);
  writes_.push_back({offset, {from, from + size}});
}

void History::carry_out(const std::vector<Write>& writes) {
  for (const Write& write : writes) {
    if (in_vain_) return;
    for (std::size_t done = 0; done < write.bytes.size();) {
      const ssize_t wrote = ::pwrite(file_.get(), write.bytes.data() + done, write.bytes.size() - done,
                                     static_cast<off_t>(write.offset + done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return give_up("writing it");
      done += static_cast<std::size_t>(wrote);
    }
  }
}

void History::give_up(std::string_view what) {
  const int error = errno;
  in_vain_ = true;
  base::log().warn("the monitor's history is kept in memory alone: {}",
                   to_string(system_error(error, fmt::format("{}: {}", path_.string(), what))));
}

}  // namespace hotwell::monitor
