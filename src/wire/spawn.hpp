/// What the pool and its spawner, and the spawner and its templates, say to each other, a datagram each. Both come from
/// one build, so this format has no versions. Header only and without other libraries: the spawner is a static program
/// of a few hundred kilobytes.
///
/// Invariants: decode answers false for anything that encode cannot have made; texts are views into the datagram.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/bytes.hpp"

namespace hotwell::wire {

/// The descriptor that the spawner finds its socket at.
inline constexpr int spawner_descriptor = 3;
/// No datagram is longer, so no command line with its environment is.
inline constexpr std::size_t spawn_limit = std::size_t{192} << 10;

/// The descriptor that a template finds its socket at, and nothing at a worker's own.
inline constexpr int template_descriptor = 4;
inline constexpr std::size_t fork_limit = std::size_t{4} << 10;

enum class SpawnType : std::uint8_t { spawn = 1, signal, ready, spawned, exited, template_ready, fork, forked };

struct ResourceLimit {
  std::uint32_t resource = 0;  ///< RLIMIT_...
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// Pool to spawner: start a program. The datagram carries one descriptor for each of `descriptors`, which are the
/// numbers that the program finds them at.
struct SpawnRequest {
  std::uint32_t id = 0;
  std::uint32_t template_id = 0;  ///< fork it from the template of this number, made of argv and env; 0: exec it
  std::vector<std::string_view> argv;
  std::vector<std::string_view> env;  ///< NAME=VALUE; nothing else is inherited
  std::string_view directory;         ///< empty: the spawner's
  std::vector<ResourceLimit> limits;
  std::vector<std::uint32_t> descriptors;
};
/// Pool to spawner: SIGTERM to the program's process group, or SIGKILL to everything that it ever started.
struct SignalRequest {
  std::uint32_t id = 0;
  std::uint32_t signal = 0;
};
/// Spawner to pool, first.
struct SpawnerReady {
  bool enclosed = false;  ///< workers live in PID namespaces of their own
  std::string_view why;   ///< for people: how, or why not
};
/// Spawner to pool: the answer to a SpawnRequest, with a pidfd where `error` is 0.
struct Spawned {
  std::uint32_t id = 0;
  std::uint32_t error = 0;  ///< errno
};
/// Warden to spawner, and spawner to pool once nothing of the program is left.
struct Exited {
  std::uint32_t id = 0;
  std::uint32_t exec_error = 0;   ///< errno where the program could not be started at all
  std::uint32_t wait_status = 0;  ///< of the program itself, as of waitpid(2)
};

/// Template to spawner, first.
struct TemplateReady {};
/// Spawner to template: fork a worker. The datagram carries the warden's way to the spawner and one descriptor for each
/// of `descriptors`.
struct ForkRequest {
  std::uint32_t id = 0;
  bool enclosed = false;
  std::uint32_t spawner = 0;  ///< its process number as the template sees it
  std::string_view cgroup;    ///< the folder that workers' control groups are in; empty: they have none
  std::vector<ResourceLimit> limits;
  std::vector<std::uint32_t> descriptors;
};
/// Template to spawner: the answer, with the warden's pidfd where `error` is 0.
struct Forked {
  std::uint32_t id = 0;
  std::uint32_t error = 0;   ///< errno
  std::uint32_t warden = 0;  ///< its process number
};

namespace detail {
inline void limits(Writer& out, const std::vector<ResourceLimit>& list) {
  out.number(static_cast<std::uint32_t>(list.size()));
  for (const auto& limit : list) {
    out.number(limit.resource);
    out.number(limit.soft);
    out.number(limit.hard);
  }
}
inline void limits(Reader& in, std::vector<ResourceLimit>& list) {
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.ok(); --left) {
    ResourceLimit limit;
    limit.resource = in.number<std::uint32_t>();
    limit.soft = in.number<std::uint64_t>();
    limit.hard = in.number<std::uint64_t>();
    list.push_back(limit);
  }
}
inline void numbers(Writer& out, const std::vector<std::uint32_t>& list) {
  out.number(static_cast<std::uint32_t>(list.size()));
  for (const auto number : list) out.number(number);
}
inline void numbers(Reader& in, std::vector<std::uint32_t>& list) {
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.ok(); --left) list.push_back(in.number<std::uint32_t>());
}
inline void texts(Writer& out, const std::vector<std::string_view>& list) {
  out.number(static_cast<std::uint32_t>(list.size()));
  for (const auto text : list) out.text(text);
}
inline void texts(Reader& in, std::vector<std::string_view>& list) {
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.ok(); --left) list.push_back(in.text());
}
[[nodiscard]] inline Reader open(std::string_view datagram, SpawnType expected, bool& right) {
  Reader in{datagram};
  right = in.number<std::uint8_t>() == static_cast<std::uint8_t>(expected);
  return in;
}
[[nodiscard]] inline std::string begin(SpawnType type) { return {static_cast<char>(type)}; }
}  // namespace detail

[[nodiscard]] inline SpawnType spawn_type(std::string_view datagram) {
  return static_cast<SpawnType>(datagram.empty() ? 0 : datagram.front());
}

[[nodiscard]] inline std::string encode(const SpawnRequest& m) {
  std::string bytes = detail::begin(SpawnType::spawn);
  Writer out{bytes};
  out.number(m.id);
  out.number(m.template_id);
  detail::texts(out, m.argv);
  detail::texts(out, m.env);
  out.text(m.directory);
  detail::limits(out, m.limits);
  detail::numbers(out, m.descriptors);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, SpawnRequest& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::spawn, right);
  m.id = in.number<std::uint32_t>();
  m.template_id = in.number<std::uint32_t>();
  detail::texts(in, m.argv);
  detail::texts(in, m.env);
  m.directory = in.text();
  detail::limits(in, m.limits);
  detail::numbers(in, m.descriptors);
  return right && in.ok() && !m.argv.empty();
}

[[nodiscard]] inline std::string encode(const SignalRequest& m) {
  std::string bytes = detail::begin(SpawnType::signal);
  Writer out{bytes};
  out.number(m.id);
  out.number(m.signal);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, SignalRequest& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::signal, right);
  m.id = in.number<std::uint32_t>();
  m.signal = in.number<std::uint32_t>();
  return right && in.ok();
}

[[nodiscard]] inline std::string encode(const SpawnerReady& m) {
  std::string bytes = detail::begin(SpawnType::ready);
  Writer out{bytes};
  out.number(std::uint8_t{m.enclosed});
  out.text(m.why);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, SpawnerReady& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::ready, right);
  m.enclosed = in.number<std::uint8_t>() != 0;
  m.why = in.text();
  return right && in.ok();
}

[[nodiscard]] inline std::string encode(const Spawned& m) {
  std::string bytes = detail::begin(SpawnType::spawned);
  Writer out{bytes};
  out.number(m.id);
  out.number(m.error);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, Spawned& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::spawned, right);
  m.id = in.number<std::uint32_t>();
  m.error = in.number<std::uint32_t>();
  return right && in.ok();
}

[[nodiscard]] inline std::string encode(const Exited& m) {
  std::string bytes = detail::begin(SpawnType::exited);
  Writer out{bytes};
  out.number(m.id);
  out.number(m.exec_error);
  out.number(m.wait_status);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, Exited& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::exited, right);
  m.id = in.number<std::uint32_t>();
  m.exec_error = in.number<std::uint32_t>();
  m.wait_status = in.number<std::uint32_t>();
  return right && in.ok();
}

[[nodiscard]] inline std::string encode(const TemplateReady&) { return detail::begin(SpawnType::template_ready); }

[[nodiscard]] inline std::string encode(const ForkRequest& m) {
  std::string bytes = detail::begin(SpawnType::fork);
  Writer out{bytes};
  out.number(m.id);
  out.number(std::uint8_t{m.enclosed});
  out.number(m.spawner);
  out.text(m.cgroup);
  detail::limits(out, m.limits);
  detail::numbers(out, m.descriptors);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, ForkRequest& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::fork, right);
  m.id = in.number<std::uint32_t>();
  m.enclosed = in.number<std::uint8_t>() != 0;
  m.spawner = in.number<std::uint32_t>();
  m.cgroup = in.text();
  detail::limits(in, m.limits);
  detail::numbers(in, m.descriptors);
  return right && in.ok();
}

[[nodiscard]] inline std::string encode(const Forked& m) {
  std::string bytes = detail::begin(SpawnType::forked);
  Writer out{bytes};
  out.number(m.id);
  out.number(m.error);
  out.number(m.warden);
  return bytes;
}
[[nodiscard]] inline bool decode(std::string_view datagram, Forked& m) {
  bool right = false;
  Reader in = detail::open(datagram, SpawnType::forked, right);
  m.id = in.number<std::uint32_t>();
  m.error = in.number<std::uint32_t>();
  m.warden = in.number<std::uint32_t>();
  return right && in.ok();
}

}  // namespace hotwell::wire
