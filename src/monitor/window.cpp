#include "monitor/window.hpp"

#include <algorithm>
#include <cmath>

#include "base/assert.hpp"

namespace hotwell::monitor {

// Of those that have a duration: a job that failed is counted without one.
Duration Reading::average() const {
  const std::uint64_t timed = histogram.total();
  return Duration{timed == 0 ? 0 : static_cast<Duration::rep>(tally.sum / timed)};
}
Duration Reading::within(Duration value) const {
  // A request that was being recorded while a second ended may have left its extreme in the second before.
  return min() <= max() ? std::clamp(value, min(), max()) : value;
}
Duration Reading::min() const { return Duration{tally.min > tally.max ? 0 : static_cast<Duration::rep>(tally.min)}; }
Duration Reading::max() const { return Duration{static_cast<Duration::rep>(tally.max)}; }
void Reading::merge(const Reading& other) {
  tally.merge(other.tally);
  histogram.merge(other.histogram);
}

Trend trend(const Tally& older, const Tally& newer) {
  constexpr std::uint64_t fewest = 10;
  constexpr double critical = 2.576;  // two-sided, 1 %
  if (older.total() < fewest || newer.total() < fewest) return Trend::steady;
  const auto n1 = static_cast<double>(older.total());
  const auto n2 = static_cast<double>(newer.total());
  const double p1 = static_cast<double>(older.failed()) / n1;
  const double p2 = static_cast<double>(newer.failed()) / n2;
  const double pooled = (p1 * n1 + p2 * n2) / (n1 + n2);
  const double deviation = std::sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2));
  const double distance = std::abs(p2 - p1) - (1 / n1 + 1 / n2) / 2;
  if (deviation == 0 || distance / deviation < critical) return Trend::steady;
  return p2 > p1 ? Trend::rising : Trend::falling;
}

namespace {

/// Whether requests became slower or faster by a quarter and more: below that it is noise to a person too.
Trend latency_trend(const Tally& older, const Tally& newer) {
  constexpr std::uint64_t fewest = 20;
  constexpr double beyond = 1.25;
  if (older.total() < fewest || newer.total() < fewest) return Trend::steady;
  const double before = static_cast<double>(older.sum) / static_cast<double>(older.total());
  const double after = static_cast<double>(newer.sum) / static_cast<double>(newer.total());
  if (after > before * beyond) return Trend::rising;
  return after * beyond < before ? Trend::falling : Trend::steady;
}

}  // namespace

Window::Window(const Recorder& recorder, host::MonoTime start, Duration length)
    : recorder_(recorder), start_(start), rolled_(start), length_(length), summed_(start) {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
}

const Reading& Window::last(std::size_t series) const {
  static const Reading nothing;
  return series < last_.size() ? last_[series] : nothing;
}

Reading Window::running(std::size_t series, Recorder::Extremes extremes, Reading& now) const {
  recorder_.read(series, extremes, now.tally, now.histogram);
  Reading change = now;
  change.tally.subtract(last(series).tally);
  change.histogram.subtract(last(series).histogram);
  return change;
}

Window::Slots::const_iterator Window::first_after(host::MonoTime time) const {
  return std::partition_point(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.end <= time; });
}

void Window::add_to_sums(const Slot& slot) {
  for (const Change& change : slot.changes) {
    if (change.series >= sums_.size()) sums_.resize(change.series + 1);
    change.histogram.merge_into(sums_[change.series]);
  }
}

void Window::slide(host::MonoTime now) {
  for (auto slot = first_after(summed_); slot != slots_.end() && slot->end <= now - length_; ++slot) {
    for (const Change& change : slot->changes) change.histogram.take_from(sums_[change.series]);
    summed_ = slot->end;
  }
}

void Window::set_length(Duration length, host::MonoTime now) {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
  length_ = length;
  sums_.clear();
  summed_ = now - length;
  for (auto slot = first_after(summed_); slot != slots_.end(); ++slot) add_to_sums(*slot);
}

bool Window::roll(host::MonoTime now) {
  const auto second = [this](host::MonoTime time) { return std::chrono::floor<std::chrono::seconds>(time - start_); };
  if (second(now) <= second(rolled_)) return false;
  Slot slot{rolled_, now, {}};
  last_.resize(std::max(last_.size(), recorder_.series_count()));
  for (std::size_t series = 0; series < last_.size(); ++series) {
    if (recorder_.count(series) == last_[series].tally.total()) continue;
    Reading reading;
    Reading change = running(series, Recorder::Extremes::take, reading);
    slot.changes.push_back({series, change.tally, PackedHistogram(change.histogram)});
    last_[series] = std::move(reading);
  }
  slot.changes.shrink_to_fit();
  rolled_ = now;
  slots_.push_back(std::move(slot));
  add_to_sums(slots_.back());
  slide(now);
  while (slots_.front().end <= now - longest) slots_.pop_front();
  return true;
}

double Window::Summary::rate(std::uint64_t count) const {
  const auto seconds = std::chrono::duration<double>(std::max(covered, Duration{std::chrono::seconds{1}}));
  return static_cast<double>(count) / seconds.count();
}

Window::Summary Window::over(Duration length, host::MonoTime now) {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
  Summary summary;
  const std::size_t count = recorder_.series_count();
  struct Halves {
    Tally older, newer;
  };
  std::vector<Reading> by_series(count);
  std::vector<Halves> halves(count);

  slide(now);
  const bool summed = length == length_;
  auto first = first_after(now - length);
  const host::MonoTime begin = first == slots_.end() ? rolled_ : first->begin;
  summary.covered = now - begin;
  const host::MonoTime half = begin + summary.covered / 2;
  for (; first != slots_.end(); ++first) {
    const bool older = first->begin + (first->end - first->begin) / 2 < half;
    for (const Change& change : first->changes) {
      (older ? halves[change.series].older : halves[change.series].newer).merge(change.tally);
      if (!summed) change.histogram.merge_into(by_series[change.series].histogram);
    }
  }
  if (summed)
    for (std::size_t series = 0; series < sums_.size(); ++series)
      if (sums_[series].total() != 0) by_series[series].histogram = sums_[series];
  Halves all;
  for (std::size_t series = 0; series < count; ++series) {
    auto& [older, newer] = halves[series];
    Reading& reading = by_series[series];
    if (recorder_.count(series) != last(series).tally.total()) {
      Reading since_start;
      const Reading change = running(series, Recorder::Extremes::peek, since_start);
      newer.merge(change.tally);
      reading.histogram.merge(change.histogram);
    }
    reading.tally.merge(older);
    reading.tally.merge(newer);
    if (reading.tally.total() == 0) continue;
    all.older.merge(older);
    all.newer.merge(newer);
    summary.all.merge(reading);
    summary.series.push_back(
        {recorder_.name(series), std::move(reading), trend(older, newer), latency_trend(older, newer)});
  }
  summary.trend = trend(all.older, all.newer);
  std::stable_sort(summary.series.begin(), summary.series.end(),
                   [](const auto& a, const auto& b) { return a.reading.tally.total() > b.reading.tally.total(); });
  return summary;
}

std::vector<Window::Summary::Series> Window::since_start() const {
  std::vector<Summary::Series> all;
  for (std::size_t series = 0; series < recorder_.series_count(); ++series) {
    if (recorder_.count(series) == 0) continue;
    all.push_back({recorder_.name(series), {}});
    recorder_.read(series, Recorder::Extremes::peek, all.back().reading.tally, all.back().reading.histogram);
  }
  return all;
}

std::vector<Window::Second> Window::seconds(std::size_t series, host::MonoTime since) const {
  std::vector<Second> found;
  for (auto slot = first_after(since); slot != slots_.end(); ++slot) {
    const auto change = std::ranges::lower_bound(slot->changes, series, {}, &Change::series);
    if (change == slot->changes.end() || change->series != series) continue;
    found.push_back({slot->end, change->tally, {}});
    change->histogram.merge_into(found.back().histogram);
  }
  return found;
}

std::vector<Reading> Window::closed(host::MonoTime since) const {
  std::vector<Reading> by_series(last_.size());
  for (auto slot = first_after(since); slot != slots_.end(); ++slot)
    for (const Change& change : slot->changes) {
      by_series[change.series].tally.merge(change.tally);
      change.histogram.merge_into(by_series[change.series].histogram);
    }
  return by_series;
}

std::size_t Window::size_bytes() const {
  std::size_t bytes = 0;
  for (const Slot& slot : slots_)
    for (const Change& change : slot.changes) bytes += sizeof change + change.histogram.size_bytes();
  return bytes;
}

}  // namespace hotwell::monitor
