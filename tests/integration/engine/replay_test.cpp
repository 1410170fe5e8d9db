// A recorded journal replays through Plan: from an export's lines alone, the same jobs get the same attempts and the
// same ends. So an incident becomes a test: record it, export it, replay it.
#include <algorithm>
#include <deque>
#include <functional>
#include <map>

#include <gtest/gtest.h>
#include <boost/json.hpp>
#include <hotwell/engine.hpp>

#include "engine/journal_export.hpp"
#include "pool/job_id.hpp"
#include "pool/plan.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

namespace json = boost::json;

struct Recorded {
  pool::JobNumber number = 0;
  WallTime created{};
  unsigned retries = 0;
  std::string state;
  unsigned attempts = 0;
  std::deque<std::optional<Error>> outcomes;  ///< of its runs, in order
};

std::string text(const json::value& value) { return std::string(value.as_string()); }

Recorded recorded(const std::string& line) {
  const auto job = json::parse(line).as_object();
  Recorded record{.number = pool::parse_job_id(text(job.at("id"))).value(),
                  .created = parse_rfc3339(text(job.at("created_at"))).value(),
                  .retries = job.at("request").at("retries").to_number<unsigned>(),
                  .state = text(job.at("state")),
                  .attempts = job.at("attempts").to_number<unsigned>()};
  for (const auto& run : job.at("runs").as_array()) {
    const auto* error = run.at("error").if_object();
    record.outcomes.push_back(
        error ? std::optional(Error{parse_code(text(error->at("code"))).value(), text(error->at("message")), nullptr})
              : std::nullopt);
  }
  return record;
}

/// Lets the plan run what was recorded: workers are ready at once, attempts end as they did.
class Replay {
 public:
  explicit Replay(std::vector<Recorded> jobs) {
    std::ranges::sort(jobs, {}, &Recorded::created);
    for (auto& job : jobs) {
      outcomes_[job.number] = std::move(job.outcomes);
      step(pool::Submit{{.number = job.number, .operation = "op", .retries = job.retries}});
    }
    while (ends.size() < jobs.size()) {
      if (!events_.empty()) {
        const auto event = std::move(events_.front());
        events_.pop_front();
        step(event);
      } else if (const auto timer = plan_.next_timer()) {
        now_ = std::max(now_, *timer);
        step(pool::Tick{});
      } else {
        ADD_FAILURE() << "the plan has nothing to do and jobs have not ended";
        return;
      }
    }
  }
  std::map<pool::JobNumber, pool::End> ends;

 private:
  void step(pool::Event event) {
    for (auto& action : plan_.step(std::move(event), now_)) {
      if (const auto* assigned = std::get_if<pool::Assign>(&action)) {
        auto& outcomes = outcomes_[assigned->job];
        EXPECT_FALSE(outcomes.empty()) << "an attempt more than was recorded";
        std::optional<Error> outcome;
        if (!outcomes.empty()) {
          outcome = std::move(outcomes.front());
          outcomes.pop_front();
        }
        events_.push_back(pool::AttemptEnded{assigned->job, assigned->attempt, std::move(outcome)});
        events_.push_back(pool::WorkerGone{assigned->worker, Error{}});
      } else if (const auto* end = std::get_if<pool::End>(&action)) {
        EXPECT_TRUE(ends.emplace(end->job, *end).second) << "one end a job";
      }
    }
  }

  pool::Plan plan_{{.types = {{.name = "op", .style = pool::Style::per_job}}}, [] { return 0.5; }};
  pool::MonoTime now_{std::chrono::seconds{1}};
  std::deque<pool::Event> events_;
  std::map<pool::JobNumber, std::deque<std::optional<Error>>> outcomes_;
};

TEST(Replay, ARecordedJournalComesToTheSameEnds) {
  test::TempDir dir;
  Config config;
  config.data_dir = dir.path() / "data";
  config.media = false;
  config.pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
  config.pool.backoff = std::chrono::milliseconds{1};
  config.monitor.enabled = false;
  const std::string marks = dir.path().string();
  const auto add = [&](const std::string& name, const std::string& script, std::vector<int> permanent = {}) {
    config.operations.push_back(
        {.name = name, .argv = {"sh", "-c", script}, .permanent_exit_codes = std::move(permanent)});
  };
  add("good", "echo fine");
  add("second", "[ -e " + marks + "/tried ] || { touch " + marks + "/tried; exit 1; }");
  add("never", "exit 1");
  add("refused", "exit 2", {2});
  add("crash", "kill -9 $$");
  {
    Engine engine{config};
    for (const char* operation : {"good", "second", "never", "refused", "crash"})
      ASSERT_TRUE(engine.run({.operation = operation, .retries = 2}));
  }
  std::vector<Recorded> jobs;
  const auto exported = engine::export_journal(config.data_dir / "journal",
                                               [&](const std::string& line) { jobs.push_back(recorded(line)); });
  ASSERT_TRUE(exported) << to_string(exported.error());
  ASSERT_EQ(jobs.size(), 5U);

  const Replay replay(jobs);
  for (const auto& job : jobs) {
    const auto& end = replay.ends.at(job.number);
    EXPECT_EQ(end.attempts, job.attempts) << job.state;
    EXPECT_EQ(job.outcomes.size(), job.attempts);
    EXPECT_EQ(end.error.has_value(), job.state != "completed");
    EXPECT_EQ(end.dead, job.state == "dead");
  }
}

}  // namespace
}  // namespace hotwell
