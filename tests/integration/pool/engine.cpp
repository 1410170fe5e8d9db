/// A program that embeds a pool, for a test that kills it: three workers with an escaping grandchild each, all of which
/// hold descriptor 10 open. Closes descriptor 11 when they are there, and waits to be killed.
#include <atomic>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <unistd.h>

#include <hotwell/pool.hpp>

namespace {

constexpr int workers = 3;
std::atomic<int> there{0};

/// The worker advances once its grandchild exists.
class Advanced final : public hotwell::Sink {
 public:
  int fd() const override { return 1; }
  hotwell::Result<void> write(hotwell::ByteView) override { return {}; }
  hotwell::Result<void> advance(std::uint64_t) override {
    if (++there == workers) ::close(11);
    return {};
  }
  void set_content_type(std::string) override {}
  hotwell::Result<void> seal(std::uint64_t) override { return {}; }
  void abandon(hotwell::Error) override {}
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return EXIT_FAILURE;
  ::fcntl(10, F_SETFD, FD_CLOEXEC);
  ::fcntl(11, F_SETFD, FD_CLOEXEC);
  hotwell::WorkerPool pool{{.worker = {.kind = hotwell::WorkerKind::frames, .argv = {argv[2]}},
                            .min_workers = 0,
                            .max_workers = workers,
                            .spawner = argv[1]}};
  const auto held = std::make_shared<hotwell::FileHandle>(10);
  for (int i = 0; i < workers; ++i)
    pool.start({.operation = "escape", .inputs = {held}},
               {.sink = [](unsigned) -> hotwell::Result<std::unique_ptr<hotwell::Sink>> {
                 return std::make_unique<Advanced>();
               }},
               [](hotwell::JobEnd) {});
  for (;;) ::pause();
}
