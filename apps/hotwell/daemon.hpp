/// Which daemon a command speaks to: the one that --server names, else the one that holds the data directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "apps/hotwell/client.hpp"

namespace hotwell::cli {

struct DaemonOptions {
  std::string server;
  std::string data;
  std::string token_file;
};

void add_daemon_options(CLI::App& command, DaemonOptions& options);

/// --data, else HOTWELL_SERVER_DATA_DIR, else the user's default.
[[nodiscard]] std::filesystem::path data_dir_of(const std::string& given);
/// --token-file's first line, else HOTWELL_TOKEN, else nothing. Ends as bad usage.
[[nodiscard]] Outcome<std::string> read_token(const std::string& token_file);
/// Ends: no_server says where it was looked for. The server itself is not asked yet.
[[nodiscard]] Outcome<Client> find_daemon(const DaemonOptions& options);

}  // namespace hotwell::cli
