// The journal on real files: what is back after a restart, what a full disk or a damaged file does, and what is
// forgotten when.
#include "pool/journal.hpp"

#include <atomic>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>

#include "pool/job_id.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::pool {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

WallTime at(int seconds) { return WallTime{std::chrono::seconds{1'700'000'000 + seconds}}; }

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() { open(); }

  JournalOptions options() {
    return {.directory = dir_.path() / "journal", .executor = io_.get_executor(), .retention = retention_};
  }
  void open() {
    journal_.reset();
    auto opened = Journal::open(options());
    ASSERT_TRUE(opened) << to_string(opened.error());
    journal_ = std::move(*opened);
  }
  static JournalRecord job(std::uint64_t number, std::string operation = "op") {
    return {.number = number,
            .operation = std::move(operation),
            .request = R"({"n":1})",
            .queue = "{}",
            .created = at(static_cast<int>(number))};
  }
  static JournalEnd end(std::uint64_t number, JobState state = JobState::completed) {
    JournalEnd ended{
        .number = number, .state = state, .started = at(1), .finished = at(1000 + static_cast<int>(number))};
    ended.attempts = 1;
    if (state == JobState::completed)
      ended.result = "result";
    else
      ended.error = Error{Code::timeout, "too slow", nullptr};
    return ended;
  }
  static JournalAttempt attempt(std::string worker) { return {.worker = std::move(worker), .started = at(5)}; }
  static JournalAttempt attempt_end(std::optional<Error> error) {
    return {.ended = at(6), .error = std::move(error), .stderr_tail = "words"};
  }

  // Runs until what was asked for is committed, or is not.
  Result<void> outcome(const std::function<void(Journal::Committed)>& ask) {
    std::optional<Result<void>> told;
    ask([&](Result<void> result) { told = std::move(result); });
    auto work = boost::asio::make_work_guard(io_);
    io_.restart();
    while (!told) io_.run_one();
    return *told;
  }
  Result<void> add(JournalRecord record) {
    return outcome([&](auto told) { journal_->add(std::move(record), std::move(told)); });
  }
  Result<void> finish(JournalEnd ended) {
    return outcome([&](auto told) { journal_->end(std::move(ended), Durability::process, std::move(told)); });
  }
  void settle() {
    ASSERT_TRUE(outcome([&](auto told) { journal_->barrier(std::move(told)); }));
  }
  JournalRecord get(std::uint64_t number) {
    const auto found = journal_->find(number);
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : JournalRecord{};
  }

  test::TempDir dir_;
  boost::asio::io_context io_;
  JournalRetention retention_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(JournalTest, WhatWasAcceptedIsBackAsItWas) {
  auto record = job(7, "thumbnail");
  record.priority = Priority::high;
  record.durability = Durability::power;
  record.idempotency_key = "k";
  ASSERT_TRUE(add(record));
  open();
  const auto back = journal_->unfinished();
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 1U);
  EXPECT_EQ(back->front().number, 7U);
  EXPECT_EQ(back->front().operation, "thumbnail");
  EXPECT_EQ(back->front().priority, Priority::high);
  EXPECT_EQ(back->front().durability, Durability::power);
  EXPECT_EQ(back->front().request, R"({"n":1})");
  EXPECT_EQ(back->front().created, at(7));
  EXPECT_EQ((*journal_->find_key("k"))->number, 7U);
  EXPECT_FALSE(*journal_->find_key("other"));
  EXPECT_GT(next_job_number(), 7U);
}

TEST_F(JournalTest, AnAttemptLostToTheEnginesDeathIsNotCharged) {
  ASSERT_TRUE(add(job(1)));
  journal_->begin_attempt(1, attempt("w-1"));
  journal_->end_attempt(1, attempt_end(Error{Code::crashed, "signal 11", nullptr}));
  journal_->begin_attempt(1, attempt("w-2"));
  settle();
  open();
  const auto back = journal_->unfinished();
  ASSERT_EQ(back->size(), 1U);
  EXPECT_EQ(back->front().attempts, 1U);
  EXPECT_EQ(back->front().crashes, 1U);
  const auto attempts = *journal_->attempts(1);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].worker, "w-1");
  EXPECT_EQ(attempts[0].error->message, "signal 11");
  EXPECT_EQ(attempts[0].stderr_tail, "words");
  EXPECT_TRUE(attempts[0].charged);
  EXPECT_FALSE(attempts[1].charged);
  EXPECT_TRUE(attempts[1].ended);
  EXPECT_THAT(attempts[1].error->message, HasSubstr("engine ended"));
}

TEST_F(JournalTest, AnAttemptThatTheSpawnersEndTookIsClosedByTheNext) {
  ASSERT_TRUE(add(job(1)));
  journal_->begin_attempt(1, attempt("w-1"));
  settle();
  journal_->begin_attempt(1, attempt("w-2"));
  journal_->end_attempt(1, attempt_end(std::nullopt));
  ASSERT_TRUE(finish(end(1)));
  const auto attempts = *journal_->attempts(1);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_FALSE(attempts[0].charged);
  EXPECT_THAT(attempts[0].error->message, HasSubstr("spawner"));
  EXPECT_FALSE(attempts[1].error);
}

// Everything of one transaction is merged into one row; in pieces it has to come to the same.
TEST_F(JournalTest, WhatHappensInOneTransactionEqualsTheSameInMany) {
  const auto life = [&](std::uint64_t number, bool apart) {
    const auto pause = [&] {
      if (apart) settle();
    };
    journal_->add(job(number), [](const Result<void>&) {});
    pause();
    journal_->begin_attempt(number, attempt("a"));
    pause();
    journal_->end_attempt(number, attempt_end(Error{Code::io, "no", nullptr}));
    pause();
    journal_->begin_attempt(number, attempt("b"));
    pause();
    journal_->end_attempt(number, attempt_end(std::nullopt));
    journal_->end(end(number), Durability::process, [](const Result<void>&) {});
    settle();
  };
  life(1, true);
  life(2, false);
  for (const std::uint64_t number : {1U, 2U}) {
    const auto record = get(number);
    EXPECT_EQ(record.state, JobState::completed);
    EXPECT_EQ(record.result, "result");
    EXPECT_EQ(record.attempts, 1U);
    const auto attempts = *journal_->attempts(number);
    ASSERT_EQ(attempts.size(), 2U);
    EXPECT_EQ(attempts[0].error->code, Code::io);
    EXPECT_FALSE(attempts[1].error);
    EXPECT_EQ(attempts[1].worker, "b");
  }
  EXPECT_TRUE(journal_->unfinished()->empty());
}

TEST_F(JournalTest, ADeadJobCanBeResubmittedWithAFreshCount) {
  ASSERT_TRUE(add(job(1)));
  journal_->begin_attempt(1, attempt("a"));
  journal_->end_attempt(1, attempt_end(Error{Code::timeout, "slow", nullptr}));
  ASSERT_TRUE(finish(end(1, JobState::dead)));
  EXPECT_EQ(get(1).state, JobState::dead);
  EXPECT_EQ(get(1).error->message, "too slow");
  ASSERT_TRUE(outcome([&](auto told) { journal_->reopen(1, Durability::process, std::move(told)); }));
  open();
  const auto back = journal_->unfinished();
  ASSERT_EQ(back->size(), 1U);
  EXPECT_EQ(back->front().attempts, 0U);
  EXPECT_FALSE(back->front().error);
  EXPECT_EQ(journal_->attempts(1)->size(), 1U) << "what happened before stays told";
}

TEST_F(JournalTest, EndedJobsArePagedNewestFirst) {
  for (std::uint64_t number = 1; number <= 5; ++number) {
    ASSERT_TRUE(add(job(number, number % 2 == 0 ? "even" : "odd")));
    if (number != 3) {
      ASSERT_TRUE(finish(end(number, number == 4 ? JobState::dead : JobState::completed)));
    }
  }
  const auto numbers = [&](const JournalFilter& filter) {
    std::vector<std::uint64_t> found;
    const auto page = *journal_->ended(filter);
    for (const auto& record : page) found.push_back(record.number);
    return found;
  };
  EXPECT_THAT(numbers({}), ::testing::ElementsAre(5, 4, 2, 1)) << "3 has not ended";
  EXPECT_THAT(numbers({.before = 4, .limit = 1}), ::testing::ElementsAre(2));
  EXPECT_THAT(numbers({.state = JobState::dead}), ::testing::ElementsAre(4));
  EXPECT_THAT(numbers({.operation = "odd"}), ::testing::ElementsAre(5, 1));
  EXPECT_THAT(numbers({.state = JobState::queued}), ::testing::IsEmpty());
}

TEST_F(JournalTest, TheRetentionForgetsTheOldestAndKeepsDeadLettersApart) {
  retention_ = {.count = 3, .age = Duration::max() / 4};
  open();
  ASSERT_TRUE(add(job(1)));
  ASSERT_TRUE(finish(end(1, JobState::dead)));
  ASSERT_TRUE(add(job(2)));  // never ends
  for (std::uint64_t number = 3; number <= 10; ++number) {
    ASSERT_TRUE(add(job(number)));
    journal_->begin_attempt(number, attempt("w"));
    ASSERT_TRUE(finish(end(number)));
  }
  ASSERT_TRUE(outcome([&](auto told) { journal_->tidy(std::move(told)); }));
  std::vector<std::uint64_t> left;
  const auto page = *journal_->ended({});
  for (const auto& record : page) left.push_back(record.number);
  EXPECT_THAT(left, ::testing::ElementsAre(10, 9, 8, 1));
  EXPECT_TRUE(journal_->attempts(7)->empty());
  EXPECT_EQ(journal_->unfinished()->size(), 1U);

  retention_ = {.count = 100, .age = 24h};
  open();
  ASSERT_TRUE(outcome([&](auto told) { journal_->tidy(std::move(told)); }));
  EXPECT_TRUE(journal_->ended({})->empty()) << "all ended long ago";
  EXPECT_EQ(journal_->unfinished()->size(), 1U) << "what has not ended is never forgotten";
}

TEST_F(JournalTest, TheRetentionKeepsUpWithALoadThatNeverRests) {
  retention_ = {.count = 10, .age = Duration::max() / 4};
  open();
  // Each burst stands in the queue when the one before is written.
  std::size_t told = 0;
  constexpr std::uint64_t bursts = 40, each = 100;
  for (std::uint64_t burst = 0; burst < bursts; ++burst) {
    for (std::uint64_t i = 1; i <= each; ++i) {
      auto done = job(burst * each + i);
      done.state = JobState::completed;
      done.finished = at(static_cast<int>(done.number));
      journal_->add(std::move(done), [&](const Result<void>& written) {
        if (written) ++told;
      });
    }
    journal_->tidy([](const auto&) {});
  }
  ASSERT_TRUE(outcome([&](auto tidied) { journal_->tidy(std::move(tidied)); }));
  EXPECT_EQ(told, bursts * each);
  EXPECT_EQ(journal_->ended({.limit = 1'000})->size(), 10U);
  EXPECT_EQ(journal_->ended({.limit = 1})->front().number, bursts * each);
  // A resubmitted one is counted no more, until it has ended again.
  auto dead = end(bursts * each, JobState::dead);
  ASSERT_TRUE(outcome([&](auto ended) { journal_->reopen(dead.number, Durability::process, std::move(ended)); }));
  ASSERT_TRUE(finish(dead));
  ASSERT_TRUE(outcome([&](auto tidied) { journal_->tidy(std::move(tidied)); }));
  EXPECT_EQ(journal_->ended({.limit = 1'000})->size(), 10U) << "nine, and the dead one";
}

TEST_F(JournalTest, PagesThatForgottenJobsLeaveGoBackToTheFileSystem) {
  retention_ = {.count = 1, .age = Duration::max() / 4};
  open();
  for (std::uint64_t number = 1; number <= 200; ++number) {
    auto big = job(number);
    big.request = std::string(50'000, 'x');
    journal_->add(std::move(big), [](const auto&) {});
    journal_->end(end(number), Durability::process, [](const auto&) {});
  }
  settle();
  const auto pages = [&] {
    return Database::open(dir_.path() / "journal" / "jobs.sqlite")->integer_of("PRAGMA page_count").value();
  };
  const auto full = pages();
  for (int i = 0; i < 20; ++i)  // a few at a time
    ASSERT_TRUE(outcome([&](auto tidied) { journal_->tidy(std::move(tidied)); }));
  EXPECT_LT(pages(), full / 3);
  EXPECT_EQ(journal_->ended({})->size(), 1U);
}

TEST_F(JournalTest, AFullDiskRefusesWhatIsNewAndKeepsWhatHasEnded) {
  ASSERT_TRUE(add(job(1)));
  journal_->limit_pages(1);
  auto big = job(2);
  big.request = std::string(2'000'000, 'x');
  const auto refused = add(big);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::disk_full);
  EXPECT_THAT(refused.error().message, HasSubstr("jobs.sqlite"));
  EXPECT_FALSE(*journal_->find(2));

  // An end that needs room waits until there is some.
  std::optional<Result<void>> ended;
  auto last = end(1);
  last.result = std::string(2'000'000, 'x');
  journal_->end(last, Durability::process, [&](Result<void> told) { ended = std::move(told); });
  big.number = 3;
  EXPECT_FALSE(add(big)) << "it comes after the end";
  EXPECT_FALSE(ended);
  EXPECT_EQ(get(1).state, JobState::queued);
  journal_->limit_pages(100'000);
  ASSERT_TRUE(add(job(4)));
  ASSERT_TRUE(ended);
  EXPECT_TRUE(*ended);
  EXPECT_EQ(get(1).state, JobState::completed);
  open();
  EXPECT_EQ(journal_->unfinished()->size(), 1U);
}

TEST_F(JournalTest, ResultsAreOnTheirMediumBeforeTheEndsThatNameThem) {
  std::atomic<int> syncs = 0;
  std::atomic<bool> broken = false;
  auto wanted = options();
  wanted.sync_results = [&]() -> Result<void> {
    ++syncs;
    if (broken) return fail(Code::io, "the medium is gone");
    return {};
  };
  journal_.reset();
  journal_ = std::move(*Journal::open(wanted));
  for (std::uint64_t number = 1; number <= 4; ++number) ASSERT_TRUE(add(job(number)));
  const auto finish_for = [&](std::uint64_t number, Durability durability, bool stored) {
    auto ended = end(number);
    ended.result_stored = stored;
    return outcome([&](auto told) { journal_->end(std::move(ended), durability, std::move(told)); });
  };
  ASSERT_TRUE(finish_for(1, Durability::process, true));
  ASSERT_TRUE(finish_for(2, Durability::power, false));
  EXPECT_EQ(syncs, 0) << "nobody wants it, or there is nothing";
  ASSERT_TRUE(finish_for(3, Durability::power, true));
  EXPECT_EQ(syncs, 1);

  // An end whose result is not safe is neither written nor told; new jobs are refused meanwhile.
  broken = true;
  std::optional<Result<void>> ended;
  auto last = end(4);
  last.result_stored = true;
  journal_->end(last, Durability::power, [&](Result<void> told) { ended = std::move(told); });
  const auto refused = add(job(5));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::io);
  EXPECT_THAT(refused.error().message, HasSubstr("the medium is gone"));
  EXPECT_FALSE(ended);
  EXPECT_EQ(get(4).state, JobState::queued);
  broken = false;
  ASSERT_TRUE(add(job(6)));
  ASSERT_TRUE(ended && *ended);
  EXPECT_EQ(get(4).state, JobState::completed);
  journal_.reset();
}

TEST_F(JournalTest, AFileThatIsDamagedOrAnothersIsLeftAsItIs) {
  const auto file = dir_.path() / "journal" / "jobs.sqlite";
  const auto try_with = [&](const std::string& content) {
    journal_.reset();
    for (const char* more : {"-wal", "-shm"}) std::filesystem::remove(file.string() + more);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
    auto opened = Journal::open(options());
    std::ifstream after(file, std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(after), {}), content);
    return opened ? Error{Code::internal, "it was opened"} : opened.error();
  };
  const auto damaged = try_with("this was a journal once, but no longer");
  EXPECT_EQ(damaged.code, Code::io);
  EXPECT_THAT(damaged.message, HasSubstr(file.string()));

  journal_.reset();
  std::filesystem::remove(file);
  sqlite3* other = nullptr;
  ASSERT_EQ(::sqlite3_open(file.c_str(), &other), SQLITE_OK);
  ::sqlite3_exec(other, "CREATE TABLE theirs (x)", nullptr, nullptr, nullptr);
  ::sqlite3_close(other);
  const auto foreign = Journal::open(options());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Code::invalid_argument);

  std::filesystem::remove(file);
  open();
  journal_.reset();
  ASSERT_EQ(::sqlite3_open(file.c_str(), &other), SQLITE_OK);
  ::sqlite3_exec(other, "PRAGMA user_version = 99", nullptr, nullptr, nullptr);
  ::sqlite3_close(other);
  const auto newer = Journal::open(options());
  ASSERT_FALSE(newer);
  EXPECT_THAT(newer.error().message, HasSubstr("newer version"));
}

TEST_F(JournalTest, ADirectoryThatCannotBeMadeIsNamed) {
  std::ofstream(dir_.path() / "file") << "no directory";
  auto wrong = options();
  wrong.directory = dir_.path() / "file" / "journal";
  const auto opened = Journal::open(wrong);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr(wrong.directory.string()));
}

TEST_F(JournalTest, TooMuchAtOnceIsRefusedAtOnce) {
  auto small = options();
  small.queue_limit = 0;
  auto opened = Journal::open(small);
  ASSERT_TRUE(opened);
  journal_ = std::move(*opened);
  const auto refused = add(job(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::overloaded);
}

// The process is killed by -9 in the middle of its writing: whatever was told committed is there.
TEST_F(JournalTest, WhatWasToldCommittedSurvivesKill9) {
  journal_.reset();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    boost::asio::io_context io;
    auto inner = options();
    inner.executor = io.get_executor();
    auto journal = Journal::open(inner);
    if (!journal) ::_exit(1);
    auto work = boost::asio::make_work_guard(io);
    for (std::uint64_t number = 1;; ++number) {
      (*journal)->add(job(number), [&, number](const Result<void>& told) {
        if (told && ::write(pipe[1], &number, sizeof number) < 0) ::_exit(1);
      });
      io.poll();
    }
  }
  ::close(pipe[1]);
  std::uint64_t told = 0;
  std::uint64_t last = 0;
  while (told < 500 && ::read(pipe[0], &last, sizeof last) == sizeof last) ++told;
  ::kill(child, SIGKILL);
  while (::read(pipe[0], &last, sizeof last) == sizeof last) ++told;
  ::close(pipe[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  open();
  EXPECT_GE(journal_->unfinished()->size(), told);
  EXPECT_EQ(last, told) << "in order, none left out";
}

}  // namespace
}  // namespace hotwell::pool
