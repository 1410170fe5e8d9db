#include "pool/tuning.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hotwell::pool {
namespace {

double to_seconds(Duration time) { return std::chrono::duration<double>(time).count(); }
Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

template <auto Member>
constexpr auto get_number = [](const Tuning& t) { return static_cast<double>(t.*Member); };
template <auto Member>
constexpr auto set_number = [](Tuning& t, double value) {
  using Number = std::remove_reference_t<decltype(t.*Member)>;
  t.*Member = static_cast<Number>(std::is_integral_v<Number> ? std::round(value) : value);
};
template <auto Member>
constexpr auto get_time = [](const Tuning& t) { return to_seconds(t.*Member); };
template <auto Member>
constexpr auto set_time = [](Tuning& t, double value) { t.*Member = from_seconds(value); };
template <std::size_t Class>
constexpr auto get_weight = [](const Tuning& t) { return static_cast<double>(t.weights[Class]); };
template <std::size_t Class>
constexpr auto set_weight =
    [](Tuning& t, double value) { t.weights[Class] = static_cast<unsigned>(std::round(value)); };

constexpr double minute = 60, hour = 60 * minute, day = 24 * hour;

constexpr TuningKnob table[] = {
    {"pool.min_workers", "Workers that are kept warm.", "", 0, 1000,
     [](const Tuning& t) { return static_cast<double>(t.min_workers.value_or(0)); },
     [](Tuning& t, double value) { t.min_workers = static_cast<unsigned>(std::round(value)); }},
    {"pool.max_workers", "Workers that exist at most, of all types together.", "", 0, 1000,
     get_number<&Tuning::max_workers>, set_number<&Tuning::max_workers>},
    {"pool.queue_limit", "Jobs that wait at most; beyond, new ones are refused.", "", 0, 1e7,
     get_number<&Tuning::queue_limit>, set_number<&Tuning::queue_limit>},
    {"pool.weights.high", "HIGH's share of worker time where all three classes wait.", "", 1, 1000, get_weight<0>,
     set_weight<0>},
    {"pool.weights.normal", "NORMAL's share of worker time where all three classes wait.", "", 1, 1000, get_weight<1>,
     set_weight<1>},
    {"pool.weights.low", "LOW's share of worker time where all three classes wait.", "", 1, 1000, get_weight<2>,
     set_weight<2>},
    {"pool.scheduling", "0: the classes share by their weights; 1: strictly one before the other.", "", 0, 1,
     get_number<&Tuning::strict>, [](Tuning& t, double value) { t.strict = value >= 0.5; }},
    {"pool.ageing", "Strict: a job rises by a class each time it has waited so long; 0: never.", "seconds", 0, day,
     get_time<&Tuning::ageing>, set_time<&Tuning::ageing>},
    {"pool.retry_share", "Of a class's worker time, what retries get at most while first attempts wait.", "", 0.01,
     0.99, get_number<&Tuning::retry_share>, set_number<&Tuning::retry_share>},
    {"pool.feed_ahead", "Jobs that a warm worker may have at once, where they take under a millisecond.", "", 1, 8,
     get_number<&Tuning::feed_ahead>, set_number<&Tuning::feed_ahead>},
    {"pool.kill_grace", "From asking an attempt to stop to killing its worker.", "seconds", 0, minute,
     get_time<&Tuning::kill_grace>, set_time<&Tuning::kill_grace>},
    {"pool.idle_after", "Idle workers beyond the minimum leave after this.", "seconds", 0, day,
     get_time<&Tuning::idle_after>, set_time<&Tuning::idle_after>},
    {"pool.start_limit", "A warm worker has to be ready within this.", "seconds", 0.01, hour,
     get_time<&Tuning::start_limit>, set_time<&Tuning::start_limit>},
    {"pool.start_failures", "Failed starts in a row after which each costs the jobs that wait an attempt; 0: never.",
     "", 0, 1000, get_number<&Tuning::start_failures>, set_number<&Tuning::start_failures>},
    {"pool.breaker_crashes", "Crashes in a row that hold an operation's jobs back for a while; 0: never.", "", 0, 1000,
     get_number<&Tuning::breaker_crashes>, set_number<&Tuning::breaker_crashes>},
    {"pool.recycle.jobs", "Jobs after which a warm worker is replaced, give or take a tenth; 0: never.", "", 0, 1e9,
     get_number<&Tuning::recycle_jobs>, set_number<&Tuning::recycle_jobs>},
    {"pool.recycle.growth", "Growth of its private memory after which a warm worker is replaced; 0: never.", "bytes", 0,
     1e15, get_number<&Tuning::recycle_growth>, set_number<&Tuning::recycle_growth>},
    {"pool.recycle.age", "Age at which a warm worker is replaced after its job; 0: never.", "seconds", 0, 365 * day,
     get_time<&Tuning::recycle_age>, set_time<&Tuning::recycle_age>},
};

}  // namespace

Tuning tuning_of(const PoolOptions& options) {
  const auto* first = &options.worker;
  for (const auto& spec : options.more_workers)
    if (first->kind == WorkerKind::function && spec.kind != WorkerKind::function) first = &spec;
  return {.min_workers = first->min_workers ? first->min_workers : options.min_workers,
          .max_workers = options.max_workers,
          .queue_limit = options.queue_limit,
          .weights = options.weights,
          .strict = options.scheduling == Scheduling::strict,
          .ageing = options.ageing,
          .retry_share = options.retry_share,
          .feed_ahead = options.feed_ahead,
          .kill_grace = options.kill_grace,
          .idle_after = options.idle_after,
          .start_limit = options.start_limit,
          .start_failures = options.start_failures,
          .breaker_crashes = options.breaker_crashes,
          .recycle_jobs = options.recycle.jobs,
          .recycle_growth = options.recycle.growth.count,
          .recycle_age = options.recycle.age};
}

Result<void> validate(const Tuning& tuning) {
  if (tuning.max_workers == 0) return fail(Code::invalid_argument, "pool.max_workers is 0, expected at least 1");
  if (tuning.min_workers.value_or(0) > tuning.max_workers)
    return fail(Code::invalid_argument, fmt::format("pool.min_workers {} would be over pool.max_workers {}",
                                                    *tuning.min_workers, tuning.max_workers));
  return {};
}

KnobState TuningKnob::state(const Tuning& tuning) const {
  // An option may lie beyond what a knob can be turned to.
  const double value = get(tuning);
  return {.name = name,
          .description = description,
          .unit = unit,
          .min = std::min(min, value),
          .max = std::max(max, value),
          .value = value};
}

std::span<const TuningKnob> tuning_knobs() { return table; }

}  // namespace hotwell::pool
