// Every kind of worker under one maximum; what stops an attempt; workers that wear out; coming to rest. This program is
// its own worker in C++.
#include <cctype>
#include <filesystem>
#include <iostream>
#include <set>

#include <unistd.h>

#include <hotwell/pool.hpp>
#include <hotwell/worker.hpp>

using namespace std::chrono_literals;
using namespace hotwell::literals;

namespace {

using hotwell::worker::Reply;
using hotwell::worker::Task;

hotwell::Result<Reply> shout(Task& task) {
  std::string text{task.payload()};
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return Reply::inline_text("text/plain", std::move(text));
}

/// Hangs, and says nothing.
hotwell::Result<Reply> stall(Task&) {
  for (;;) ::pause();
}

constexpr const char* greeter = R"sh(while read -r line; do echo '{"type":"done","result":"hello"}'; done)sh";

}  // namespace

int main(int argc, char**) {
  if (argc > 1) return hotwell::worker::serve({{"shout", shout}, {"stall", stall}});
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");

  hotwell::WorkerPool pool{{.worker = {.kind = hotwell::WorkerKind::frames,
                                       .argv = {self, "work"},
                                       .name = "texts",
                                       .operations = {"shout", "stall"}},
                            .min_workers = 1,
                            .max_workers = 4,
                            .more_workers = {{.kind = hotwell::WorkerKind::lines,
                                              .argv = {"sh", "-c", greeter},
                                              .name = "greeter",
                                              .operations = {"greet"}},
                                             {.kind = hotwell::WorkerKind::command,
                                              .argv = {"seq", "{param.last}"},
                                              .name = "count",
                                              .operations = {"count"}}},
                            .recycle = {.jobs = 2, .growth = 64_MiB, .age = 1h}}};

  std::cout << pool.execute({.operation = "shout", .payload = "frames"}).value().text() << '\n';
  std::cout << pool.execute({.operation = "greet"}).value().text() << '\n';
  std::cout << pool.execute({.operation = "count", .params = {{"last", "3"}}}).value().text();

  auto stalled = pool.execute({.operation = "stall"}, {.retries = 0, .timeout = 5min, .no_progress = 100ms});
  std::cout << to_string(stalled.error()) << '\n';

  std::set<std::string> workers;
  for (int i = 0; i < 10; ++i) workers.insert(pool.execute({.operation = "shout"}).value().worker);
  std::cout << (workers.size() > 1 ? "worn workers were replaced\n" : "one worker did it all\n");

  auto rested = pool.drain(30s);
  auto refused = pool.execute({.operation = "greet"});
  std::cout << (rested ? "at rest" : to_string(rested.error())) << "; " << to_string(refused.error()) << '\n';
}
