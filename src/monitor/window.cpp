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
    read_running(series, Recorder::Extremes::take);
    slot.changes.push_back({series, change_.tally, PackedHistogram(change_.histogram)});
    std::swap(last_[series], now_);
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
  std::vector<Histogram> by_series(count);  // where the sums are of another length
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
      if (!summed) change.histogram.merge_into(by_series[change.series]);
    }
  }
  Halves all;
  for (std::size_t series = 0; series < count; ++series) {
    auto& [older, newer] = halves[series];
    sum_.clear();
    if (!summed)
      sum_.histogram = std::move(by_series[series]);
    else if (series < sums_.size())
      sum_.histogram.merge(sums_[series]);
    if (recorder_.count(series) != last(series).tally.total()) {
      read_running(series, Recorder::Extremes::peek);
      newer.merge(change_.tally);
      sum_.histogram.merge(change_.histogram);
    }
    sum_.tally.merge(older);
    sum_.tally.merge(newer);
    if (sum_.tally.total() == 0) continue;
    all.older.merge(older);
    all.newer.merge(newer);
    summary.all.merge(sum_);
    summary.series.push_back(
        {recorder_.name(series), sum_.tally, sum_.latencies(), trend(older, newer), latency_trend(older, newer)});
  }
  summary.trend = trend(all.older, all.newer);
  std::stable_sort(summary.series.begin(), summary.series.end(),
                   [](const auto& a, const auto& b) { return a.tally.total() > b.tally.total(); });
  return summary;
}

void Window::since_start(const std::function<void(const std::string&, const Reading&)>& visit) {
  for (std::size_t series = 0; series < recorder_.series_count(); ++series) {
    if (recorder_.count(series) == 0) continue;
    now_.clear();
    recorder_.read(series, Recorder::Extremes::peek, now_.tally, now_.histogram);
    visit(recorder_.name(series), now_);
  }
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

Reading Window::closed(std::size_t series, host::MonoTime since) const {
  Reading all;
  for (auto slot = first_after(since); slot != slots_.end(); ++slot) {
    const auto change = std::ranges::lower_bound(slot->changes, series, {}, &Change::series);
    if (change == slot->changes.end() || change->series != series) continue;
    all.tally.merge(change->tally);
    change->histogram.merge_into(all.histogram);
  }
  return all;
}

std::size_t Window::size_bytes() const {
  std::size_t bytes = 0;
  for (const Slot& slot : slots_)
    for (const Change& change : slot.changes) bytes += sizeof change + change.histogram.size_bytes();
  return bytes;
}

}  // namespace hotwell::monitor
