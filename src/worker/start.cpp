// What comes before a worker's loop: being a template, loading, and the sandbox.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>

#include "host/fd.hpp"
#include "wire/frames.hpp"
#include "worker/sandbox.hpp"
#include "worker/serve.hpp"
#include "worker/template.hpp"

namespace hotwell::worker {
namespace {

/// What the pool wishes: it is in the socket before this process starts, or it never comes.
wire::Settings take_settings(int socket) {
  std::string buffer(256, '\0');  // a longer message is another one
  const auto first = host::receive_datagram(socket, buffer, MSG_PEEK | MSG_DONTWAIT);
  if (!first || first->bytes.data() == nullptr) return {};
  const auto message = wire::decode(first->bytes);
  const auto* settings = message ? std::get_if<wire::Settings>(&*message) : nullptr;
  if (settings == nullptr) return {};
  const wire::Settings taken = *settings;
  (void)host::receive_datagram(socket, buffer, MSG_DONTWAIT);
  return taken;
}

std::optional<Sandbox> sandbox_for(const wire::Settings& settings, std::optional<Sandbox> sandbox) {
  if (settings.sandbox == wire::Settings::Sandbox::off) return std::nullopt;
  if (settings.sandbox == wire::Settings::Sandbox::on && !sandbox) sandbox.emplace();
  if (sandbox && settings.memory_limit != 0) sandbox->memory = Bytes{settings.memory_limit};
  return sandbox;
}

}  // namespace

int serve(const std::map<std::string, Handler, std::less<>>& handlers, const ServeOptions& options) {
  if (options.prepare) options.prepare();
  if (is_template() && !fork_workers()) return EXIT_SUCCESS;
  ::fcntl(wire::worker_descriptor, F_SETFD, FD_CLOEXEC);  // not for children of the worker
  FileHandle socket{wire::worker_descriptor};
  if (const auto sandbox = sandbox_for(take_settings(socket.get()), options.sandbox)) {
    if (const auto confined = confine(*sandbox); !confined) {
      std::fprintf(stderr, "%s\n", to_string(confined.error()).c_str());
      return EXIT_FAILURE;
    }
  }
  return serve_on(std::move(socket), handlers);
}

}  // namespace hotwell::worker
