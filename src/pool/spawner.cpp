#include "pool/spawner.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/error.hpp>

#include "base/log.hpp"
#include "host/fd.hpp"
#include "host/programs.hpp"

namespace hotwell::pool {
namespace {

constexpr const char* helper_name = "hotwell-spawner";

}  // namespace

Result<std::string> find_spawner(const std::string& given) {
  return host::find_program(helper_name, given, "HOTWELL_SPAWNER");
}

Spawner::Spawner(boost::asio::io_context& io, std::string executable, Listener listener)
    : io_(io), executable_(std::move(executable)), listener_(std::move(listener)), socket_(io), process_(io) {}

Spawner::~Spawner() {
  *alive_ = false;
  stop();
}

Result<void> Spawner::start() {
  auto pair = host::seqpacket_pair();
  if (!pair) return std::unexpected(pair.error());
  auto null = host::open_null();
  if (!null) return std::unexpected(null.error());
  host::Launch launch{
      .program = executable_,
      .argv = {helper_name},
      .descriptors = {{null->get(), 0}, {STDERR_FILENO, 1}, {pair->second.get(), wire::spawner_descriptor}}};
  for (const std::string_view known : {"best-effort", "rescan"})
    if (const char* wish = std::getenv("HOTWELL_CONTAINMENT"); wish != nullptr && wish == known)
      launch.argv.push_back(fmt::format("--{}", known));
  auto launched = host::launch(launch);
  if (!launched) return std::unexpected(launched.error());
  pid_ = launched->pid;
  host::set_blocking(pair->first.get(), false);
  socket_.assign(pair->first.release());
  process_.assign(launched->pidfd.release());
  ++life_;
  read_socket();
  watch_spawner();
  return {};
}

void Spawner::read_socket() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [this, alive = alive_, life = life_](const boost::system::error_code& error) {
                       if (error || !*alive || life != life_ || !socket_.is_open()) return;
                       auto datagram = host::receive_datagram(socket_.native_handle(), buffer_);
                       if (!datagram && datagram.error().code != Code::unavailable)
                         return lose(datagram.error().message);
                       if (datagram && datagram->bytes.data() == nullptr) return;  // its end is told by its pidfd
                       if (datagram) handle(datagram->bytes, std::move(datagram->descriptors));
                       if (*alive && socket_.is_open()) read_socket();
                     });
}

void Spawner::handle(std::string_view datagram, std::vector<FileHandle> descriptors) {
  wire::SpawnerReady ready;
  wire::Spawned spawned;
  wire::Exited exited;
  if (wire::decode(datagram, ready)) {
    listener_.ready(ready.enclosed, std::string{ready.why});
  } else if (wire::decode(datagram, spawned)) {
    const auto found = running_.find(spawned.id);
    if (found == running_.end()) return;
    if (spawned.error != 0 || descriptors.size() != 1) {
      found->second.exit = Exit{.start_error = static_cast<int>(spawned.error)};
      found->second.gone = true;
      return finish(spawned.id);
    }
    const pid_t pid = host::pid_of(descriptors.front().get());
    watch_program(spawned.id, std::move(descriptors.front()));
    if (found->second.started) found->second.started(pid);
  } else if (wire::decode(datagram, exited)) {
    const auto found = running_.find(exited.id);
    if (found == running_.end()) return;
    found->second.exit = Exit{static_cast<int>(exited.exec_error), static_cast<int>(exited.wait_status)};
    finish(exited.id);
  } else {
    base::log().error("the spawner sent something that is no message ({} bytes)", datagram.size());
  }
}

void Spawner::watch_program(std::uint32_t id, FileHandle pidfd) {
  running_.at(id).pidfd = std::make_unique<boost::asio::posix::stream_descriptor>(io_, pidfd.release());
  await_end(id);
}

void Spawner::await_end(std::uint32_t id) {
  running_.at(id).pidfd->async_wait(boost::asio::posix::descriptor_base::wait_read,
                                    [this, id, alive = alive_](const boost::system::error_code& error) {
                                      if (error || !*alive) return;
                                      const auto found = running_.find(id);
                                      if (found == running_.end()) return;
                                      pollfd ended{found->second.pidfd->native_handle(), POLLIN, 0};
                                      if (::poll(&ended, 1, 0) != 1) return await_end(id);  // not yet
                                      found->second.gone = true;
                                      finish(id);
                                    });
}

/// The kernel's word that the tree is gone and the spawner's word how the program ended come in any order.
void Spawner::finish(std::uint32_t id) {
  const auto found = running_.find(id);
  if (!found->second.gone || !found->second.exit) return;
  const auto node = running_.extract(found);
  node.mapped().exited(*node.mapped().exit);
}

void Spawner::watch_spawner() {
  process_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [this, alive = alive_, life = life_](const boost::system::error_code& error) {
                        if (error || !*alive || life != life_ || pid_ < 0) return;
                        int status = 0;
                        if (::waitpid(pid_, &status, WNOHANG) == 0) return watch_spawner();  // not yet
                        pid_ = -1;
                        lose("the spawner " + host::describe_exit(status));
                      });
}

/// The kernel ends the programs now; each is told when its pidfd says that it is gone.
void Spawner::lose(std::string why) {
  end_process();
  std::vector<std::uint32_t> finished;
  for (auto& [id, running] : running_) {
    if (!running.exit) running.exit = Exit{.lost = true};
    running.gone = running.gone || !running.pidfd;  // it was never started
    if (running.gone) finished.push_back(id);
  }
  listener_.lost(std::move(why));
  for (const auto id : finished) finish(id);
}

Result<void> Spawner::spawn(std::uint32_t id, const Program& program, std::function<void(pid_t)> started,
                            std::function<void(Exit)> exited) {
  if (!socket_.is_open()) return fail(Code::unavailable, "the spawner is not running");
  wire::SpawnRequest request{.id = id, .limits = program.limits};
  if (program.from_template) {
    auto words = program.argv;
    words.emplace_back();  // between the two
    words.insert(words.end(), program.env.begin(), program.env.end());
    const auto number = static_cast<std::uint32_t>(templates_.size() + 1);
    request.template_id = templates_.try_emplace(std::move(words), number).first->second;
  }
  for (const auto& text : program.argv) request.argv.emplace_back(text);
  for (const auto& text : program.env) request.env.emplace_back(text);
  std::vector<int> descriptors;
  for (const auto& [ours, theirs] : program.descriptors) {
    descriptors.push_back(ours);
    request.descriptors.push_back(theirs);
  }
  const std::string datagram = wire::encode(request);
  if (datagram.size() > wire::spawn_limit)
    return fail(Code::too_large, fmt::format("arguments and environment take {} bytes, at most {} are possible",
                                             datagram.size(), wire::spawn_limit));
  if (auto sent = host::send_datagram(socket_.native_handle(), datagram, descriptors); !sent) return sent;
  running_.emplace(id, Running{.started = std::move(started), .exited = std::move(exited)});
  return {};
}

void Spawner::signal(std::uint32_t id, int signal) {
  if (!socket_.is_open() || !running_.contains(id)) return;
  const auto request = wire::encode(wire::SignalRequest{id, static_cast<std::uint32_t>(signal)});
  if (auto sent = host::send_datagram(socket_.native_handle(), request); !sent)
    base::log().error("the spawner could not be told to signal worker {}: {}", id, sent.error().message);
}

void Spawner::stop() {
  running_.clear();
  end_process();
}

void Spawner::end_process() {
  boost::system::error_code ignored;
  socket_.close(ignored);  // its end of file
  if (pid_ > 0) {
    // One that does not follow its socket's end is ended, and its programs with it.
    pollfd gone{process_.native_handle(), POLLIN, 0};
    if (::poll(&gone, 1, 5000) <= 0) host::signal_process(process_.native_handle(), SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  process_.close(ignored);
}

}  // namespace hotwell::pool
