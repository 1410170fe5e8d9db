// [[operation]] tables of every kind, from the configuration's text to the result in the cache.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <hotwell/engine.hpp>

#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

class WorkerKinds : public ::testing::Test {
 protected:
  WorkerKinds() {
    std::filesystem::create_directories(root_);
    write_old(root_ / "notes.txt", "two words\nand three more\n");
  }

  // A file whose last change lies back, so that its results are kept.
  static void write_old(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path) << text;
    const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ::utimensat(AT_FDCWD, path.c_str(), long_ago, 0);
  }

  [[nodiscard]] std::unique_ptr<Engine> open(const std::string& operations) const {
    auto config = parse_config(operations, "operations.toml");
    EXPECT_TRUE(config) << to_string(config.error());
    config->data_dir = dir_.path() / "data";
    config->media_roots = {root_};
    config->media = false;
    config->pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
    config->monitor.enabled = false;
    auto engine = Engine::open(*config);
    EXPECT_TRUE(engine) << to_string(engine.error());
    return engine ? std::move(*engine) : nullptr;
  }

  static std::string count(Engine& engine, const std::string& operation) {
    const auto job = engine.run({.operation = operation, .input = parse_input("notes.txt")});
    if (!job || !job->result) return job ? to_string(*job->error) : to_string(job.error());
    return job->result->content_type + " " + std::string{engine.result(job->id)->bytes().text()};
  }

  test::TempDir dir_;
  const std::filesystem::path root_ = dir_.path() / "root";
};

TEST_F(WorkerKinds, CommandLinesAndFramesGiveTheSameResult) {
  const std::string examples = std::string{HOTWELL_SOURCE_DIR} + "/examples/workers/";
  const auto engine = open(R"(
[[operation]]
name = "command"
argv = ["sh", "-c", "wc -lwc | sed 's/^ *\\([0-9]*\\) *\\([0-9]*\\) *\\([0-9]*\\)$/{\"lines\":\\1,\"words\":\\2,\"bytes\":\\3}/' | tr -d '\\n'"]
stdin = "input"
content_type = "application/json"
[[operation]]
name = "lines"
kind = "lines"
argv = ["python3", ")" + examples +
                           R"(word_count_lines.py"]
[[operation]]
name = "count"
kind = "frames"
argv = [")" HOTWELL_BIN_DIR R"(/hotwell-example-worker"]
sandbox = true
memory_limit = "64MiB"
from_template = true
)");
  ASSERT_TRUE(engine);
  for (const char* operation : {"command", "lines", "count", "count"})
    EXPECT_EQ(count(*engine, operation), R"(application/json {"lines":2,"words":5,"bytes":25})") << operation;
}

// A picture of a hundred kilobytes that is a hundred megabytes once it is decoded, beside one that is small.
TEST_F(WorkerKinds, ADecompressionBombEndsAloneInItsSandbox) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps a worker's memory from being limited, and ends it in its own way";
#endif
  const std::string paint = R"(
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for name, side in (("bomb.png", 9900), ("small.png", 100)):
    rows = zlib.compress(bytes((side + 1) * side), 1)
    with open(sys.argv[1] + "/" + name, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
                   + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
)";
  std::ofstream(dir_.path() / "paint.py") << paint;
  ASSERT_EQ(std::system(("python3 " + (dir_.path() / "paint.py").string() + " " + root_.string()).c_str()), 0);
  Config config;
  config.data_dir = dir_.path() / "data";
  config.media_roots = {root_};
  config.media_memory_limit = Bytes{64 << 20};
  config.pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
  config.pool.max_workers = 2;
  config.pool.retries = 0;
  config.monitor.enabled = false;
  auto engine = Engine::open(config);
  ASSERT_TRUE(engine) << to_string(engine.error());
  const auto thumbnail = [&](const char* picture) {
    const auto job = (*engine)->run({.operation = "thumbnail", .input = parse_input(picture)});
    return job ? job->error.value_or(Error{}) : job.error();
  };
  EXPECT_EQ(thumbnail("small.png"), Error{});
  EXPECT_EQ(thumbnail("bomb.png").code, Code::out_of_memory) << to_string(thumbnail("bomb.png"));
  EXPECT_EQ(thumbnail("small.png"), Error{});
}

TEST_F(WorkerKinds, AChangedScriptMakesNewResults) {
  const auto script = root_ / "worker.sh";
  const std::string table =
      "[[operation]]\nname = \"say\"\nkind = \"lines\"\nargv = [\"sh\", \"" + script.string() + "\"]\n";
  write_old(script, R"(while read -r line; do echo '{"type":"done","result":"before"}'; done)");
  EXPECT_EQ(count(*open(table), "say"), "application/octet-stream before");
  std::ofstream(script) << R"(while read -r line; do echo '{"type":"done","result":"after"}'; done)";
  EXPECT_EQ(count(*open(table), "say"), "application/octet-stream after");
}

}  // namespace
}  // namespace hotwell
