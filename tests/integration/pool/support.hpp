/// What the pool's integration tests share.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <hotwell/pool.hpp>

#include "host/fd.hpp"

namespace hotwell::test {

using namespace std::chrono_literals;

/// Nothing in these tests takes this long unless it hangs.
inline constexpr std::chrono::seconds hang_limit{10};

inline std::string program(const std::string& name) { return std::string{HOTWELL_BIN_DIR} + "/" + name; }

inline PoolOptions frames_options(unsigned max = 2, unsigned min = 0) {
  return {.worker = {.kind = WorkerKind::frames, .argv = {program("hotwell-test-worker")}, .name = "test"},
          .min_workers = min,
          .max_workers = max,
          .backoff = 1ms,
          .kill_grace = 100ms,
          .spawner = program("hotwell-spawner")};
}

inline PoolOptions command_options(std::vector<std::string> argv) {
  return {.worker = {.kind = WorkerKind::command, .argv = std::move(argv), .name = "command"},
          .min_workers = 0,
          .max_workers = 2,
          .backoff = 1ms,
          .kill_grace = 100ms,
          .spawner = program("hotwell-spawner")};
}

/// A job under way.
struct Started {
  std::string id;
  std::future<JobEnd> end;

  [[nodiscard]] JobEnd get() {
    if (end.wait_for(hang_limit) != std::future_status::ready) {
      ADD_FAILURE() << "job " << id << " hangs";
      std::abort();
    }
    return end.get();
  }
};

inline Started start(WorkerPool& pool, Job job, JobOptions options = {}) {
  auto promise = std::make_shared<std::promise<JobEnd>>();
  Started started{.end = promise->get_future()};
  started.id =
      pool.start(std::move(job), std::move(options), [promise](JobEnd end) { promise->set_value(std::move(end)); });
  return started;
}

/// True once every holder of the pipe's other end is gone; at once with `limit` 0.
inline bool ends(int pipe, std::chrono::milliseconds limit = hang_limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready{pipe, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(std::max<long>(left.count(), 0))) <= 0) return false;
    char bytes[256];
    if (::read(pipe, bytes, sizeof bytes) == 0) return true;
  }
}

/// A pipe whose write end a job holds open as its input.
struct HeldPipe {
  FileHandle read;
  std::shared_ptr<const FileHandle> write;

  HeldPipe() {
    auto pipe = host::make_pipe().value();
    read = std::move(pipe.read);
    write = std::make_shared<FileHandle>(std::move(pipe.write));
  }
};

/// A fresh directory, removed with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hotwell-pool-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// For its scope, workers are contained as this machine allows (""), or as for one that allows no PID namespaces:
/// "best-effort" with a control group where there may be one, "rescan" without.
class Containment {
 public:
  explicit Containment(const std::string& wish) {
    if (!wish.empty()) ::setenv("HOTWELL_CONTAINMENT", wish.c_str(), 1);
  }
  ~Containment() { ::unsetenv("HOTWELL_CONTAINMENT"); }
  Containment(const Containment&) = delete;
  Containment& operator=(const Containment&) = delete;
};

}  // namespace hotwell::test
