/// Scripted workers: carry out a Plan's actions under a simulated clock, as badly as a test asks for, and check at
/// every step what the plan promises.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pool/plan.hpp"

namespace hotwell::sim {

/// Probabilities, each in [0, 1].
struct Temper {
  double crash = 0;      ///< the worker ends in the middle of an attempt
  double transient = 0;  ///< the attempt fails with Code::io
  double full_disk = 0;  ///< with Code::disk_full
  double permanent = 0;  ///< with Code::failed
  double out_of_memory = 0;
  double hang = 0;       ///< it never answers by itself
  double deaf = 0;       ///< it ignores a polite request
  double bad_start = 0;  ///< it ends before it is ready
  double slow_sink = 0;  ///< the outcome is settled some time after the worker was released
  double silent = 0;     ///< an attempt gives no sign of life
  double untold = 0;     ///< it does not say that it began an attempt that it had been fed
  double leaks = 0;      ///< a worker has 100 MiB more after an attempt
  unsigned window = 8;   ///< what workers can be fed
  Duration longest_run = std::chrono::seconds{2};
  Duration longest_start = std::chrono::milliseconds{100};
};

class Processes {
 public:
  Processes(pool::Rules rules, std::uint64_t seed, Temper temper = {})
      : temper_(temper), random_(seed), rules_(std::move(rules)), tuning_(rules_.tuning), plan_(rules_, [this] {
          return chance_(random_);
        }) {}

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
  [[nodiscard]] std::vector<pool::WorkerId> processes() const {
    auto ids = living();
    std::erase_if(ids, [this](pool::WorkerId id) { return style_of(workers_.at(id)) == pool::Style::thread; });
    return ids;
  }
  /// What a worker is at; 0: nothing.
  [[nodiscard]] pool::JobNumber job_of(pool::WorkerId id) const {
    const auto& line = workers_.at(id).line;
    return line.empty() ? 0 : line.front().job;
  }
  /// The most jobs that one worker ever had.
  [[nodiscard]] std::size_t longest_line() const { return longest_line_; }
  [[nodiscard]] std::size_t retired() const { return retired_; }

  void feed(pool::Event event) {
    if (auto* submit = std::get_if<pool::Submit>(&event)) {
      jobs_[submit->job.number] = {.spec = submit->job};
      live_.insert(submit->job.number);
    }
    if (auto* retune = std::get_if<pool::Retune>(&event)) tuning_ = retune->tuning;
    if (auto* cancel = std::get_if<pool::CancelJob>(&event)) cancelled_.insert(cancel->job);
    if (auto* raise = std::get_if<pool::RaiseJob>(&event))
      if (const auto job = jobs_.find(raise->job); job != jobs_.end())
        job->second.spec.priority = std::min(job->second.spec.priority, raise->priority);
    ageing_ = ageing_ || (tuning_.strict && tuning_.ageing > Duration{});
    draining_ = draining_ || std::holds_alternative<pool::DrainRequest>(event);
    started_.clear();
    const bool sign_of_life = std::holds_alternative<pool::AttemptAlive>(event);
    for (auto& action : plan_.step(std::move(event), now_)) std::visit([this](auto& a) { apply(a); }, action);
    if (!sign_of_life) check();
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
    gone({.worker = id, .reason = {Code::crashed, "lost"}, .charged = charged});
  }

 private:
  struct Item {
    pool::Event event;
    pool::WorkerId worker = 0;  ///< happens only while this worker lives
    std::uint32_t attempt = 0;  ///< and is at this attempt
    pool::JobNumber job = 0;    ///< of this job
  };
  struct Held {
    pool::JobNumber job = 0;
    std::uint32_t attempt = 0;
    host::MonoTime begun{};  ///< of the first in line
    host::MonoTime alive{};
    bool asked = false;
  };
  struct Worker {
    pool::TypeIndex type = 0;
    std::deque<Held> line;
    bool ready = false;
    bool dying = false;
    bool killed = false;
    bool retired = false;
    std::uint64_t memory = std::uint64_t{10} << 20;
  };
  struct Job {
    pool::PlannedJob spec;
    unsigned starts = 0;
    unsigned uncharged = 0;
    unsigned without_worker = 0;  ///< attempts that its type's failed starts cost it
    unsigned doubtful = 0;        ///< attempts that may or may not have been charged
    bool running = false;
    bool wants_to_be_alone = false;
  };

  void require(bool holds, std::string_view what) const {
    if (!holds) throw std::logic_error("broken promise: " + std::string{what});
  }
  bool luck(double probability) { return chance_(random_) < probability; }
  Duration up_to(Duration longest) {
    return Duration{static_cast<std::int64_t>(chance_(random_) * static_cast<double>(longest.count())) + 1};
  }
  [[nodiscard]] pool::Style style_of(const Worker& worker) const { return rules_.types[worker.type].style; }

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
    // Once more is right: a grace period of nothing ends in the step after the one that it began in.
    again_ = plan_.next_timer() == timer && *timer <= now_ ? again_ + 1 : 0;
    require(again_ < 3, "a timer that fired is due at once again and again");
    return true;
  }

  void happen(Item item) {
    if (item.worker != 0) {
      const auto worker = workers_.find(item.worker);
      if (worker == workers_.end()) return;
      const auto& line = worker->second.line;
      if (item.attempt != 0 && (line.empty() || line.front().attempt != item.attempt || line.front().job != item.job))
        return;
      if (std::holds_alternative<pool::WorkerReady>(item.event)) worker->second.ready = true;
      if (std::holds_alternative<pool::AttemptAlive>(item.event)) worker->second.line.front().alive = now_;
      if (auto* left = std::get_if<pool::WorkerGone>(&item.event)) return gone(std::move(*left));
      if (auto* ended = std::get_if<pool::AttemptEnded>(&item.event)) return answer(item.worker, std::move(*ended));
    }
    feed(std::move(item.event));
  }

  /// The worker has done its part; maybe its sink takes longer.
  void answer(pool::WorkerId id, pool::AttemptEnded ended) {
    Worker& worker = workers_.at(id);
    worker.line.pop_front();
    jobs_.at(ended.job).running = false;
    if (ended.error && ended.error->code == Code::out_of_memory) jobs_.at(ended.job).wants_to_be_alone = true;
    const bool per_job = style_of(worker) == pool::Style::per_job;
    if (luck(temper_.slow_sink)) {
      feed(pool::WorkerReleased{id, ended.job, ended.attempt});
      at(up_to(std::chrono::milliseconds{50}), std::move(ended));
    } else {
      feed(std::move(ended));
    }
    if (per_job) return gone({.worker = id, .reason = {Code::crashed, "its command ended"}});
    begin_next(id);
    if (!workers_.contains(id) || !luck(temper_.leaks)) return;
    workers_.at(id).memory += std::uint64_t{100} << 20;
    feed(pool::WorkerMemory{id, workers_.at(id).memory});
  }

  /// Goes on with the attempt that it was fed. (What the plan did since may have given an idle worker its next one.)
  void begin_next(pool::WorkerId id) {
    const auto worker = workers_.find(id);
    if (worker == workers_.end() || worker->second.line.empty() ||
        worker->second.line.front().begun != host::MonoTime{})
      return;
    const auto [job, attempt] = std::pair{worker->second.line.front().job, worker->second.line.front().attempt};
    begin(id);
    if (!luck(temper_.untold)) feed(pool::AttemptStarted{job, attempt});
  }

  void gone(pool::WorkerGone gone) {
    const auto found = workers_.find(gone.worker);
    if (found == workers_.end()) return;
    const Worker worker = std::move(found->second);
    workers_.erase(found);
    bool first = true;
    for (const auto& held : worker.line) {
      Job& job = jobs_.at(held.job);
      job.running = false;
      // Only what the worker was at may cost an attempt; a worker that was killed was at what had to be stopped.
      if (!gone.charged || !first)
        ++job.uncharged;
      else if (worker.killed)
        held.asked ? ++job.doubtful : ++job.uncharged;
      first = false;
    }
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
    const auto& type = rules_.types[action.type];
    require(workers_.size() < tuning_.max_workers,
            fmt::format("{} workers exist and another one is started", workers_.size()));
    const auto alike = std::ranges::count_if(workers_, [&](const auto& w) { return w.second.type == action.type; });
    require(static_cast<std::size_t>(alike) < type.max.value_or(tuning_.max_workers),
            "more of a type than its maximum");
    workers_[action.worker] = {.type = action.type, .ready = type.style != pool::Style::warm};
    ++spawned_;
    most_workers_ = std::max(most_workers_, workers_.size());
    if (type.style != pool::Style::warm) return;
    if (luck(temper_.bad_start)) return gone_soon(action.worker, up_to(temper_.longest_start));
    script_.emplace(now_ + up_to(temper_.longest_start),
                    Item{pool::WorkerReady{action.worker, temper_.window}, action.worker});
  }

  void apply(const pool::Assign& action) {
    Worker& worker = workers_.at(action.worker);
    Job& job = jobs_.at(action.job);
    require(worker.ready && !worker.dying && !worker.retired, "a job goes to a worker that is not well");
    require(!job.running && !ends_.contains(action.job), "a job runs twice at once or after its end");
    require(action.attempt == ++job.starts + job.spec.past.value_or(pool::Past{}).attempts,
            "attempts are numbered without a gap");
    if (!worker.line.empty()) {
      require(worker.line.size() < std::min(tuning_.feed_ahead, temper_.window), "a worker is fed too much");
      require(style_of(worker) == pool::Style::warm, "a worker is fed that is not warm");
      for (const auto& held : worker.line)
        require(ageing_ || jobs_.at(held.job).spec.priority == job.spec.priority, "a worker is fed two classes");
    }
    worker.line.push_back({.job = action.job, .attempt = action.attempt});
    longest_line_ = std::max(longest_line_, worker.line.size());
    job.running = true;
    assigned_.push_back(action.job);
    started_.push_back({action.job, worker.line.size() > 1});
    // Late words about an attempt that is long over must change nothing.
    if (action.attempt > 1 && luck(0.5))
      at(up_to(temper_.longest_run), pool::AttemptEnded{action.job, action.attempt - 1, std::nullopt});
    if (worker.line.size() == 1) begin(action.worker);
  }

  /// The worker gets to the first of its line: what will become of it.
  void begin(pool::WorkerId id) {
    Worker& worker = workers_.at(id);
    Held& held = worker.line.front();
    held.begun = held.alive = now_;
    const auto after = [&](Duration delay, pool::Event event) {
      script_.emplace(now_ + delay, Item{std::move(event), id, held.attempt, held.job});
    };
    const auto time = up_to(temper_.longest_run);
    const bool hangs = luck(temper_.hang);
    const auto patience = jobs_.at(held.job).spec.no_progress;
    if (!luck(temper_.silent) && patience < std::chrono::hours{1})
      for (Duration beat = patience / 2; beat < (hangs ? patience * 3 : time); beat += patience / 2)
        after(beat, pool::AttemptAlive{held.job, held.attempt});
    const auto fails = [&](Code code) {
      after(time, pool::AttemptEnded{held.job, held.attempt, Error{code, "scripted"}});
    };
    if (held.asked)
      return after(up_to(std::chrono::milliseconds{1}),
                   pool::AttemptEnded{held.job, held.attempt, Error{Code::cancelled, "asked"}});
    if (hangs) return;
    if (luck(temper_.crash) && style_of(worker) != pool::Style::thread)
      return after(time, pool::WorkerGone{.worker = id, .reason = {Code::crashed, "scripted"}});
    if (luck(temper_.transient)) return fails(Code::io);
    if (luck(temper_.full_disk)) return fails(Code::disk_full);
    if (luck(temper_.permanent)) return fails(Code::failed);
    if (luck(temper_.out_of_memory)) return fails(Code::out_of_memory);
    after(time, pool::AttemptEnded{held.job, held.attempt, std::nullopt});
  }

  void apply(const pool::AskToStop& action) {
    Worker& worker = workers_.at(action.worker);
    const auto held = std::ranges::find(worker.line, action.job, &Held::job);
    require(held != worker.line.end() && !held->asked, "a worker is asked to stop what it does not do");
    const auto& spec = jobs_.at(action.job).spec;
    if (!cancelled_.contains(action.job) && !draining_ && !(spec.deadline && *spec.deadline <= now_)) {
      require(held->begun != host::MonoTime{}, "an attempt that was not begun is out of time");
      require(now_ - held->begun >= spec.timeout || now_ - held->alive >= spec.no_progress,
              "an attempt is stopped before its time");
    }
    held->asked = true;
    if (held != worker.line.begin() || luck(temper_.deaf)) return;
    script_.emplace(now_ + up_to(std::chrono::milliseconds{100}),
                    Item{pool::AttemptEnded{action.job, held->attempt, Error{Code::cancelled, "asked"}}, action.worker,
                         held->attempt, action.job});
  }
  void apply(const pool::TerminateWorker& action) {
    const Worker& worker = workers_.at(action.worker);
    require(style_of(worker) != pool::Style::thread, "a thread is sent a signal");
    require(!worker.line.empty() && worker.line.front().asked, "a worker is ended for what it is not at");
    workers_.at(action.worker).killed = true;
    if (!luck(temper_.deaf)) gone_soon(action.worker, up_to(std::chrono::milliseconds{20}));
  }
  void apply(const pool::KillWorker& action) {
    Worker& worker = workers_.at(action.worker);
    require(style_of(worker) != pool::Style::thread, "a thread is killed");
    require(
        worker.line.empty() ? !worker.ready || worker.retired : worker.killed || worker.line.front().asked || draining_,
        "a worker is killed for what it is not at");
    worker.killed = true;
    gone_soon(action.worker, up_to(std::chrono::milliseconds{20}));
  }
  void apply(const pool::RetireWorker& action) {
    Worker& worker = workers_.at(action.worker);
    ++retired_;
    worker.retired = true;
    if (style_of(worker) == pool::Style::thread) {
      // It ends when its function returns, which here is in any case some time.
      for (const auto& held : worker.line) jobs_.at(held.job).running = false;
      worker.line.clear();
      return gone_soon(action.worker, up_to(std::chrono::seconds{5}));
    }
    require(worker.line.empty(), "a busy worker is retired");
    if (!luck(temper_.deaf)) gone_soon(action.worker, up_to(std::chrono::milliseconds{20}));
  }
  void apply(const pool::AnnounceRetry& action) {
    delays_.push_back(action.delay);
    if (action.error.code == Code::unavailable) ++jobs_.at(action.job).without_worker;
  }
  void apply(const pool::End& action) {
    require(ends_.emplace(action.job, action).second && !plan_.standing(action.job), "a job ends twice or goes on");
    live_.erase(action.job);
    Job& job = jobs_.at(action.job);
    if (action.error && action.error->code == Code::unavailable && !action.refused) ++job.without_worker;
    job.wants_to_be_alone = false;
    const unsigned past = job.spec.past.value_or(pool::Past{}).attempts;
    const unsigned charged = past + job.starts + job.without_worker - job.uncharged;
    require(action.attempts <= std::max(job.spec.retries, past) + 1, "more attempts were charged than allowed");
    require(action.attempts <= charged, "an attempt was charged that nobody is to blame for");
    require(action.attempts + job.doubtful + (action.drained ? 1 : 0) >= charged, "an attempt was not charged");
  }
  void apply(const pool::Drained&) {
    for (const auto& [id, worker] : workers_)
      require(style_of(worker) == pool::Style::thread, "drained, and a process is left");
    require(!drained_, "drained twice");
    drained_ = true;
  }

  /// What holds between any two steps.
  void check() {
    using Standing = pool::Plan::Standing;
    if (live_.size() > 200 && ++unchecked_ % 64 != 0) return;  // in long queues now and then
    const auto& figures = plan_.figures();
    std::array<std::uint64_t, priority_count> pending{};
    bool somebody_alone = false;
    std::set<pool::TypeIndex> wanted;
    std::map<pool::TypeIndex, Priority> best;
    for (const auto number : live_) {
      const Job& job = jobs_.at(number);
      const auto standing = plan_.standing(number);
      require(standing.has_value(), "a job is lost");
      require(job.running == (standing == Standing::in_line || standing == Standing::running),
              "a job is where the plan does not think it is");
      somebody_alone = somebody_alone || job.wants_to_be_alone;
      if (standing == Standing::queued || standing == Standing::held || standing == Standing::waiting)
        ++pending[static_cast<std::size_t>(job.spec.priority)];
      if (standing != Standing::queued) continue;
      wanted.insert(job.spec.type);
      const auto known = best.emplace(job.spec.type, job.spec.priority).first;
      known->second = std::min(known->second, job.spec.priority);
    }
    require(figures.pending == pending, "pending jobs are miscounted");
    std::size_t busy = 0;
    for (const auto& [id, worker] : workers_) {
      busy += !worker.line.empty();
      const bool idle = worker.ready && worker.line.empty() && !worker.dying && !worker.retired &&
                        style_of(worker) != pool::Style::per_job;
      if (idle && !somebody_alone)
        require(!wanted.contains(worker.type), "a worker is idle while a job waits that it could do");
    }
    require(figures.busy == busy && figures.workers == workers_.size(), "workers are miscounted");
    for (const auto& [number, fed] : started_) {
      const auto job = jobs_.find(number);
      const auto waits = best.find(job->second.spec.type);
      if (waits == best.end() || waits->second >= job->second.spec.priority) continue;
      require(!fed || ageing_ || waits->second != Priority::high, "a worker is fed while HIGH waits");
      require(!tuning_.strict || ageing_, "strict, and a lower class goes first");
    }
  }

  Temper temper_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> chance_;
  pool::Rules rules_;
  pool::Tuning tuning_;
  host::MonoTime now_{std::chrono::hours{1}};
  std::multimap<host::MonoTime, Item> script_;
  std::map<pool::WorkerId, Worker> workers_;
  std::map<pool::JobNumber, Job> jobs_;
  std::map<pool::JobNumber, pool::End> ends_;
  std::set<pool::JobNumber> live_;
  std::set<pool::JobNumber> cancelled_;
  std::vector<pool::JobNumber> assigned_;
  std::vector<std::pair<pool::JobNumber, bool>> started_;  ///< in this step, and whether behind another one
  std::vector<Duration> delays_;
  std::size_t unchecked_ = 0;
  unsigned again_ = 0;
  std::size_t spawned_ = 0;
  std::size_t retired_ = 0;
  std::size_t most_workers_ = 0;
  std::size_t longest_line_ = 0;
  bool ageing_ = false;  ///< jobs may have risen
  bool draining_ = false;
  bool drained_ = false;
  pool::Plan plan_;
};

}  // namespace hotwell::sim
