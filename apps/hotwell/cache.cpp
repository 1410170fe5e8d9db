/// hotwell cache: objects of a daemon's cache from the command line.
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/output.hpp"
#include "apps/hotwell/table.hpp"
#include "cache/verify.hpp"

namespace hotwell::cli {
namespace {

struct CacheCommandOptions {
  DaemonOptions daemon;
  std::string key;
  std::string file;
  std::string output;
  bool force = false;
  std::string directory;
  std::vector<std::string> keys;
  bool json = false;
  std::string ttl;
  std::string tag;
  std::string content_type = "application/octet-stream";
};

std::string target_of(const CacheCommandOptions& options) { return "/v1/cache/" + encode_segment(options.key); }

std::string types_text(const boost::json::value& stats) {
  const auto* types = stats.is_object() ? stats.as_object().if_contains("types") : nullptr;
  if (types == nullptr || !types->is_object() || types->as_object().empty()) return {};
  Table table({{"type"},
               {"sets", Table::Align::right},
               {"stored", Table::Align::right},
               {"hits", Table::Align::right},
               {"misses", Table::Align::right},
               {"served", Table::Align::right}});
  for (const auto& [name, of] : types->as_object()) {
    const auto size = [&](const char* at) { return to_string(Bytes{static_cast<std::uint64_t>(number_at(of, at))}); };
    table.add({std::string(name), fmt::format("{:.0f}", number_at(of, "/sets")), size("/stored"),
               fmt::format("{:.0f}", number_at(of, "/hits")), fmt::format("{:.0f}", number_at(of, "/misses")),
               size("/served")});
  }
  return "\n" + table.text();
}

std::string first_minute_text(const boost::json::value& stats) {
  const double hits = number_at(stats, "/first_minute/hits");
  const double asked = hits + number_at(stats, "/first_minute/misses");
  if (asked == 0) return {};
  return fmt::format("\nIn the first minute after the start {:.0f} of {:.0f} look-ups had an answer ({:.1f} %).\n", hits,
                     asked, 100 * hits / asked);
}

std::string stat_text(const boost::json::value& stats) {
  Table table({{"tier"},
               {"entries", Table::Align::right},
               {"size", Table::Align::right},
               {"hits", Table::Align::right},
               {"misses", Table::Align::right},
               {"hit rate", Table::Align::right}});
  for (const auto* tier : {"memory", "disk", "stream", "total"}) {
    const auto number = [&](const char* name) { return number_at(stats, fmt::format("/{}/{}", tier, name)); };
    const double asked = number("hits") + number("misses");
    table.add({tier, fmt::format("{:.0f}", number("entries")),
               to_string(Bytes{static_cast<std::uint64_t>(number("size"))}), fmt::format("{:.0f}", number("hits")),
               fmt::format("{:.0f}", number("misses")),
               asked > 0 ? fmt::format("{:.1f} %", 100 * number("hits") / asked) : "-"});
  }
  return table.text() + types_text(stats) + first_minute_text(stats);
}

Outcome<void> stat(const CacheCommandOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto stats = get_json(*daemon, "/v1/cache/stats");
  if (!stats) return std::unexpected(stats.error());
  std::fputs((options.json ? pretty(*stats) : stat_text(*stats)).c_str(), stdout);
  return {};
}

Outcome<void> get(const CacheCommandOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  auto output = options.output.empty() || options.output == "-"
                    ? Outcome<Output>(Output::standard())
                    : Output::file(options.output, options.force ? Output::Existing::replace : Output::Existing::keep);
  if (!output) return std::unexpected(output.error());
  const auto answer =
      daemon->send({.target = target_of(options)}, [&](std::string_view bytes) { return output->write(bytes); });
  if (!answer) return std::unexpected(answer.error());
  return output->commit();
}

Outcome<void> put(const CacheCommandOptions& options) {
  std::string target = target_of(options);
  char separator = '?';
  if (!options.ttl.empty()) {
    const auto ttl = parse_duration(options.ttl);
    if (!ttl) return end(status::usage, fmt::format("--ttl: {}", ttl.error().message));
    target += fmt::format("{}ttl={}", separator, std::chrono::duration<double>(*ttl).count());
    separator = '&';
  }
  if (!options.tag.empty()) target += fmt::format("{}type={}", separator, encode_segment(options.tag));
  const FileHandle file(::open(options.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct ::stat status{};
  if (!file || ::fstat(file.get(), &status) != 0)
    return end(system_error(errno, fmt::format("cannot read {}", options.file)));
  if (!S_ISREG(status.st_mode)) return end(status::usage, fmt::format("{} is not a file", options.file));
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = daemon->send({.method = "PUT",
                                    .target = target,
                                    .fields = {{"Content-Type", options.content_type}},
                                    .file = file.get(),
                                    .file_size = static_cast<std::uint64_t>(status.st_size)});
  return answer ? Outcome<void>{} : std::unexpected(answer.error());
}

Outcome<void> remove(const CacheCommandOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = daemon->send({.method = "DELETE", .target = target_of(options)});
  return answer ? Outcome<void>{} : std::unexpected(answer.error());
}

Outcome<void> warm(const CacheCommandOptions& options) {
  boost::json::array keys(options.keys.begin(), options.keys.end());
  if (!options.file.empty()) {
    std::ifstream list(options.file);
    if (!list) return end(system_error(errno, fmt::format("cannot read {}", options.file)));
    for (std::string line; std::getline(list, line);)
      if (!line.empty()) keys.emplace_back(line);
  }
  if (keys.empty()) return end(status::usage, "name keys, or a file of them with --from");
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = daemon->send({.method = "POST",
                                    .target = "/v1/cache/warm",
                                    .fields = {{"Content-Type", "application/json"}},
                                    .text = boost::json::serialize(boost::json::object{{"keys", std::move(keys)}})});
  if (!answer) return std::unexpected(answer.error());
  const auto warmed = boost::json::parse(answer->text);
  if (options.json) {
    std::fputs(pretty(warmed).c_str(), stdout);
    return {};
  }
  fmt::print("{:.0f} brought into memory, {:.0f} there already, {:.0f} absent, {:.0f} without room\n",
             number_at(warmed, "/warmed"), number_at(warmed, "/already"), number_at(warmed, "/absent"),
             number_at(warmed, "/no_room"));
  return {};
}

std::string verify_text(const cache::Verification& found) {
  const auto tier = [](const char* name, const cache::Verification::Tier& of) {
    return fmt::format("{}: {} objects, {} whole, {} damaged\n", name, of.objects, to_string(Bytes{of.bytes}),
                       of.damaged);
  };
  std::string text = tier("disk", found.disk) + tier("stream", found.stream);
  for (const auto& finding : found.findings) text += fmt::format("  {}\n", finding);
  return text;
}

boost::json::value verify_json(const cache::Verification& found) {
  const auto tier = [](const cache::Verification::Tier& of) {
    return boost::json::object{{"objects", of.objects}, {"bytes", of.bytes}, {"damaged", of.damaged}};
  };
  return boost::json::object{{"disk", tier(found.disk)},
                             {"stream", tier(found.stream)},
                             {"regions", found.regions},
                             {"findings", boost::json::array(found.findings.begin(), found.findings.end())}};
}

Outcome<void> verify(const CacheCommandOptions& options) {
  const auto directory =
      options.directory.empty() ? data_dir_of(options.daemon.data) / "cache" : std::filesystem::path(options.directory);
  const auto found = cache::verify_directory(host::system_disk(), directory);
  if (!found) return end(found.error());
  std::fputs((options.json ? pretty(verify_json(*found)) : verify_text(*found)).c_str(), stdout);
  if (found->disk.damaged + found->stream.damaged != 0)
    return end(Error{Code::corrupt_input, fmt::format("{} has damaged objects", directory.string())});
  return {};
}

}  // namespace

void add_cache(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<CacheCommandOptions>();
  CLI::App* cache = root.add_subcommand("cache", "Look into a daemon's cache, and put, get or remove objects.");
  cache->require_subcommand(1);

  CLI::App* stat_command = cache->add_subcommand("stat", "Show what each tier holds and how often it had the answer.");
  stat_command->add_flag("--json", options->json, "as the server says it");
  add_daemon_options(*stat_command, options->daemon);
  commands.on(stat_command, [options] { return stat(*options); });

  CLI::App* get_command = cache->add_subcommand("get", "Write an object to standard output or a file.");
  get_command->add_option("KEY", options->key, "the object's key")->required()->type_name("");
  get_command->add_option("-o,--output", options->output, "a file instead of standard output")->type_name("FILE");
  get_command->add_flag("--force", options->force, "replace an output that exists");
  add_daemon_options(*get_command, options->daemon);
  commands.on(get_command, [options] { return get(*options); });

  CLI::App* put_command = cache->add_subcommand("put", "Store a file's bytes under a key.");
  put_command->add_option("KEY", options->key, "the object's key")->required()->type_name("");
  put_command->add_option("FILE", options->file, "the file whose bytes are stored")->required()->type_name("");
  put_command->add_option("--ttl", options->ttl, "how long it lives, such as 1h (7d)")->type_name("TIME");
  put_command->add_option("--type", options->tag, "a tag for statistics and listings")->type_name("TAG");
  put_command->add_option("--content-type", options->content_type, "what it is (application/octet-stream)")
      ->type_name("TYPE");
  add_daemon_options(*put_command, options->daemon);
  commands.on(put_command, [options] { return put(*options); });

  CLI::App* warm_command = cache->add_subcommand("warm", "Bring objects from disk into memory ahead of their use.");
  warm_command->add_option("KEY", options->keys, "keys of objects")->type_name("");
  warm_command->add_option("--from", options->file, "a file with a key a line")->type_name("FILE");
  warm_command->add_flag("--json", options->json, "as the server says it");
  add_daemon_options(*warm_command, options->daemon);
  commands.on(warm_command, [options] { return warm(*options); });

  CLI::App* verify_command =
      cache->add_subcommand("verify", "Check every byte of a cache that no daemon uses, and say what is damaged.");
  verify_command->add_option("--data", options->daemon.data, "the data directory whose cache is checked")
      ->type_name("DIR");
  verify_command->add_option("--dir", options->directory, "a cache's own directory instead")->type_name("DIR");
  verify_command->add_flag("--json", options->json, "for programs");
  commands.on(verify_command, [options] { return verify(*options); });

  CLI::App* rm_command = cache->add_subcommand("rm", "Remove an object.");
  rm_command->add_option("KEY", options->key, "the object's key")->required()->type_name("");
  add_daemon_options(*rm_command, options->daemon);
  commands.on(rm_command, [options] { return remove(*options); });
}

}  // namespace hotwell::cli
