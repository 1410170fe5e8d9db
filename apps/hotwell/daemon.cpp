#include "apps/hotwell/daemon.hpp"

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "engine/data_dir.hpp"

namespace hotwell::cli {

void add_daemon_options(CLI::App& command, DaemonOptions& options) {
  command.add_option("--server", options.server, "the daemon to ask, such as http://127.0.0.1:8080")->type_name("URL");
  command.add_option("--data", options.data, "the data directory whose daemon is asked, where no --server is given")
      ->type_name("DIR");
  command.add_option("--token-file", options.token_file, "a file that holds the token (else HOTWELL_TOKEN)")
      ->type_name("FILE");
}

std::filesystem::path data_dir_of(const std::string& given) {
  if (!given.empty()) return given;
  if (const char* said = std::getenv("HOTWELL_SERVER_DATA_DIR"); said && *said) return said;
  return engine::default_data_dir();
}

Outcome<std::string> read_token(const std::string& token_file) {
  if (token_file.empty()) {
    const char* token = std::getenv("HOTWELL_TOKEN");
    return std::string(token ? token : "");
  }
  std::ifstream file(token_file);
  std::string token;
  if (!std::getline(file, token) || token.empty())
    return end(status::usage, fmt::format("--token-file: expected a token on the first line of {}", token_file));
  if (token.ends_with('\r')) token.pop_back();
  return token;
}

Outcome<Client> find_daemon(const DaemonOptions& options) {
  auto token = read_token(options.token_file);
  if (!token) return std::unexpected(token.error());
  std::string url = options.server;
  if (url.empty()) {
    const auto data = data_dir_of(options.data);
    const auto holder = engine::holder_of(data);
    if (!holder)
      return end(status::no_server,
                 fmt::format("no daemon holds the data directory {}: start one with \"hotwell serve\", "
                             "or name one with --server",
                             data.string()));
    if (holder->address.empty())
      return end(status::no_server,
                 fmt::format("process {} holds the data directory {} but listens nowhere", holder->pid, data.string()));
    url = holder->address;
  }
  auto server = parse_server(url);
  if (!server) return std::unexpected(server.error());
  return Outcome<Client>(std::in_place, std::move(*server), std::move(*token));
}

}  // namespace hotwell::cli
