// Workers that confine themselves, and try to break out.
#include <gmock/gmock.h>

#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

using testing::HasSubstr;

PoolOptions confined_options(std::vector<std::string> arguments = {}) {
  auto options = frames_options();
  options.worker.argv = {program("hotwell-test-confined")};
  options.worker.argv.insert(options.worker.argv.end(), arguments.begin(), arguments.end());
  return options;
}

std::string try_to(WorkerPool& pool, std::string operation, std::string payload = {}) {
  const auto result = pool.execute({.operation = std::move(operation), .payload = std::move(payload)}, {.retries = 0});
  return result ? std::string{result->text()} : to_string(result.error());
}

class Confined : public testing::TestWithParam<bool> {
 protected:
  Confined() { options_.worker.from_template = GetParam(); }
  PoolOptions options_ = confined_options();
};
INSTANTIATE_TEST_SUITE_P(Sandbox, Confined, testing::Bool(),
                         [](const auto& which) { return which.param ? "ForkedFromATemplate" : "Executed"; });

TEST_P(Confined, OpensNothingReachesNobodyStartsNothing) {
  TemporaryDirectory directory;
  WorkerPool pool{options_};
  const std::string pid = try_to(pool, "pid");
  EXPECT_EQ(try_to(pool, "open", "/etc/passwd"), "EPERM");
  EXPECT_EQ(try_to(pool, "make", (directory.path() / "made").string()), "EPERM");
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "made"));
  EXPECT_EQ(try_to(pool, "connect"), "EPERM");
  EXPECT_EQ(try_to(pool, "exec"), "EPERM");
  EXPECT_EQ(try_to(pool, "fork"), "EPERM");
  EXPECT_EQ(try_to(pool, "signal"), "EPERM");
  EXPECT_EQ(try_to(pool, "unshare"), "EPERM");
  EXPECT_EQ(try_to(pool, "code"), "EPERM");
  EXPECT_EQ(try_to(pool, "raise"), "EPERM");
  EXPECT_EQ(try_to(pool, "pid"), pid) << "one of them cost the worker its life";
}

TEST_P(Confined, ComputesOnThreadsAndWritesItsOutput) {
  WorkerPool pool{options_};
  EXPECT_EQ(try_to(pool, "threads"), "1498500");
  EXPECT_EQ(try_to(pool, "write_far", "100"), "done");
}

TEST_P(Confined, MemoryFilesAndDescriptorsAreBounded) {
  WorkerPool pool{options_};
  EXPECT_EQ(try_to(pool, "allocate", std::to_string(16 << 20)), "done");
  EXPECT_EQ(try_to(pool, "allocate", std::to_string(300 << 20)), "ENOMEM");
  EXPECT_EQ(try_to(pool, "write_far", std::to_string(1 << 20)), "EFBIG");
  EXPECT_EQ(try_to(pool, "open_many"), "EMFILE");
}

TEST_P(Confined, AMemoryHogIsAloneWithItsError) {
  WorkerPool pool{options_};
  const auto end =
      start(pool, {.operation = "allocate_carelessly", .payload = std::to_string(1ULL << 30)}, {.retries = 0}).get();
  EXPECT_EQ(end.result.error().code, Code::out_of_memory);
  EXPECT_EQ(try_to(pool, "allocate", std::to_string(16 << 20)), "done");
}

TEST_P(Confined, ProcessorTimeIsBounded) {
  WorkerPool pool{options_};
  const auto end = start(pool, {.operation = "spin"}, {.retries = 0}).get();
  EXPECT_EQ(end.result.error().code, Code::crashed);
}

TEST_P(Confined, StillDiesOfItsOwnFaults) {
  WorkerPool pool{options_};
  const auto end = start(pool, {.operation = "abort"}, {.retries = 0}).get();
  EXPECT_EQ(end.result.error().code, Code::crashed);
  EXPECT_THAT(end.result.error().message, HasSubstr("signal 6 (Aborted)"));
}

TEST(Sandbox, ThePoolsWordGoesBeforeTheProgramsOwn) {
  auto options = confined_options();
  options.worker.sandbox = false;
  {
    WorkerPool pool{options};
    EXPECT_EQ(try_to(pool, "open", "/dev/null"), "done");
    EXPECT_EQ(try_to(pool, "fork"), "done");
  }
  options = confined_options({"open"});
  {
    WorkerPool pool{options};
    EXPECT_EQ(try_to(pool, "open", "/dev/null"), "done");
  }
  options.worker.sandbox = true;
  options.worker.memory_limit = Bytes{128 << 20};
  WorkerPool pool{options};
  EXPECT_EQ(try_to(pool, "open", "/dev/null"), "EPERM");
  EXPECT_EQ(try_to(pool, "allocate", std::to_string(200 << 20)), "ENOMEM");
}

TEST(Sandbox, ACommandsMemoryIsBoundedToo) {
  auto options = command_options({"sh", "-c", "head -c 100M /dev/zero | tail -c 100M"});
  options.worker.memory_limit = Bytes{32 << 20};
  WorkerPool pool{options};
  const auto end = start(pool, {.operation = "hog"}, {.retries = 0}).get();
  ASSERT_FALSE(end.result);
  EXPECT_THAT(end.stderr_tail, HasSubstr("memory exhausted"));
}

}  // namespace
}  // namespace hotwell::test
