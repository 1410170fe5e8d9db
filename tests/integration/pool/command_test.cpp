// Any executable as an operation: argv templates, exit codes, output by pipe or by descriptor.
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>

#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

using testing::HasSubstr;

std::shared_ptr<const FileHandle> file_with(const TemporaryDirectory& directory, const std::string& text) {
  const auto path = directory.path() / "input";
  std::ofstream{path} << text;
  return std::make_shared<FileHandle>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

TEST(CommandPool, StandardInputAndOutputAreTheJobs) {
  TemporaryDirectory directory;
  auto options = command_options({"tr", "a-z", "A-Z"});
  options.worker.stdin_is_input = true;
  options.worker.content_type = "text/plain";
  WorkerPool pool{options};
  const auto input = file_with(directory, "notes");
  for (int i = 0; i < 2; ++i) {  // the same open file again, from its beginning
    auto result = pool.execute({.operation = "upper", .inputs = {input}});
    ASSERT_TRUE(result) << to_string(result.error());
    EXPECT_EQ(result->text(), "NOTES");
    EXPECT_EQ(result->content_type, "text/plain");
    EXPECT_EQ(result->size, 5U);
  }
}

TEST(CommandPool, PlaceholdersAreDescriptorsAndParameters) {
  TemporaryDirectory directory;
  WorkerPool pool{command_options({"sh", "-c", "cat \"$1\" > \"$2\"; printf '%s' \"$3\" >> \"$2\"; echo noise", "sh",
                                   "{input}", "{output}", "<{param.mark}>{x}"})};
  auto result =
      pool.execute({.operation = "copy", .inputs = {file_with(directory, "body")}, .params = {{"mark", "m"}}});
  ASSERT_TRUE(result) << to_string(result.error());
  EXPECT_EQ(result->text(), "body<m>{x}");
  const auto missing = pool.execute({.operation = "copy", .inputs = {file_with(directory, "")}});
  EXPECT_EQ(missing.error().message, "this operation needs the parameter \"mark\"");
  EXPECT_EQ(pool.execute({.operation = "copy", .params = {{"mark", "m"}}}).error().code, Code::invalid_argument);
}

TEST(CommandPool, WithoutAnInputStandardInputIsEmpty) {
  WorkerPool pool{command_options({"cat"})};
  EXPECT_EQ(pool.execute({.operation = "cat"}).value().size, 0U);
}

TEST(CommandPool, ALongOutputComesWhole) {
  WorkerPool pool{command_options({"head", "-c", "5000000", "/dev/zero"})};
  const auto result = pool.execute({.operation = "zeros"}).value();
  EXPECT_EQ(result.size, 5'000'000U);
  EXPECT_EQ(result.body.size(), 5'000'000U);
}

TEST(CommandPool, ExitCodesSayWhetherToTryAgain) {
  auto options = command_options({"sh", "-c", "echo why >&2; exit {param.code}"});
  options.worker.permanent_exit_codes = {2};
  WorkerPool pool{options};
  auto end = start(pool, {.operation = "exit", .params = {{"code", "2"}}}, {.retries = 3}).get();
  EXPECT_EQ(end.result.error(), (Error{Code::failed, "sh exited with status 2: why"}));
  EXPECT_EQ(end.attempts, 1U);
  EXPECT_EQ(end.stderr_tail, "why\n");
  end = start(pool, {.operation = "exit", .params = {{"code", "1"}}}, {.retries = 2}).get();
  EXPECT_EQ(end.result.error().code, Code::io);
  EXPECT_EQ(end.attempts, 3U);
  EXPECT_TRUE(end.dead);
  EXPECT_EQ(end.stderr_tail, "why\n");
}

TEST(CommandPool, ASignalIsACrash) {
  WorkerPool pool{command_options({"sh", "-c", "kill -9 $$"})};
  const auto end = start(pool, {.operation = "die"}, {.retries = 9}).get();
  EXPECT_EQ(end.result.error(), (Error{Code::crashed, "sh was killed by signal 9 (Killed)"}));
  EXPECT_EQ(end.attempts, 3U);
}

TEST(CommandPool, AMissingProgramIsAReadablePermanentError) {
  WorkerPool pool{command_options({"no-such-program-anywhere"})};
  const auto end = start(pool, {.operation = "x"}, {.retries = 3}).get();
  EXPECT_EQ(end.result.error().message,
            "worker \"command\" cannot be started: no-such-program-anywhere: No such file or directory");
  EXPECT_EQ(end.attempts, 1U);
}

TEST(CommandPool, ATimeoutKillsTheTreeThatIgnoresTerm) {
  HeldPipe pipe;
  auto options = command_options(
      {"sh", "-c", "trap '' TERM; (setsid sh -c 'trap \"\" TERM; exec tail -f /dev/null' & ); exec tail -f {input}"});
  WorkerPool pool{options};
  Job job{.operation = "x", .inputs = {pipe.write}};
  pipe.write.reset();
  const auto end = start(pool, std::move(job), {.retries = 0, .timeout = 200ms}).get();
  EXPECT_EQ(end.result.error().code, Code::timeout);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms));
}

TEST(CommandPool, CancelAsksFirst) {
  TemporaryDirectory directory;
  const auto mark = directory.path() / "asked";
  auto options = command_options(
      {"sh", "-c", "trap 'echo yes > {param.mark}; exit 0' TERM; echo up; while :; do sleep 1 & wait; done"});
  options.kill_grace = hang_limit;
  WorkerPool pool{options};
  class Up final : public Sink {
   public:
    explicit Up(std::shared_ptr<std::promise<void>> up) : up_(std::move(up)) {}
    int fd() const override { return file_.get(); }
    Result<void> write(ByteView) override { return {}; }
    Result<void> advance(std::uint64_t) override {
      up_->set_value();
      return {};
    }
    void set_content_type(std::string) override {}
    Result<void> seal(std::uint64_t) override { return {}; }
    void abandon(Error) override {}

   private:
    FileHandle file_ = host::memory_file("sink").value();
    std::shared_ptr<std::promise<void>> up_;
  };
  auto up = std::make_shared<std::promise<void>>();
  auto job = start(pool, {.operation = "x", .params = {{"mark", mark.string()}}},
                   {.sink = [up](unsigned) -> Result<std::unique_ptr<Sink>> { return std::make_unique<Up>(up); }});
  ASSERT_EQ(up->get_future().wait_for(hang_limit), std::future_status::ready);
  EXPECT_TRUE(pool.cancel(job.id));
  EXPECT_EQ(job.get().result.error().code, Code::cancelled);
  EXPECT_TRUE(std::filesystem::exists(mark));
}

TEST(CommandPool, SeveralTypesShareOneMaximum) {
  auto options = frames_options(1, 1);
  options.more_workers = {
      {.kind = WorkerKind::command, .argv = {"printf", "%s", "printed"}, .name = "print", .operations = {"print"}}};
  WorkerPool pool{options};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pool.execute({.operation = "print"}).value().text(), "printed");
    EXPECT_EQ(pool.execute({.operation = "echo", .payload = "echoed"}).value().text(), "echoed");
  }
}

}  // namespace
}  // namespace hotwell::test
