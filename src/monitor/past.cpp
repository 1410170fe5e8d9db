#include "monitor/past.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace hotwell::monitor {
namespace {

constexpr std::string_view requests_key = "requests";
constexpr std::string_view jobs_key = "jobs";
constexpr std::string_view endpoint_prefix = "endpoint:";
constexpr std::string_view operation_prefix = "operation:";
constexpr std::string_view gauge_prefix = "gauge:";

std::string key_of(std::string_view prefix, std::string_view name) { return fmt::format("{}{}", prefix, name); }

std::uint32_t seconds_of(WallTime time) {
  return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

Grain grain_for(Duration window) {
  for (const Grain grain : {Grain::second, Grain::ten_seconds})
    if (window <= std::chrono::seconds{size_of(grain).span()}) return grain;
  return Grain::minute;
}

std::optional<Point> gauge_point(const Sample& sample) {
  if (!(sample.whole > 0) || !std::isfinite(sample.part)) return std::nullopt;
  const auto value = static_cast<float>(sample.part / sample.whole);
  return Point{.slot = 0,
               .count = static_cast<float>(sample.whole),
               .failed = 0,
               .sum = static_cast<float>(sample.part),
               .min = value,
               .max = value,
               .p50 = value,
               .p95 = value,
               .p99 = value,
               .p999 = value};
}

const GaugeSeries* find_gauge(std::string_view name) {
  const auto found = std::ranges::find(gauge_series(), name, &GaugeSeries::name);
  return found == gauge_series().end() ? nullptr : &*found;
}
const RequestSeries* find_request(std::string_view name) {
  const auto found = std::ranges::find(request_series(), name, &RequestSeries::name);
  return found == request_series().end() ? nullptr : &*found;
}

}  // namespace

Past::Past(const std::filesystem::path& directory, const Window& requests, const Window& operations, host::MonoTime now,
           WallTime wall)
    : requests_(requests), operations_(operations), history_(directory, seconds_of(wall)), before_at_(now) {
  second_ = seconds_of(wall) - 1;
  for (Coarse& coarse : coarse_) {
    coarse.since = now;
    coarse.newest = seconds_of(wall) / size_of(coarse.grain).step - 1;
  }
}

void Past::second(const Metrics& metrics, host::MonoTime now, WallTime wall) {
  // The second that has just ended. Ticks tremble around the clock's full seconds: one after the other they stand for
  // consecutive slots, unless the clock was set or seconds were left out. Slots never go back.
  const std::uint32_t ended = seconds_of(wall - std::chrono::milliseconds{500});
  const std::uint32_t slot = ended > second_ + 2 ? ended : second_ + 1;
  second_ = slot;
  ended_.push_back({now, slot});
  while (ended_.size() > size_of(Grain::second).length) ended_.pop_front();
  for (Coarse& coarse : coarse_) {
    const std::uint32_t in = slot / size_of(coarse.grain).step;
    if (coarse.slot != 0 && coarse.slot != in)
      finish(coarse, now);  // its last second was left out: this one stands for it
    coarse.slot = in;
  }

  const double passed = std::chrono::duration<double>(now - before_at_).count();
  for (const auto& [window, key] : {std::pair{&requests_, requests_key}, std::pair{&operations_, jobs_key}}) {
    Reading all;
    window->closed(before_at_, [&](std::size_t, const Reading& reading) { all.merge(reading); });
    Point point = point_of(all.tally, all.histogram);
    point.slot = slot;
    if (const auto series = history_.series(key)) history_.put(Grain::second, *series, point);
  }
  for (const GaugeSeries& gauge : gauge_series()) {
    const auto sample = gauge.sample(metrics, before_ ? *before_ : metrics, passed);
    auto point = sample ? gauge_point(*sample) : std::nullopt;
    if (!point) continue;
    point->slot = slot;
    if (const auto series = history_.series(key_of(gauge_prefix, gauge.name)))
      history_.put(Grain::second, *series, *point);
  }
  before_ = metrics;
  before_at_ = now;
  for (Coarse& coarse : coarse_)
    if (slot % size_of(coarse.grain).step == size_of(coarse.grain).step - 1) finish(coarse, now);
}

void Past::put_readings(const Window& window, std::string_view prefix, Grain grain, std::uint32_t slot,
                        host::MonoTime since) {
  Reading all;
  window.closed(since, [&](std::size_t number, const Reading& reading) {
    all.merge(reading);
    Point point = point_of(reading.tally, reading.histogram);
    point.slot = slot;
    if (const auto series = history_.series(key_of(prefix, window.name(number)))) history_.put(grain, *series, point);
  });
  Point point = point_of(all.tally, all.histogram);
  point.slot = slot;
  if (const auto series = history_.series(prefix == endpoint_prefix ? requests_key : jobs_key))
    history_.put(grain, *series, point);
}

void Past::finish(Coarse& coarse, host::MonoTime now) {
  put_readings(requests_, endpoint_prefix, coarse.grain, coarse.slot, coarse.since);
  put_readings(operations_, operation_prefix, coarse.grain, coarse.slot, coarse.since);
  const std::uint32_t step = size_of(coarse.grain).step;
  for (const GaugeSeries& gauge : gauge_series()) {
    const auto series = history_.find(key_of(gauge_prefix, gauge.name));
    if (!series) continue;
    std::vector<Point> finer;
    for (std::uint32_t second = coarse.slot * step; second < (coarse.slot + 1) * step; ++second)
      if (const auto point = history_.at(Grain::second, *series, second)) finer.push_back(*point);
    if (finer.empty()) continue;
    Point point = point_of(finer);
    point.slot = coarse.slot;
    history_.put(coarse.grain, *series, point);
  }
  history_.write(coarse.grain, coarse.slot);
  coarse.newest = coarse.slot;
  coarse.slot = 0;
  coarse.since = now;
}

std::uint32_t Past::newest(Grain grain) const {
  if (grain == Grain::second) return second_;
  return coarse_[grain == Grain::ten_seconds ? 0 : 1].newest;
}

std::vector<Point> Past::points(Grain grain, std::string_view key, std::uint32_t first, std::uint32_t count) const {
  std::vector<Point> found(count);
  if (const auto series = history_.find(key))
    for (std::uint32_t i = 0; i < count; ++i)
      if (const auto point = history_.at(grain, *series, first + i)) found[i] = *point;
  return found;
}

// The seconds of one endpoint are not kept as points: their histograms are in the window.
void Past::fill_seconds(const Window& window, std::string_view name, std::uint32_t first,
                        std::vector<Point>& points) const {
  for (std::size_t series = 0; series < window.series_count(); ++series) {
    if (window.name(series) != name) continue;
    const auto seconds = window.seconds(series, host::MonoTime::min());
    auto at = ended_.begin();
    for (const auto& [end, tally, histogram] : seconds) {
      while (at != ended_.end() && at->end < end) ++at;
      if (at == ended_.end()) break;
      if (at->end != end || at->slot < first || at->slot - first >= points.size()) continue;
      points[at->slot - first] = point_of(tally, histogram);
      points[at->slot - first].slot = at->slot;
    }
  }
}

std::vector<SeriesName> Past::names() {
  std::vector<SeriesName> all;
  for (const auto& of : request_series()) all.push_back({of.name, of.unit, of.description, true});
  for (const auto& of : gauge_series()) all.push_back({of.name, of.unit, of.description, false});
  return all;
}

Result<SeriesData> Past::read(const SeriesQuery& query) const {
  constexpr Duration longest = std::chrono::hours{24};
  if (query.window < std::chrono::seconds{1} || query.window > longest)
    return fail(Code::invalid_argument,
                fmt::format("the window must lie between 1 s and 24 h, got {}", to_string(query.window)));
  if (!query.endpoint.empty() && !query.operation.empty())
    return fail(Code::invalid_argument, "a series is of an endpoint or of an operation, not of both");
  const bool labelled = !query.endpoint.empty() || !query.operation.empty();
  const Grain grain = grain_for(query.window);
  const std::uint32_t step = size_of(grain).step;
  const auto seconds = static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(query.window).count());
  const std::uint32_t count = std::min((seconds + step - 1) / step, size_of(grain).length);
  const std::uint32_t first = newest(grain) - count + 1;

  SeriesData data;
  data.from = static_cast<std::int64_t>(first) * step;
  data.step = step;
  data.count = count;
  std::vector<Point> all, one;  // all requests' points tell when somebody was there to count
  const auto add = [&](std::string_view name, std::string_view unit) -> std::vector<double>& {
    auto& column = data.series.emplace_back(SeriesData::Column{std::string(name), std::string(unit), {}});
    column.values.assign(count, std::numeric_limits<double>::quiet_NaN());
    return column.values;
  };
  for (const std::string& name : query.names) {
    if (const GaugeSeries* gauge = find_gauge(name); gauge != nullptr && !labelled) {
      auto& values = add(gauge->name, gauge->unit);
      const auto points = this->points(grain, key_of(gauge_prefix, name), first, count);
      for (std::uint32_t i = 0; i < count; ++i)
        if (points[i].slot != 0) values[i] = static_cast<double>(points[i].sum) / static_cast<double>(points[i].count);
      continue;
    }
    const RequestSeries* request = find_request(name);
    if (request == nullptr)
      return fail(Code::invalid_argument,
                  find_gauge(name) != nullptr
                      ? fmt::format("the series \"{}\" is not kept by endpoint or operation", name)
                      : fmt::format("there is no series \"{}\"; /v1/series without a name lists them", name));
    if (all.empty()) {
      all = points(grain, query.operation.empty() ? requests_key : jobs_key, first, count);
      one = all;
      if (labelled) {
        const auto& label = query.operation.empty() ? query.endpoint : query.operation;
        one = points(grain, key_of(query.operation.empty() ? endpoint_prefix : operation_prefix, label), first, count);
        if (grain == Grain::second) fill_seconds(query.operation.empty() ? requests_ : operations_, label, first, one);
      }
    }
    auto& values = add(request->name, request->unit);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (one[i].slot != 0)
        values[i] = request->value(one[i], step);
      else if (all[i].slot != 0 && request->of_nothing_is_zero)
        values[i] = 0;
    }
  }
  return data;
}

std::optional<Past::Value> Past::value(std::string_view name, Duration over, SeriesLabel label) const {
  const RequestSeries* request = find_request(name);
  if (request == nullptr && find_gauge(name) == nullptr) return std::nullopt;
  const bool labelled = !label.endpoint.empty() || !label.operation.empty();
  const Grain grain = grain_for(over);
  if (labelled && grain == Grain::second) return value_of_seconds(*request, over, label);
  const std::uint32_t step = size_of(grain).step;
  const auto seconds = static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(over).count());
  const std::uint32_t count = std::clamp((seconds + step - 1) / step, 1U, size_of(grain).length);
  const std::uint32_t first = newest(grain) - count + 1;
  const auto found =
      points(grain, request != nullptr ? std::string(requests_key) : key_of(gauge_prefix, name), first, count);
  // All requests' points tell when somebody was there to count.
  auto one = found;
  if (labelled)
    one = points(
        grain,
        label.operation.empty() ? key_of(endpoint_prefix, label.endpoint) : key_of(operation_prefix, label.operation),
        first, count);
  double weight = 0, sum = 0;
  Value all;
  bool any = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (found[i].slot == 0) continue;
    all.covered += 1.0 / static_cast<double>(count);
    const Point& point = one[i];
    if (request == nullptr) {
      weight += static_cast<double>(point.count);
      sum += static_cast<double>(point.sum);
      all.samples += 1;
      continue;
    }
    // A rate weighs by its time, everything else by the requests that it is made of.
    any = true;
    all.samples += static_cast<double>(point.count);
    if (request->of_nothing_is_zero) weight += 1;
    if (point.slot == 0) continue;
    const double value = request->value(point, step);
    if (std::isnan(value)) continue;
    const double by = request->of_nothing_is_zero ? 1 : static_cast<double>(point.count);
    if (!request->of_nothing_is_zero) weight += by;
    sum += by * value;
  }
  if (weight <= 0) return any && request->of_nothing_is_zero ? std::optional(all) : std::nullopt;
  all.value = sum / weight;
  return all;
}

std::optional<Past::Value> Past::value_of_seconds(const RequestSeries& series, Duration over, SeriesLabel label) const {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(over).count();
  const auto known = std::min<std::size_t>(static_cast<std::size_t>(seconds), ended_.size());
  if (known == 0) return std::nullopt;
  const Window& window = label.operation.empty() ? requests_ : operations_;
  const std::string_view name = label.operation.empty() ? label.endpoint : label.operation;
  // Up to the second before the first one that counts.
  const host::MonoTime since = known < ended_.size() ? ended_[ended_.size() - known - 1].end : host::MonoTime::min();
  Reading reading;
  for (std::size_t i = 0; i < window.series_count(); ++i)
    if (window.name(i) == name) reading = window.closed(i, since);
  Value all;
  all.samples = static_cast<double>(reading.tally.total());
  all.covered = static_cast<double>(known) / static_cast<double>(seconds);
  const double value = all.samples > 0
                           ? series.value(point_of(reading.tally, reading.histogram), static_cast<double>(known))
                       : series.of_nothing_is_zero ? 0
                                                   : std::numeric_limits<double>::quiet_NaN();
  if (std::isnan(value)) return std::nullopt;
  all.value = value;
  return all;
}

std::optional<Metrics::Endpoint::Before> Past::before(std::string_view endpoint, Duration over) const {
  const Grain grain = grain_for(std::max<Duration>(over, std::chrono::seconds{size_of(Grain::second).span() + 1}));
  const std::uint32_t step = size_of(grain).step;
  const auto seconds = static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(over).count());
  const std::uint32_t count = std::clamp((seconds + step - 1) / step, 1U, size_of(grain).length);
  const std::uint32_t first = newest(grain) - count + 1;
  double requests = 0, failed = 0, sum = 0, p95 = 0;
  std::uint32_t watched = 0;
  const auto all = points(grain, requests_key, first, count);
  const auto one = points(grain, key_of(endpoint_prefix, endpoint), first, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (all[i].slot != 0) ++watched;
    if (one[i].slot == 0) continue;
    const auto weight = static_cast<double>(one[i].count);
    requests += weight;
    failed += static_cast<double>(one[i].failed);
    sum += static_cast<double>(one[i].sum);
    p95 += weight * static_cast<double>(one[i].p95);
  }
  if (requests <= 0 || watched == 0) return std::nullopt;
  const auto duration = [](double value) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
  };
  return Metrics::Endpoint::Before{requests / (static_cast<double>(watched) * step), failed / requests,
                                   duration(sum / requests), duration(p95 / requests)};
}

}  // namespace hotwell::monitor
