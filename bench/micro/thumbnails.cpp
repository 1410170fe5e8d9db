/// Thumbnails through the durable queue, beside the same worker program kept warm and fed by xargs; and what a new
/// media worker's first one costs.
///
///   hotwell-bench-thumbnails queue CLIP SECONDS COUNT      all of them as jobs of an engine, two workers: its JSON
///   hotwell-bench-thumbnails worker CLIP DIRECTORY AT...   what xargs runs: one warm worker does these, one by one
///   hotwell-bench-thumbnails first CLIP SECONDS            by new workers and by a warm one, taking turns: its JSON
///
/// `queue` and `worker` print "FROM TO", seconds of the steady clock: from the first job handed over to the last end,
/// their workers being up before.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <hotwell/engine.hpp>

#include "host/fd.hpp"
#include "host/process.hpp"
#include "host/programs.hpp"
#include "wire/frames.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int width = 320;
constexpr int turns = 60;

[[noreturn]] void give_up(const std::string& what) {
  std::cerr << "hotwell-bench-thumbnails: " << what << '\n';
  std::exit(1);
}

template <class T>
T need(hotwell::Result<T> result) {
  if (!result) give_up(hotwell::to_string(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }
double now() { return seconds(Clock::now().time_since_epoch()); }

std::string media_worker() {
  return need(hotwell::host::find_program("hotwell-media-worker", "", "HOTWELL_MEDIA_WORKER"));
}

std::string params(const std::string& at) {
  return fmt::format(R"({{"at":{},"fit":"contain","format":"jpeg","height":0,"quality":85,"width":{}}})", at, width);
}

hotwell::FileHandle open_clip(const char* clip) {
  hotwell::FileHandle file{::open(clip, O_RDONLY | O_CLOEXEC)};
  if (!file) give_up(fmt::format("{} cannot be opened", clip));
  return file;
}

// ---- the engine's ------------------------------------------------------------------------------------------------

int queue(const std::filesystem::path& clip, double length, int count) {
  std::string folder = (std::filesystem::temp_directory_path() / "hotwell-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) give_up("no temporary directory");
  {
    hotwell::Config config;
    config.data_dir = folder;
    config.media_roots = {clip.parent_path()};
    config.monitor.enabled = false;
    config.pool.min_workers = config.pool.max_workers = 2;
    hotwell::Engine engine{config};
    std::mutex mutex;
    std::condition_variable changed;
    int ended = 0;
    const auto submit = [&](double at) {
      hotwell::JobRequest request{.operation = "thumbnail",
                                  .input = hotwell::parse_input(clip.filename().string()),
                                  .params = {{"at", at}, {"width", double{width}}},
                                  .durability = hotwell::Durability::process};
      engine.submit(std::move(request), [&](hotwell::Result<hotwell::JobRecord> accepted) {
        engine.wait(need(std::move(accepted)).id, std::chrono::hours{1}, [&](hotwell::Result<hotwell::JobRecord> job) {
          if (need(std::move(job)).state != hotwell::JobState::completed) give_up("a job did not complete");
          const std::lock_guard lock(mutex);
          ++ended;
          changed.notify_one();
        });
      });
    };
    const auto wait_for = [&](int jobs) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return ended >= jobs; });
    };
    for (int i = 0; i < 2; ++i) submit(length * 0.99 + 0.001 * i);  // both workers are up
    wait_for(2);
    const double began = now();
    for (int i = 0; i < count; ++i) submit(length * i / count);
    wait_for(count + 2);
    fmt::print("{:.6f} {:.6f}\n", began, now());
  }
  std::filesystem::remove_all(folder);
  return 0;
}

// ---- xargs's -----------------------------------------------------------------------------------------------------

/// One warm worker, spoken to as the pool does.
class Worker {
 public:
  Worker() {
    auto pair = need(hotwell::host::seqpacket_pair());
    auto null = need(hotwell::host::open_null());
    const std::string program = media_worker();
    process_ = need(hotwell::host::launch(
        {.program = program,
         .argv = {program},
         .env = {},
         .descriptors = {
             {null.get(), 0}, {null.get(), 1}, {2, 2}, {pair.second.get(), hotwell::wire::worker_descriptor}}}));
    socket_ = std::move(pair.first);
    (void)std::get<hotwell::wire::Hello>(receive());
  }
  void thumbnail(const char* clip, const std::string& at, const std::filesystem::path& to) {
    const auto input = open_clip(clip);
    const hotwell::FileHandle output{::open(to.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (!output) give_up(fmt::format("{} cannot be made", to.string()));
    const std::string payload = params(at);
    hotwell::wire::encode(hotwell::wire::JobMessage{.ref = {++jobs_, 1},
                                                    .has_output = true,
                                                    .inputs = 1,
                                                    .operation = "thumbnail",
                                                    .input_identity = clip,
                                                    .payload = payload},
                          out_);
    const int descriptors[] = {output.get(), input.get()};
    need(hotwell::host::send_datagram(socket_.get(), out_, descriptors));
    for (;;) {
      const auto message = receive();
      if (const auto* failed = std::get_if<hotwell::wire::Failed>(&message)) give_up(std::string{failed->message});
      if (std::holds_alternative<hotwell::wire::Done>(message)) return;
    }
  }

 private:
  hotwell::wire::Message receive() {
    const auto datagram = need(hotwell::host::receive_datagram(socket_.get(), buffer_));
    if (datagram.bytes.data() == nullptr) give_up("the worker ended");
    return need(hotwell::wire::decode(datagram.bytes));
  }

  hotwell::host::Launched process_;
  hotwell::FileHandle socket_;
  std::vector<char> buffer_ = std::vector<char>(hotwell::wire::frame_limit);
  std::string out_;
  std::uint64_t jobs_ = 0;
};

int worker(const char* clip, const std::filesystem::path& directory, char** at, int count) {
  Worker warm;
  warm.thumbnail(clip, at[0], directory / "warm.jpg");
  const double began = now();
  for (int i = 0; i < count; ++i) warm.thumbnail(clip, at[i], directory / fmt::format("{}.jpg", at[i]));
  fmt::print("{:.6f} {:.6f}\n", began, now());
  return 0;
}

// ---- new workers -------------------------------------------------------------------------------------------------

int first(const char* clip, double length) {
  const auto pool_with = [](bool reuse) {
    hotwell::PoolOptions options;
    options.worker = {.kind = hotwell::WorkerKind::frames, .argv = {media_worker()}, .name = "media"};
    options.worker.sandbox = true;
    options.worker.from_template = true;
    options.min_workers = reuse ? 1 : 0;
    options.max_workers = 2;  // the next one need not wait until the last one is gone
    options.reuse_workers = reuse;
    return need(hotwell::WorkerPool::open(std::move(options)));
  };
  const auto fresh = pool_with(false), warm = pool_with(true);
  const auto input = std::make_shared<const hotwell::FileHandle>(open_clip(clip));
  const auto took = [&](hotwell::WorkerPool& pool, int turn) {
    // Another identity each time: what a warm worker has open already would be another saving.
    hotwell::Job job{.operation = "thumbnail", .payload = params(fmt::format("{:.3f}", length * turn / turns))};
    job.inputs.push_back(input);
    job.input_identity = std::to_string(turn);
    const auto began = Clock::now();
    (void)need(pool.execute(std::move(job)));
    return seconds(Clock::now() - began);
  };
  std::vector<double> by_new, by_warm, more;
  for (int turn = -2; turn < turns; ++turn) {
    const double a = took(*fresh, std::max(turn, 0)), b = took(*warm, std::max(turn, 0));
    if (turn < 0) continue;  // the template is up, the clip in the page cache
    by_new.push_back(a);
    by_warm.push_back(b);
    more.push_back(a - b);
  }
  const auto quantile = [](std::vector<double>& values, std::size_t percent) {
    std::ranges::sort(values);
    return values[std::min(values.size() - 1, values.size() * percent / 100)];
  };
  std::cout << boost::json::object{{"new", quantile(by_new, 50)},
                                   {"warm", quantile(by_warm, 50)},
                                   {"more", quantile(more, 50)},
                                   {"more_p25", quantile(more, 25)},
                                   {"more_p75", quantile(more, 75)}}
            << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "queue" && argc == 5) return queue(argv[2], std::strtod(argv[3], nullptr), std::atoi(argv[4]));
  if (what == "worker" && argc > 4) return worker(argv[2], argv[3], argv + 4, argc - 4);
  if (what == "first" && argc == 4) return first(argv[2], std::strtod(argv[3], nullptr));
  give_up("queue CLIP SECONDS COUNT, worker CLIP DIRECTORY AT... or first CLIP SECONDS");
}
