#include "monitor/window.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

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
Latencies Reading::latencies() const {
  const auto [p50, p95, p99, p999] = quantiles<4>({0.5, 0.95, 0.99, 0.999});
  return {average(), p50, p95, p99, p999, min(), max()};
}
void Reading::clear() {
  tally = {};
  histogram.clear();
}
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

/// The window's two halves, whose difference is a trend.
struct Halves {
  Tally older, newer;
};

}  // namespace

Window::Window(const Recorder& recorder, host::MonoTime start, Duration length)
    : recorder_(recorder), start_(start), rolled_(start), length_(length), summed_(start) {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
}

const Reading& Window::last(std::size_t series) const {
  static const Reading nothing;
  return series < last_.size() ? last_[series] : nothing;
}

void Window::read_running(std::size_t series, Recorder::Extremes extremes) {
  now_.clear();
  recorder_.read(series, extremes, now_.tally, now_.histogram);
  change_ = now_;
  change_.tally.subtract(last(series).tally);
  change_.histogram.subtract(last(series).histogram);
}

Window::Slots::const_iterator Window::first_after(host::MonoTime time) const {
  return std::partition_point(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.end <= time; });
}

Window::Slots::const_iterator Window::first_newer(Slots::const_iterator from, host::MonoTime half) const {
  return std::partition_point(from, slots_.end(),
                              [&](const Slot& slot) { return slot.begin + (slot.end - slot.begin) / 2 < half; });
}

std::vector<PackedSecond::Cursor> Window::cursors(Slots::const_iterator first) const {
  std::vector<PackedSecond::Cursor> all;
  all.reserve(static_cast<std::size_t>(slots_.end() - first));
  for (; first != slots_.end(); ++first) all.emplace_back(first->changes);
  return all;
}

void Window::add_to_sums(const Slot& slot) {
  for (PackedSecond::Cursor at(slot.changes); at.series() != at.none; at.next()) {
    if (at.series() >= sums_.size()) sums_.resize(at.series() + 1);
    Histogram& sum = sums_[at.series()];
    at.for_each_bucket([&](std::size_t index, std::uint64_t times) {
      sum.add_to(index, times);
      sum_of_all_.add_to(index, times);
    });
  }
}

void Window::slide(host::MonoTime now) {
  for (auto slot = first_after(summed_); slot != slots_.end() && slot->end <= now - length_; ++slot) {
    for (PackedSecond::Cursor at(slot->changes); at.series() != at.none; at.next())
      at.for_each_bucket([&, &sum = sums_[at.series()]](std::size_t index, std::uint64_t times) {
        sum.take_from(index, times);
        sum_of_all_.take_from(index, times);
      });
    summed_ = slot->end;
  }
}

void Window::set_length(Duration length, host::MonoTime now) {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
  length_ = length;
  sums_.clear();
  sum_of_all_.clear();
  summed_ = now - length;
  for (auto slot = first_after(summed_); slot != slots_.end(); ++slot) add_to_sums(*slot);
}

bool Window::roll(host::MonoTime now) {
  const auto second = [this](host::MonoTime time) { return std::chrono::floor<std::chrono::seconds>(time - start_); };
  if (second(now) <= second(rolled_)) return false;
  Slot slot{rolled_, now, {}, {}};
  last_.resize(std::max(last_.size(), recorder_.series_count()));
  for (std::size_t series = 0; series < last_.size(); ++series) {
    if (recorder_.count(series) == last_[series].tally.total()) continue;
    read_running(series, Recorder::Extremes::take);
    slot.all.merge(change_.tally);
    slot.changes.add(series, change_.tally, change_.histogram);
    std::swap(last_[series], now_);
  }
  slot.changes.finish();
  rolled_ = now;
  slots_.push_back(std::move(slot));
  add_to_sums(slots_.back());
  slide(now);
  while (slots_.front().end <= now - longest) slots_.pop_front();
  return true;
}

double Window::Total::rate(std::uint64_t count) const {
  const auto seconds = std::chrono::duration<double>(std::max(covered, Duration{std::chrono::seconds{1}}));
  return static_cast<double>(count) / seconds.count();
}

Window::Summary Window::over(Duration length, host::MonoTime now) {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
  Summary summary;
  const std::size_t count = recorder_.series_count();
  slide(now);
  const bool summed = length == length_;  // the histograms' sums are there already
  const auto first = first_after(now - length);
  const host::MonoTime begin = first == slots_.end() ? rolled_ : first->begin;
  summary.covered = now - begin;
  const auto older_slots = static_cast<std::size_t>(first_newer(first, begin + summary.covered / 2) - first);
  auto at = cursors(first);
  Halves all;
  for (std::size_t series = 0; series < count; ++series) {
    Halves of;
    sum_.clear();
    if (summed && series < sums_.size()) sum_.histogram.merge(sums_[series]);
    for (std::size_t slot = 0; slot < at.size(); ++slot) {
      if (!at[slot].find(series)) continue;
      (slot < older_slots ? of.older : of.newer).merge(at[slot].tally());
      if (!summed) at[slot].merge_into(sum_.histogram);
    }
    if (recorder_.count(series) != last(series).tally.total()) {
      read_running(series, Recorder::Extremes::peek);
      of.newer.merge(change_.tally);
      sum_.histogram.merge(change_.histogram);
    }
    sum_.tally.merge(of.older);
    sum_.tally.merge(of.newer);
    if (sum_.tally.total() == 0) continue;
    all.older.merge(of.older);
    all.newer.merge(of.newer);
    summary.all.merge(sum_);
    summary.series.push_back({recorder_.name(series), sum_.tally, sum_.latencies(), trend(of.older, of.newer),
                              latency_trend(of.older, of.newer)});
  }
  summary.trend = trend(all.older, all.newer);
  std::stable_sort(summary.series.begin(), summary.series.end(),
                   [](const auto& a, const auto& b) { return a.tally.total() > b.tally.total(); });
  return summary;
}

Window::Total Window::total(host::MonoTime now, std::vector<std::uint64_t>& seen,
                            const std::function<void(std::size_t, const Reading&)>& visit) {
  Total total;
  slide(now);
  const auto first = first_after(now - length_);
  const host::MonoTime begin = first == slots_.end() ? rolled_ : first->begin;
  total.covered = now - begin;
  const auto newer = first_newer(first, begin + total.covered / 2);
  Halves all;
  for (auto slot = first; slot != slots_.end(); ++slot) (slot < newer ? all.older : all.newer).merge(slot->all);
  total.all.histogram.merge(sum_of_all_);
  seen.resize(recorder_.series_count());
  for (std::size_t series = 0; series < seen.size(); ++series) {
    const std::uint64_t count = recorder_.count(series);
    const Reading* reading = &last(series);
    if (count != reading->tally.total()) {
      now_.clear();
      recorder_.read(series, Recorder::Extremes::peek, now_.tally, now_.histogram);
      Tally change = now_.tally;
      change.subtract(reading->tally);
      all.newer.merge(change);
      // Added before what is known is taken off: the sum never holds less than it loses.
      total.all.histogram.merge(now_.histogram);
      total.all.histogram.subtract(reading->histogram);
      reading = &now_;
    }
    if (count == seen[series]) continue;
    visit(series, *reading);
    seen[series] = count;
  }
  total.all.tally.merge(all.older);
  total.all.tally.merge(all.newer);
  total.trend = trend(all.older, all.newer);
  return total;
}

std::vector<Window::Second> Window::seconds(std::size_t series, host::MonoTime since) const {
  std::vector<Second> found;
  for (auto slot = first_after(since); slot != slots_.end(); ++slot) {
    PackedSecond::Cursor at(slot->changes);
    if (!at.find(series)) continue;
    found.push_back({slot->end, at.tally(), {}});
    at.merge_into(found.back().histogram);
  }
  return found;
}

void Window::closed(host::MonoTime since, const std::function<void(std::size_t, const Reading&)>& visit) const {
  auto at = cursors(first_after(since));
  Reading reading;
  for (std::size_t series = 0; series < last_.size(); ++series) {
    reading.clear();
    for (auto& each : at) {
      if (!each.find(series)) continue;
      reading.tally.merge(each.tally());
      each.merge_into(reading.histogram);
    }
    if (reading.tally.total() != 0) visit(series, reading);
  }
}

Reading Window::closed(std::size_t series, host::MonoTime since) const {
  Reading all;
  for (auto slot = first_after(since); slot != slots_.end(); ++slot) {
    PackedSecond::Cursor at(slot->changes);
    if (!at.find(series)) continue;
    all.tally.merge(at.tally());
    at.merge_into(all.histogram);
  }
  return all;
}

std::size_t Window::size_bytes() const {
  std::size_t bytes = 0;
  for (const Slot& slot : slots_) bytes += sizeof slot + slot.changes.size_bytes();
  return bytes;
}

}  // namespace hotwell::monitor
