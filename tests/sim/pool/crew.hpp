/// Workers in simulated time that do exactly what a test's script says, and the worker time that each class got.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "pool/plan.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::test {

class Crew {
 public:
  struct Fate {
    Duration run{};
    std::optional<Error> error{};  ///< a crash takes the worker along
  };
  using Script = std::function<Fate(const pool::PlannedJob& job)>;

  Crew(pool::Rules rules, Script script)
      : script_(std::move(script)), plan_(std::move(rules), [this] { return chance_(random_); }) {}
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  [[nodiscard]] host::MonoTime now() const { return now_; }
  [[nodiscard]] const pool::Plan& plan() const { return plan_; }
  [[nodiscard]] const std::map<pool::JobNumber, pool::End>& ends() const { return ends_; }
  [[nodiscard]] const std::map<pool::JobNumber, host::MonoTime>& starts() const { return starts_; }
  /// Worker time by whatever `label` says of a job.
  [[nodiscard]] double used(const std::string& of) const {
    const auto known = used_.find(of);
    return known == used_.end() ? 0 : known->second;
  }

  std::function<std::string(const pool::PlannedJob& job, bool retry)> label = [](const auto&, bool) { return ""; };
  /// Called after a job's end: a flood hands in the next one.
  std::function<void(const pool::PlannedJob& job)> on_end = [](const auto&) {};

  void submit(pool::PlannedJob job) {
    if (job.number == 0) job.number = ++last_;
    jobs_[job.number] = job;
    feed(pool::Submit{std::move(job)});
  }
  void feed(pool::Event event) {
    for (auto& action : plan_.step(std::move(event), now_)) std::visit([this](auto& a) { apply(a); }, action);
    for (auto& job : std::exchange(ended_, {})) on_end(job);
  }
  void run_until(host::MonoTime until) {
    while (step_before(until)) {
    }
    now_ = until;
  }
  /// Until nothing is left to happen. Answers when the last job ended.
  host::MonoTime run() {
    while (step_before(host::MonoTime::max())) {
    }
    return last_end_;
  }

 private:
  bool step_before(host::MonoTime until) {
    const auto timer = plan_.next_timer();
    if (timer && (script_events_.empty() || *timer < script_events_.begin()->first)) {
      if (*timer > until) return false;
      now_ = std::max(now_, *timer);
      feed(pool::Tick{});
      return true;
    }
    if (script_events_.empty() || script_events_.begin()->first > until) return false;
    auto node = script_events_.extract(script_events_.begin());
    now_ = std::max(now_, node.key());
    feed(std::move(node.mapped()));
    return true;
  }
  void later(Duration time, pool::Event event) { script_events_.emplace(now_ + time, std::move(event)); }

  template <class A>
  void apply(const A&) {}
  void apply(const pool::SpawnWorker& action) { later(start, pool::WorkerReady{action.worker}); }
  void apply(const pool::RetireWorker& action) {
    later(start, pool::WorkerGone{.worker = action.worker, .reason = {}});
  }
  void apply(const pool::Assign& action) {
    const auto& job = jobs_.at(action.job);
    const Fate fate = script_(job);
    starts_.emplace(action.job, now_);
    used_[label(job, action.attempt > 1)] += std::chrono::duration<double>(fate.run).count();
    if (fate.error && fate.error->code == Code::crashed)
      later(fate.run, pool::WorkerGone{.worker = action.worker, .reason = *fate.error});
    else
      later(fate.run, pool::AttemptEnded{action.job, action.attempt, fate.error});
  }
  void apply(const pool::End& action) {
    ends_.emplace(action.job, action);
    last_end_ = now_;
    ended_.push_back(jobs_.at(action.job));
  }

 public:
  Duration start = std::chrono::milliseconds{2};  ///< of a worker

 private:
  Script script_;
  std::mt19937_64 random_{seed()};
  std::uniform_real_distribution<double> chance_;
  host::MonoTime now_{std::chrono::hours{1}};
  host::MonoTime last_end_{};
  std::multimap<host::MonoTime, pool::Event> script_events_;
  std::map<pool::JobNumber, pool::PlannedJob> jobs_;
  std::map<pool::JobNumber, pool::End> ends_;
  std::map<pool::JobNumber, host::MonoTime> starts_;
  std::vector<pool::PlannedJob> ended_;
  std::map<std::string, double> used_;
  pool::JobNumber last_ = 0;
  pool::Plan plan_;
};

}  // namespace hotwell::test
