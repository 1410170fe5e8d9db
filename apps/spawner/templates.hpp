/// The templates: programs that are slow to load, loaded once, from which workers are forked.
///
/// Invariants: a template is started with the first worker that wants it. Workers that are asked for before it is ready
/// wait for it, but no longer than `patience`; a program that turns out to be no template is exec'ed for each of its
/// workers from then on. A template's end is no worker's.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "apps/spawner/workers.hpp"

namespace hotwell::spawner {

class Templates {
 public:
  static constexpr std::chrono::seconds patience{10};
  using Clock = std::chrono::steady_clock;

  explicit Templates(Workers& workers) : workers_(workers) {}

  /// Precondition: request.template_id is not 0. Takes the descriptors, and closes them when they are no longer needed.
  void spawn(const wire::SpawnRequest& request, std::string_view datagram, std::vector<int> descriptors);
  /// A signal to a worker that is not there yet: SIGKILL takes it from the queue, or meets it when it is forked. False
  /// where it is not on its way.
  bool signal(std::uint32_t id, int signal);
  /// Takes what the templates have said.
  void read();
  /// A child ended; false where it is no template.
  bool ended(pid_t pid);
  /// Gives up templates that are not ready in time.
  void tick(Clock::time_point now);
  /// When tick() is next to be called; milliseconds as poll() wants them, -1: never.
  [[nodiscard]] int wait(Clock::time_point now) const;
  [[nodiscard]] std::vector<int> sockets() const;
  void kill_all() const;

 private:
  struct Waiting {
    std::string datagram;
    std::vector<int> descriptors;
  };
  struct Template {
    enum class State { absent, loading, ready, useless } state = State::absent;
    pid_t pid = 0;
    int socket = -1;
    Clock::time_point started{};
    std::map<std::uint32_t, Waiting> waiting;  ///< by worker
    std::map<std::uint32_t, int> forking;      ///< workers that it was asked for, and the signal that meets them
  };

  void start(Template& made, const wire::SpawnRequest& request);
  void read(Template& from);
  void fork(Template& from, const wire::SpawnRequest& request, const std::vector<int>& descriptors);
  /// It is none, or is no more: whoever waits is exec'ed.
  void lose(Template& lost, Template::State state);

  Workers& workers_;
  std::map<std::uint32_t, Template> templates_;
};

}  // namespace hotwell::spawner
