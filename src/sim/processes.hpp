/// Scripted workers: carry out a Plan's actions under a simulated clock, as badly as a test asks for, and check at
/// every step what the plan promises.
#pragma once

#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "pool/plan.hpp"

namespace hotwell::sim {

/// Probabilities, each in [0, 1].
struct Temper {
  double crash = 0;      ///< the worker ends in the middle of an attempt
  double transient = 0;  ///< the attempt fails with Code::io
  double permanent = 0;  ///< with Code::failed
  double out_of_memory = 0;
  double hang = 0;       ///< it never answers by itself
  double deaf = 0;       ///< it ignores a polite request
  double bad_start = 0;  ///< it ends before it is ready
  double slow_sink = 0;  ///< the outcome is settled some time after the worker was released
  Duration longest_run = std::chrono::seconds{2};
  Duration longest_start = std::chrono::milliseconds{100};
};

class Processes {
 public:
  Processes(pool::Rules rules, std::uint64_t seed, Temper temper = {})
      : temper_(temper),
        random_(seed),
        rules_(std::move(rules)),
        max_workers_(rules_.max_workers),
        plan_(rules_, [this] { return chance_(random_); }) {}

  Processes(const Processes&) = delete;  // the plan draws its random numbers from here
  Processes& operator=(const Processes&) = delete;

  [[nodiscard]] host::MonoTime now() const { return now_; }
  [[nodiscard]] pool::Plan& plan() { return plan_; }
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  [[nodiscard]] std::size_t spawned() const { return spawned_; }
  [[nodiscard]] std::size_t most_workers() const { return most_workers_; }
  [[nodiscard]] const std::map<pool::JobNumber, pool::End>& ends() const { return ends_; }
  /// Jobs in the order in which they were handed to workers, retries included.
  [[nodiscard]] const std::vector<pool::JobNumber>& assigned() const { return assigned_; }
  [[nodiscard]] const std::vector<Duration>& delays() const { return delays_; }
  [[nodiscard]] bool drained() const { return drained_; }
  [[nodiscard]] std::vector<pool::WorkerId> living() const {
    std::vector<pool::WorkerId> ids;
    for (const auto& [id, worker] : workers_) ids.push_back(id);
    return ids;
  }
  [[nodiscard]] pool::JobNumber job_of(pool::WorkerId id) const { return workers_.at(id).job; }

  void feed(pool::Event event) {
    if (auto* submit = std::get_if<pool::Submit>(&event)) jobs_[submit->job.number] = {.retries = submit->job.retries};
    if (auto* limits = std::get_if<pool::SetLimits>(&event)) max_workers_ = limits->max_workers;
    for (auto& action : plan_.step(std::move(event), now_)) std::visit([this](auto& a) { apply(a); }, action);
  }
  void at(Duration later, pool::Event event) { script_.emplace(now_ + later, Item{std::move(event)}); }

  /// Everything that is due by then, in order.
  void advance(Duration by) {
    const auto until = now_ + by;
    while (step_before(until)) {
    }
    now_ = until;
  }
  /// Until nothing is left to happen, but for the passing of `limit`.
  void run(Duration limit = std::chrono::hours{24 * 30}) {
    const auto until = now_ + limit;
    while (step_before(until)) {
    }
  }
  /// Takes a worker away, as its own crash or with the spawner.
  void lose(pool::WorkerId id, bool charged) {
    const auto job = workers_.at(id).job;
    if (job != 0 && !charged) ++jobs_.at(job).uncharged;
    gone(id, Error{Code::crashed, "lost"}, charged);
  }

 private:
  struct Item {
    pool::Event event;
    pool::WorkerId worker = 0;  ///< happens only while this worker lives
    std::uint32_t attempt = 0;  ///< and still has this attempt
    pool::JobNumber job = 0;    ///< of this job
  };
  struct Worker {
    pool::TypeIndex type = 0;
    pool::JobNumber job = 0;
    std::uint32_t attempt = 0;
    bool ready = false;
    bool dying = false;
  };
  struct Job {
    unsigned retries = 0;
    unsigned starts = 0;
    unsigned uncharged = 0;
    bool running = false;
  };

  void require(bool holds, const std::string& what) const {
    if (!holds) throw std::logic_error("broken promise: " + what);
  }
  bool luck(double probability) { return chance_(random_) < probability; }
  Duration up_to(Duration longest) {
    return Duration{static_cast<std::int64_t>(chance_(random_) * static_cast<double>(longest.count())) + 1};
  }

  bool step_before(host::MonoTime until) {
    const auto timer = plan_.next_timer();
    const bool script_first = !script_.empty() && (!timer || script_.begin()->first <= *timer);
    if (script_first) {
      if (script_.begin()->first > until) return false;
      auto node = script_.extract(script_.begin());
      now_ = std::max(now_, node.key());
      happen(std::move(node.mapped()));
      return true;
    }
    if (!timer || *timer > until) return false;
    now_ = std::max(now_, *timer);
    feed(pool::Tick{});
    require(plan_.next_timer() != timer || *timer > now_, "a timer that fired is due again at once");
    return true;
  }

  void happen(Item item) {
    if (item.worker != 0) {
      const auto worker = workers_.find(item.worker);
      if (worker == workers_.end() ||
          (item.attempt != 0 && (worker->second.attempt != item.attempt || worker->second.job != item.job)))
        return;
      if (std::holds_alternative<pool::WorkerReady>(item.event)) worker->second.ready = true;
      if (std::holds_alternative<pool::WorkerGone>(item.event)) return gone_now(std::get<pool::WorkerGone>(item.event));
      if (auto* ended = std::get_if<pool::AttemptEnded>(&item.event)) return answer(item.worker, std::move(*ended));
    }
    feed(std::move(item.event));
  }

  /// The worker has done its part; maybe its sink takes longer.
  void answer(pool::WorkerId id, pool::AttemptEnded ended) {
    Worker& worker = workers_.at(id);
    const auto job = worker.job;
    worker.job = 0;
    worker.attempt = 0;
    if (job != 0) jobs_.at(job).running = false;
    const bool per_job = rules_.types[worker.type].style == pool::Style::per_job;
    if (luck(temper_.slow_sink)) {
      feed(pool::WorkerReleased{id, ended.job, ended.attempt});
      at(up_to(std::chrono::milliseconds{50}), std::move(ended));
    } else {
      feed(std::move(ended));
    }
    if (per_job) gone(id, Error{Code::crashed, "its command ended"}, true);
  }

  void gone(pool::WorkerId id, Error reason, bool charged) {
    gone_now({.worker = id, .reason = std::move(reason), .charged = charged});
  }
  void gone_now(pool::WorkerGone gone) {
    const auto worker = workers_.find(gone.worker);
    if (worker == workers_.end()) return;
    if (worker->second.job != 0) jobs_.at(worker->second.job).running = false;
    workers_.erase(worker);
    feed(std::move(gone));
  }
  void gone_soon(pool::WorkerId id, Duration after) {
    Worker& worker = workers_.at(id);
    if (worker.dying) return;
    worker.dying = true;
    script_.emplace(now_ + after, Item{pool::WorkerGone{.worker = id, .reason = {Code::crashed, "killed"}}, id});
  }

  void apply(const pool::Accept&) {}
  void apply(const pool::SpawnWorker& action) {
    require(workers_.size() < max_workers_,
            fmt::format("{} workers exist and another one is started", workers_.size()));
    const auto style = rules_.types[action.type].style;
    workers_[action.worker] = {.type = action.type, .ready = style != pool::Style::warm};
    ++spawned_;
    most_workers_ = std::max(most_workers_, workers_.size());
    if (style != pool::Style::warm) return;
    if (luck(temper_.bad_start)) return gone_soon(action.worker, up_to(temper_.longest_start));
    script_.emplace(now_ + up_to(temper_.longest_start), Item{pool::WorkerReady{action.worker}, action.worker});
  }
  void apply(const pool::Assign& action) {
    Worker& worker = workers_.at(action.worker);
    Job& job = jobs_.at(action.job);
    require(worker.ready && worker.job == 0, "a job goes to a worker that is not idle");
    require(!job.running && !ends_.contains(action.job), "a job runs twice at once or after its end");
    require(action.attempt == ++job.starts, "attempts are numbered without a gap");
    worker.job = action.job;
    worker.attempt = action.attempt;
    job.running = true;
    assigned_.push_back(action.job);
    const auto after = [&](Duration delay, pool::Event event) {
      script_.emplace(now_ + delay, Item{std::move(event), action.worker, action.attempt, action.job});
    };
    // Late words about an attempt that is long over must change nothing.
    if (action.attempt > 1 && luck(0.5))
      at(up_to(temper_.longest_run), pool::AttemptEnded{action.job, action.attempt - 1, std::nullopt});
    const auto time = up_to(temper_.longest_run);
    const auto fails = [&](Code code) {
      after(time, pool::AttemptEnded{action.job, action.attempt, Error{code, "scripted"}});
    };
    if (luck(temper_.hang)) return;
    if (luck(temper_.crash) && rules_.types[worker.type].style != pool::Style::thread)
      return after(time, pool::WorkerGone{.worker = action.worker, .reason = {Code::crashed, "scripted"}});
    if (luck(temper_.transient)) return fails(Code::io);
    if (luck(temper_.permanent)) return fails(Code::failed);
    if (luck(temper_.out_of_memory)) return fails(Code::out_of_memory);
    after(time, pool::AttemptEnded{action.job, action.attempt, std::nullopt});
  }
  void apply(const pool::AskToStop& action) {
    Worker& worker = workers_.at(action.worker);
    require(worker.job == action.job, "a worker is asked to stop what it does not do");
    if (luck(temper_.deaf)) return;
    script_.emplace(now_ + up_to(std::chrono::milliseconds{100}),
                    Item{pool::AttemptEnded{action.job, worker.attempt, Error{Code::cancelled, "asked"}}, action.worker,
                         worker.attempt, action.job});
  }
  void apply(const pool::TerminateWorker&) {}
  void apply(const pool::KillWorker& action) {
    require(rules_.types[workers_.at(action.worker).type].style != pool::Style::thread, "a thread is killed");
    gone_soon(action.worker, up_to(std::chrono::milliseconds{20}));
  }
  void apply(const pool::RetireWorker& action) {
    Worker& worker = workers_.at(action.worker);
    if (rules_.types[worker.type].style == pool::Style::thread) {
      // It ends when its function returns, which here is in any case some time.
      if (worker.job != 0) jobs_.at(worker.job).running = false;
      worker.job = 0;
      worker.attempt = 0;
      return gone_soon(action.worker, up_to(std::chrono::seconds{5}));
    }
    require(worker.job == 0, "a busy worker is retired");
    if (!luck(temper_.deaf)) gone_soon(action.worker, up_to(std::chrono::milliseconds{20}));
  }
  void apply(const pool::AnnounceRetry& action) { delays_.push_back(action.delay); }
  void apply(const pool::End& action) {
    require(ends_.emplace(action.job, action).second, "a job ends twice");
    const Job& job = jobs_.at(action.job);
    require(action.attempts <= job.retries + 1, "more attempts were charged than allowed");
    require(action.attempts + job.uncharged >= job.starts && action.attempts <= job.starts, "attempts are miscounted");
  }
  void apply(const pool::Drained&) {
    for (const auto& [id, worker] : workers_)
      require(rules_.types[worker.type].style == pool::Style::thread, "drained, and a process is left");
    require(!drained_, "drained twice");
    drained_ = true;
  }

  Temper temper_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> chance_;
  pool::Rules rules_;
  std::size_t max_workers_;
  host::MonoTime now_{std::chrono::hours{1}};
  std::multimap<host::MonoTime, Item> script_;
  std::map<pool::WorkerId, Worker> workers_;
  std::map<pool::JobNumber, Job> jobs_;
  std::map<pool::JobNumber, pool::End> ends_;
  std::vector<pool::JobNumber> assigned_;
  std::vector<Duration> delays_;
  std::size_t spawned_ = 0;
  std::size_t most_workers_ = 0;
  bool drained_ = false;
  pool::Plan plan_;
};

}  // namespace hotwell::sim
