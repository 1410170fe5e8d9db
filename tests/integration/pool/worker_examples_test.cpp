// The example workers, each as the guide starts it.
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>

#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

struct Example {
  const char* name;
  WorkerKind kind;
  const char* runner;  ///< empty: the file is the program
  const char* file;
};

class WorkerExample : public testing::TestWithParam<Example> {
 protected:
  void SetUp() override {
    const std::string runner = GetParam().runner;
    if (!runner.empty() && std::system(("command -v " + runner + " >/dev/null").c_str()) != 0)
      GTEST_SKIP() << "there is no " << runner << " on this machine to run " << GetParam().file;
  }
  static PoolOptions options() {
    auto options = frames_options(1);
    const std::string runner = GetParam().runner;
    options.worker.kind = GetParam().kind;
    options.worker.name = "count";
    if (runner.empty())
      options.worker.argv = {program(GetParam().file)};
    else
      options.worker.argv = {runner, std::string{HOTWELL_SOURCE_DIR} + "/examples/workers/" + GetParam().file};
    return options;
  }
  [[nodiscard]] std::shared_ptr<const FileHandle> file_with(const std::string& text) const {
    const auto path = directory_.path() / "input";
    std::ofstream{path} << text;
    return std::make_shared<FileHandle>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }

 private:
  TemporaryDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Examples, WorkerExample,
                         testing::Values(Example{"Cpp", WorkerKind::frames, "", "hotwell-example-worker"},
                                         Example{"PythonFrames", WorkerKind::frames, "python3", "word_count_frames.py"},
                                         Example{"PythonLines", WorkerKind::lines, "python3", "word_count_lines.py"},
                                         Example{"NodeLines", WorkerKind::lines, "node", "word_count_lines.js"},
                                         Example{"ShellLines", WorkerKind::lines, "sh", "word_count_lines.sh"}),
                         [](const auto& which) { return which.param.name; });

TEST_P(WorkerExample, CountsWarm) {
  WorkerPool pool{options()};
  const auto result = pool.execute({.operation = "count", .inputs = {file_with("two words\nand three more\n")}});
  ASSERT_TRUE(result) << to_string(result.error());
  EXPECT_EQ(result->text(), R"({"lines":2,"words":5,"bytes":25})");
  EXPECT_EQ(result->content_type, "application/json");
  const auto again = pool.execute({.operation = "count", .inputs = {file_with("")}});
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again->text(), R"({"lines":0,"words":0,"bytes":0})");
  EXPECT_EQ(again->worker, result->worker);
}

TEST_P(WorkerExample, SaysWhatItCannotDo) {
  WorkerPool pool{options()};
  const auto end = start(pool, {.operation = "count"}, {.retries = 0}).get();
  ASSERT_FALSE(end.result);
  EXPECT_TRUE(end.result.error().code == Code::failed || end.result.error().code == Code::invalid_argument)
      << to_string(end.result.error());
  EXPECT_TRUE(pool.execute({.operation = "count", .inputs = {file_with("x")}}));
}

}  // namespace
}  // namespace hotwell::test
