/// How one object is read from a file: by pread on the asking thread, by a thread of a pool, through an io_uring. What
/// docs/decisions/reads-by-pread.md was decided by.
///
///   hotwell-bench-disk-reads DIRECTORY     prints one JSON object: medians in seconds, cases in turns
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t file_size = 256 << 20;
constexpr std::size_t page = 4096;

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

/// One thread that does what it is given; the asker sleeps until it is done.
class Pool {
 public:
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    given_.notify_one();
    thread_.join();
  }
  void run(const std::function<void()>& work) {
    std::unique_lock lock(mutex_);
    work_ = &work;
    given_.notify_one();
    done_.wait(lock, [&] { return work_ == nullptr; });
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      given_.wait(lock, [&] { return work_ != nullptr || ending_; });
      if (ending_) return;
      (*work_)();
      work_ = nullptr;
      done_.notify_one();
    }
  }
  std::mutex mutex_;
  std::condition_variable given_;
  std::condition_variable done_;
  const std::function<void()>* work_ = nullptr;
  bool ending_ = false;
  std::thread thread_{[this] { serve(); }};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path directory = argv[1];
  std::filesystem::create_directories(directory);
  const auto path = directory / "reads";
  auto* buffer = static_cast<char*>(std::aligned_alloc(page, 1 << 20));
  {
    const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    for (std::size_t at = 0; at < file_size; at += 1 << 20) require(::write(fd, buffer, 1 << 20) == 1 << 20, "write");
    require(::fsync(fd) == 0, "fsync");
    ::close(fd);
  }
  const int cached = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int direct = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  require(cached >= 0 && direct >= 0, "open");
  io_uring ring{};
  require(io_uring_queue_init(64, &ring, 0) == 0, "io_uring");
  Pool pool;

  const auto by_pread = [&](int fd, std::size_t size, std::size_t at) {
    require(::pread(fd, buffer, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size), "pread");
  };
  const auto by_ring = [&](int fd, std::size_t size, std::size_t at) {
    auto* entry = io_uring_get_sqe(&ring);
    io_uring_prep_read(entry, fd, buffer, static_cast<unsigned>(size), at);
    io_uring_submit_and_wait(&ring, 1);
    io_uring_cqe* done = nullptr;
    require(io_uring_peek_cqe(&ring, &done) == 0 && done->res == static_cast<int>(size), "io_uring read");
    io_uring_cqe_seen(&ring, done);
  };
  struct Case {
    std::string name;
    std::function<void(std::size_t)> read;
    std::vector<double> took;
  };
  std::vector<Case> cases;
  for (const auto& [where, fd] : {std::pair{"resident", cached}, std::pair{"direct", direct}})
    for (const std::size_t size : {page, std::size_t{64} << 10}) {
      const auto name = fmt::format("{}_{}", where, size);
      cases.push_back({name + "_pread", [&, fd = fd, size](std::size_t at) { by_pread(fd, size, at); }, {}});
      cases.push_back({name + "_io_uring", [&, fd = fd, size](std::size_t at) { by_ring(fd, size, at); }, {}});
      cases.push_back(
          {name + "_pool", [&, fd = fd, size](std::size_t at) { pool.run([&] { by_pread(fd, size, at); }); }, {}});
    }
  std::mt19937_64 random(1);
  for (int round = 0; round < 400; ++round)
    for (auto& one : cases)
      for (int i = 0; i < 5; ++i) {
        const auto at = random() % (file_size / (1 << 16)) * (1 << 16);
        const auto begin = Clock::now();
        one.read(at);
        one.took.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
      }
  std::string json;
  for (auto& one : cases) {
    std::nth_element(one.took.begin(), one.took.begin() + static_cast<std::ptrdiff_t>(one.took.size() / 2),
                     one.took.end());
    json += fmt::format("{}\"{}\":{:.3g}", json.empty() ? "" : ",", one.name, one.took[one.took.size() / 2]);
  }
  fmt::print("{{{}}}\n", json);
  io_uring_queue_exit(&ring);
  std::filesystem::remove(path);
}
