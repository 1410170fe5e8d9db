/// Write a worker in C++: a program that takes jobs over a socket, with files handed in as descriptors.
/// The protocol itself is documented in docs/formats/worker-protocol.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell::worker {

/// One attempt of one job as the worker sees it. Lives while its handler runs; one thread.
class Task {
 public:
  virtual ~Task() = default;
  [[nodiscard]] virtual std::string_view operation() const = 0;
  /// What the caller handed in, JSON by convention.
  [[nodiscard]] virtual std::string_view payload() const = 0;
  [[nodiscard]] virtual std::size_t input_count() const = 0;
  /// A descriptor opened for reading. Owned by the task: take it with `take_input` to keep it open.
  /// Precondition: index < input_count().
  [[nodiscard]] virtual int input(std::size_t index) const = 0;
  [[nodiscard]] virtual FileHandle take_input(std::size_t index) = 0;
  /// Equal, non-empty identities mean the same bytes, so a worker may keep what it opened for the next job.
  [[nodiscard]] virtual std::string_view input_identity() const = 0;
  /// A seekable descriptor opened for writing, at offset 0. Where nobody follows the job's output this is a file in
  /// memory that is made by the first call, so ask only when you are going to write; -1 where it cannot be made.
  [[nodiscard]] virtual int output() = 0;
  /// Output bytes [0, n) are final: followers may read them. n never falls.
  virtual void advance(std::uint64_t n) = 0;
  /// The output's type, for followers who are answered before the end; call it before the first advance.
  virtual void set_content_type(std::string_view content_type) = 0;
  /// 0..1; sent at most every 100 ms however often it is called. Counts as a sign of life.
  virtual void progress(double fraction) = 0;
  /// A sign of life where there is nothing else to say; sent at most every 100 ms.
  virtual void beat() {}
  /// True once the job was cancelled, its time is up or its engine is gone: end soon with Code::cancelled.
  /// Cheap enough for an inner loop (asks the socket at most once a millisecond).
  [[nodiscard]] virtual bool cancelled() = 0;
};

/// How a handler ends well. Either `text` is the whole result, or `size` bytes were written to output().
struct Reply {
  std::string content_type = "application/octet-stream";
  std::string text;
  std::uint64_t size = 0;

  [[nodiscard]] static Reply inline_text(std::string content_type, std::string text) {
    return {std::move(content_type), std::move(text), 0};
  }
  [[nodiscard]] static Reply written(std::string content_type, std::uint64_t size) {
    return {std::move(content_type), {}, size};
  }
};

using Handler = std::function<Result<Reply>(Task&)>;

/// A worker that confines itself may compute, use threads and use the descriptors that it is handed, and nothing else:
/// it opens no file, reaches no network, starts no process. What it needs of files it opens before serve().
struct Sandbox {
  Bytes memory = Bytes{std::uint64_t{4} << 30};       ///< beyond what it has at its start; 0: no limit
  std::optional<Duration> processor_time{};           ///< of its whole life
  unsigned descriptors = 256;                         ///< open at once
  Bytes file_size = Bytes{std::uint64_t{256} << 30};  ///< of each file that it writes; 0: no limit
};

struct ServeOptions {
  /// How to confine the process before its first job; none: not at all. The pool's WorkerSpec goes before it.
  std::optional<Sandbox> sandbox{};
  /// What takes time and is the same for every job: loading, tables. Where the pool keeps a template it runs there,
  /// once, and every worker is forked after it. It must leave no thread behind.
  std::function<void()> prepare{};
};

/// Serves jobs on the socket that the spawner left at descriptor 3 until the engine says bye or hangs up; then
/// returns the process's exit status. `handlers` by operation; "*" takes those that no other one is named for. Writes
/// nothing to standard output.
/// As a template (WorkerSpec::from_template) it returns in every worker that was forked from this process.
[[nodiscard]] int serve(const std::map<std::string, Handler, std::less<>>& handlers, const ServeOptions& options = {});

}  // namespace hotwell::worker
