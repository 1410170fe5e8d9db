/// Everything a daemon can be told, with its defaults: the TOML file's sections as structs.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <hotwell/cache.hpp>
#include <hotwell/monitor.hpp>
#include <hotwell/pool.hpp>

namespace hotwell {

struct ServerConfig {
  std::string listen = "127.0.0.1:8080";  ///< HOST:PORT; port 0 picks a free one
  std::vector<std::string> hosts{};       ///< further Host and Origin names that are answered
  std::vector<std::string> tokens{};      ///< where set, every route but the probes wants one
  bool open = false;                      ///< listen beyond loopback without tokens
  Bytes max_body{16ULL << 30};            ///< of one request
  Duration header_timeout = std::chrono::seconds{30};
  Duration idle_timeout = std::chrono::seconds{75};
  Duration result_hold = std::chrono::minutes{10};
  unsigned threads = 0;  ///< 0: the cores
};

/// An [[operation]]: any executable as an operation of its own.
struct OperationConfig {
  std::string name{};
  WorkerKind kind = WorkerKind::command;
  std::vector<std::string> argv{};
  bool stdin_is_input = false;
  std::string content_type = "application/octet-stream";
  bool cache = true;
  std::optional<Duration> ttl{};
  Duration negative_ttl{};
  std::optional<Duration> timeout{};
  std::optional<Duration> no_progress{};
  std::string tenant{};  ///< of jobs that name none
  std::vector<int> permanent_exit_codes{};
  std::map<std::string, std::string> env{};
  unsigned min_workers = 0;
  std::optional<unsigned> max_workers{};
  std::optional<unsigned> max_crashes{};
  std::optional<Durability> durability{};
  std::string version{};
  std::optional<bool> sandbox{};
  std::optional<Bytes> memory_limit{};
  bool from_template = false;
  bool inline_result = false;

  friend bool operator==(const OperationConfig&, const OperationConfig&) = default;
};

/// What is kept of jobs across restarts.
struct JournalConfig {
  bool enabled = true;
  Durability durability = Durability::process;  ///< of jobs whose operation names none
  std::size_t keep = 100'000;                   ///< ended jobs, and as many dead ones
  Duration keep_for = std::chrono::hours{24 * 7};
};

struct Config {
  std::filesystem::path data_dir{};  ///< empty: the user's default
  ServerConfig server{};
  std::vector<std::filesystem::path> media_roots{};
  bool media = true;                     ///< offer the built-in media operations
  std::string media_worker{};            ///< the executable; empty: beside the spawner
  bool media_sandbox = true;             ///< media files are hostile input
  Bytes media_memory_limit{4ULL << 30};  ///< of one media worker, beyond what it has at its start
  PoolOptions pool{};                    ///< `worker` and `more_workers` are filled in by the engine
  JournalConfig journal{};
  CacheOptions cache{};  ///< `directory` is filled in by the engine unless set
  MonitorOptions monitor{};
  std::vector<OperationConfig> operations{};
  std::string log_level = "info";
};

/// Errors of the loaders: invalid_argument, naming file, line and what was expected.
[[nodiscard]] Result<Config> parse_config(std::string_view toml, std::string_view file_name, Config base = {});
[[nodiscard]] Result<Config> load_config(const std::filesystem::path& file, Config base = {});
/// Applies HOTWELL_<SECTION>_<KEY> variables over a configuration.
[[nodiscard]] Result<Config> apply_environment(Config base, const std::map<std::string, std::string>& environment);
/// What cannot be judged key by key (min over max, tokens for a public address, ...).
Result<void> validate(const Config& config);

}  // namespace hotwell
