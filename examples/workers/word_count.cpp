// A frames worker in C++: counts the lines, words and bytes of the file that it is handed. Once it serves jobs it can
// open no file, reach no network and start no process: all that it needs is the descriptor.
#include <array>
#include <cctype>
#include <cerrno>
#include <string>
#include <string_view>

#include <unistd.h>

#include <hotwell/worker.hpp>

namespace {

using hotwell::Result;
using hotwell::worker::Reply;
using hotwell::worker::Task;

Result<Reply> count(Task& task) {
  if (task.input_count() != 1) return hotwell::fail(hotwell::Code::invalid_argument, "count wants one input");
  std::array<char, 1 << 16> piece{};
  std::size_t lines = 0, words = 0, bytes = 0;
  bool in_word = false;
  for (;;) {
    if (task.cancelled()) return hotwell::fail(hotwell::Code::cancelled, "stopped as asked");
    const ssize_t size = ::read(task.input(0), piece.data(), piece.size());
    if (size < 0) return hotwell::system_fail(errno, "reading the input");
    if (size == 0) break;
    bytes += static_cast<std::size_t>(size);
    for (const char c : std::string_view{piece.data(), static_cast<std::size_t>(size)}) {
      const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
      if (c == '\n') ++lines;
      if (!space && !in_word) ++words;
      in_word = !space;
    }
  }
  return Reply::inline_text("application/json", R"({"lines":)" + std::to_string(lines) + R"(,"words":)" +
                                                    std::to_string(words) + R"(,"bytes":)" + std::to_string(bytes) +
                                                    "}");
}

}  // namespace

int main() { return hotwell::worker::serve({{"count", count}}, {.sandbox = hotwell::worker::Sandbox{}}); }
