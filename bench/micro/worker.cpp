// A frames worker that does next to nothing, so that what is left is the way there and back.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hotwell/worker.hpp>

namespace {

using hotwell::fail;
using hotwell::Result;
using hotwell::worker::Reply;
using hotwell::worker::Task;

Reply number(long long value) { return Reply::inline_text("text/plain", std::to_string(value)); }

Result<Reply> noop(Task&) { return Reply::inline_text("text/plain", "ok"); }

/// The input's bytes as the result: read from one descriptor, written to the other.
Result<Reply> copy(Task& task) {
  const auto size = ::lseek(task.input(0), 0, SEEK_END);
  if (size <= 0) return fail(hotwell::Code::corrupt_input, "the input is empty");
  const auto length = static_cast<std::size_t>(size);
  void* bytes = ::mmap(nullptr, length, PROT_READ, MAP_SHARED | MAP_POPULATE, task.input(0), 0);
  if (bytes == MAP_FAILED) return hotwell::system_fail(errno, "mapping the input");
  const auto written = ::pwrite(task.output(), bytes, length, 0);
  ::munmap(bytes, length);
  if (written != size) return hotwell::system_fail(errno, "writing the result");
  return Reply::written("application/octet-stream", length);
}

/// Nanoseconds of processor time that this process has used.
Result<Reply> processor_time(Task&) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto nanoseconds = [](const timeval& time) { return time.tv_sec * 1'000'000'000LL + time.tv_usec * 1'000LL; };
  return number(nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime));
}

/// Bytes that no other process shares.
Result<Reply> private_memory(Task&) {
  std::ifstream file{"/proc/self/smaps_rollup"};
  long long kibibytes = 0;
  for (std::string word; file >> word;) {
    long long value = 0;
    if ((word == "Private_Clean:" || word == "Private_Dirty:") && file >> value) kibibytes += value;
  }
  if (kibibytes == 0) return fail(hotwell::Code::io, "/proc/self/smaps_rollup cannot be read");
  return number(kibibytes * 1024);
}

std::chrono::microseconds asked(const Task& task) {
  return std::chrono::microseconds{std::strtol(std::string{task.payload()}.c_str(), nullptr, 10)};
}

Result<Reply> rest(Task& task) {
  std::this_thread::sleep_for(asked(task));
  return Reply{};
}

Result<Reply> die(Task&) {
  std::raise(SIGKILL);
  return fail(hotwell::Code::internal, "SIGKILL does not kill");
}

/// A negative time kills.
Result<Reply> busy(Task& task) {
  if (asked(task).count() < 0) return die(task);
  const auto until = std::chrono::steady_clock::now() + asked(task);
  while (std::chrono::steady_clock::now() < until) {
  }
  return Reply{};
}

/// Where the file that the payload names is empty: writes there when it dies, in seconds of the steady clock.
Result<Reply> die_once(Task& task) {
  const hotwell::FileHandle file{::open(std::string{task.payload()}.c_str(), O_RDWR)};
  if (::lseek(file.get(), 0, SEEK_END) > 0) return Reply{};
  const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (::write(file.get(), &now, sizeof now) < 0) return hotwell::system_fail(errno, "writing the time");
  return die(task);
}

}  // namespace

int main() {
  return hotwell::worker::serve({{"noop", noop},
                                 {"copy", copy},
                                 {"rest", rest},
                                 {"busy", busy},
                                 {"die_once", die_once},
                                 {"processor_time", processor_time},
                                 {"private_memory", private_memory}});
}
