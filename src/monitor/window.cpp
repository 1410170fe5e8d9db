#include "monitor/window.hpp"

#include <algorithm>
#include <cmath>

#include "base/assert.hpp"

namespace hotwell::monitor {

Duration Reading::average() const {
  const std::uint64_t total = tally.total();
  return Duration{total == 0 ? 0 : static_cast<Duration::rep>(tally.sum / total)};
}
Duration Reading::quantile(double q) const {
  if (histogram.total() == 0) return {};
  const auto value = Duration{static_cast<Duration::rep>(histogram.quantile(q))};
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

Window::Window(const Recorder& recorder, host::MonoTime start) : recorder_(recorder), start_(start), rolled_(start) {}

const Reading& Window::last(std::size_t series) const {
  static const Reading nothing;
  return series < last_.size() ? last_[series] : nothing;
}

Reading Window::running(std::size_t series, Recorder::Extremes extremes, Reading& now) const {
  recorder_.read(series, extremes, now.tally, now.histogram);
  Reading change;
  change.merge(now);
  change.tally.subtract(last(series).tally);
  change.histogram.subtract(last(series).histogram);
  return change;
}

void Window::roll(host::MonoTime now) {
  const auto second = [this](host::MonoTime time) { return std::chrono::floor<std::chrono::seconds>(time - start_); };
  if (second(now) <= second(rolled_)) return;
  Slot slot{rolled_, now, {}};
  last_.resize(std::max(last_.size(), recorder_.series_count()));
  for (std::size_t series = 0; series < last_.size(); ++series) {
    if (recorder_.count(series) == last_[series].tally.total()) continue;
    Reading reading;
    Reading change = running(series, Recorder::Extremes::take, reading);
    slot.changes.push_back({series, change.tally, PackedHistogram(change.histogram)});
    last_[series] = std::move(reading);
  }
  rolled_ = now;
  slots_.push_back(std::move(slot));
  while (slots_.front().end <= now - longest) slots_.pop_front();
}

double Window::Summary::rate(std::uint64_t count) const {
  const auto seconds = std::chrono::duration<double>(std::max(covered, Duration{std::chrono::seconds{1}}));
  return static_cast<double>(count) / seconds.count();
}

Window::Summary Window::over(Duration length, host::MonoTime now) const {
  HOTWELL_ASSERT(length >= shortest && length <= longest);
  Summary summary;
  const std::size_t count = recorder_.series_count();
  std::vector<Reading> by_series(count);

  auto first = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.end > now - length; });
  const host::MonoTime begin = first == slots_.end() ? rolled_ : first->begin;
  summary.covered = now - begin;
  const host::MonoTime half = begin + summary.covered / 2;
  Tally older;
  Tally newer;
  for (; first != slots_.end(); ++first) {
    for (const Change& change : first->changes) {
      by_series[change.series].tally.merge(change.tally);
      change.histogram.merge_into(by_series[change.series].histogram);
      (first->begin + (first->end - first->begin) / 2 < half ? older : newer).merge(change.tally);
    }
  }
  for (std::size_t series = 0; series < count; ++series) {
    if (recorder_.count(series) == last(series).tally.total()) continue;
    Reading reading;
    const Reading change = running(series, Recorder::Extremes::peek, reading);
    by_series[series].merge(change);
    newer.merge(change.tally);
  }
  summary.trend = trend(older, newer);

  for (std::size_t series = 0; series < count; ++series) {
    if (by_series[series].tally.total() == 0) continue;
    summary.all.merge(by_series[series]);
    summary.series.push_back({recorder_.name(series), std::move(by_series[series])});
  }
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

}  // namespace hotwell::monitor
