/// The loaders: from TOML, from the environment, and the checks that look at several keys at once.
///
/// Invariant: a configuration is accepted whole or not at all; a loader reports every mistake that it finds, each on
/// a line of its own with the place where it stands.
#include <hotwell/config.hpp>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <boost/asio/ip/address.hpp>

#include "engine/config_keys.hpp"
#include "engine/near_miss.hpp"
#include "monitor/rules.hpp"

namespace hotwell {
namespace {

using engine::config_keys;
using engine::operation_keys;
using engine::Value;
using std::string_view;

Value to_value(const toml::node& node) {
  Value value;
  node.visit([&](const auto& exact) {
    using Node = std::remove_cvref_t<decltype(exact)>;
    if constexpr (std::is_same_v<Node, toml::table>) {
      Value::Table table;
      for (const auto& [key, item] : exact) table.emplace_back(key.str(), to_value(item));
      value.is = std::move(table);
    } else if constexpr (std::is_same_v<Node, toml::array>) {
      Value::List list;
      for (const auto& item : exact) list.push_back(to_value(item));
      value.is = std::move(list);
    } else if constexpr (toml::is_date<Node> || toml::is_time<Node> || toml::is_date_time<Node>) {
      value.is = Value::Other{};
    } else {
      value.is = exact.get();
    }
  });
  return value;
}

// One pass over a parsed file.
class Reader {
 public:
  Reader(string_view file_name, Config base) : file_name_(file_name), config_(std::move(base)) {}

  Result<Config> read(const toml::table& file) && {
    for (const auto& [key, node] : file) {
      if (key.str() == "operation")
        read_operations(node);
      else if (key.str() == "alerts")
        read_alerts(node);
      else
        read_keys<Config>(config_, config_keys(), key, node, std::string(key.str()), "");
    }
    if (mistakes_.empty()) return std::move(config_);
    std::string text;
    for (const auto& [place, what] : mistakes_)
      text += fmt::format("{}{}:{}:{}: {}", text.empty() ? "" : "\n", file_name_, place.first, place.second, what);
    return fail(Code::invalid_argument, std::move(text));
  }

 private:
  void mistake(const toml::source_region& where, std::string what) {
    mistakes_.emplace(std::pair{where.begin.line, where.begin.column}, std::move(what));
  }

  // Sets the key `path` from its node; a table that is not a key itself holds further ones. `planned_as` begins the
  // path under which keys that this version does not offer are known.
  template <class Owner>
  void read_keys(Owner& owner, std::span<const engine::Key<Owner>> keys, const toml::key& name, const toml::node& node,
                 const std::string& path, const std::string& planned_as) {
    const auto key = std::ranges::find(keys, path, &engine::Key<Owner>::path);
    if (key != keys.end()) {
      const Value value = to_value(node);
      if (const auto expected = assign(key->field(owner), value, key->limits))
        mistake(node.source(), fmt::format("{}: expected {}, got {}", path, *expected, describe(value)));
      return;
    }
    const std::string inside = path + ".";
    const bool holds_keys = std::ranges::any_of(keys, [&](const auto& each) { return each.path.starts_with(inside); });
    if (holds_keys) {
      const toml::table* table = node.as_table();
      if (!table)
        return mistake(node.source(), fmt::format("{}: expected a table, got {}", path, describe(to_value(node))));
      for (const auto& [inner, item] : *table)
        read_keys(owner, keys, inner, item, inside + std::string(inner.str()), planned_as);
      return;
    }
    if (engine::is_planned(planned_as + path))
      return mistake(name.source(), fmt::format("{} is not offered by this version", path));
    mistake(name.source(), fmt::format("unknown key {}{}", path, suggestion(keys, path)));
  }

  // Among the names that could stand at the same place.
  template <class Owner>
  static std::string suggestion(std::span<const engine::Key<Owner>> keys, string_view path) {
    const auto dot = path.rfind('.');
    const string_view parent = dot == string_view::npos ? string_view{} : path.substr(0, dot + 1);
    std::set<string_view> names;
    for (const auto& key : keys)
      if (key.path.starts_with(parent)) {
        const auto rest = key.path.substr(parent.size());
        names.insert(rest.substr(0, rest.find('.')));
      }
    if (std::is_same_v<Owner, Config> && parent.empty()) names.insert({"alerts", "operation"});
    const std::vector<string_view> candidates(names.begin(), names.end());
    auto text = engine::did_you_mean(path.substr(parent.size()), candidates);
    if (text.empty())
      text = fmt::format("; known {} {}", parent.empty() ? "are" : fmt::format("in [{}] are", path.substr(0, dot)),
                         fmt::join(candidates, ", "));
    return text;
  }

  // Calls read(table) for every [[path]].
  template <class F>
  void for_each_table(const toml::node& node, string_view path, F read) {
    const toml::array* list = node.as_array();
    if (!list || !std::ranges::all_of(*list, [](const toml::node& item) { return item.is_table(); }))
      return mistake(node.source(), fmt::format("{}: expected a table under [[{}]]", path, path));
    for (const toml::node& item : *list) read(*item.as_table());
  }

  void read_operations(const toml::node& node) {
    for_each_table(node, "operation", [this](const toml::table& item) {
      OperationConfig operation;
      for (const auto& [key, value] : item)
        read_keys<OperationConfig>(operation, operation_keys(), key, value, std::string(key.str()), "operation.");
      if (operation.name.empty()) mistake(item.source(), "operation: expected a name");
      if (operation.argv.empty() || operation.argv.front().empty())
        mistake(item.source(),
                fmt::format("operation \"{}\": expected argv, the program and its arguments", operation.name));
      config_.operations.push_back(std::move(operation));
    });
  }

  void read_alerts(const toml::node& node) {
    const toml::table* alerts = node.as_table();
    if (!alerts) return mistake(node.source(), "alerts: expected [[alerts.channel]] or [[alerts.rule]]");
    for (const auto& [key, inner] : *alerts) {
      if (key.str() == "channel")
        read_named(inner, "alerts.channel", engine::channel_keys(), config_.monitor.channels);
      else if (key.str() == "rule")
        read_named(inner, "alerts.rule", engine::rule_keys(), config_.monitor.rules);
      else
        mistake(key.source(), fmt::format("unknown key alerts.{}; known in [alerts] are channel, rule", key.str()));
    }
  }

  // Every [[path]] as one more of `all`.
  template <class Owner>
  void read_named(const toml::node& node, const std::string& path, std::span<const engine::Key<Owner>> keys,
                  std::vector<Owner>& all) {
    for_each_table(node, path, [&](const toml::table& item) {
      Owner owner;
      for (const auto& [name, value] : item)
        read_keys<Owner>(owner, keys, name, value, std::string(name.str()), path + ".");
      if (owner.name.empty()) mistake(item.source(), path + ": expected a name");
      all.push_back(std::move(owner));
    });
  }

  string_view file_name_;
  Config config_;
  std::multimap<std::pair<toml::source_index, toml::source_index>, std::string> mistakes_;  // in order of their place
};

// The numeric or bracketed address of HOST:PORT, without its port.
struct Endpoint {
  std::string host;
  unsigned port = 0;
};

Result<Endpoint> parse_listen(const std::string& text) {
  const auto wrong = [&] {
    return fail(Code::invalid_argument,
                fmt::format("server.listen: expected HOST:PORT such as 127.0.0.1:8080, got \"{}\"", text));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong();
  Endpoint endpoint{.host = text.substr(0, colon)};
  const string_view digits = string_view(text).substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != string_view::npos)
    return wrong();
  for (const char digit : digits) endpoint.port = endpoint.port * 10 + static_cast<unsigned>(digit - '0');
  if (endpoint.port > 65535) return wrong();
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']'))
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  else if (endpoint.host.find(':') != std::string::npos)
    return wrong();
  return endpoint;
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

Result<void> validate_server(const ServerConfig& server) {
  const auto endpoint = parse_listen(server.listen);
  if (!endpoint) return std::unexpected(endpoint.error());
  if (std::ranges::any_of(server.tokens, &std::string::empty))
    return fail(Code::invalid_argument, "server.tokens: expected tokens that are not empty");
  if (!is_loopback(endpoint->host) && server.tokens.empty() && !server.open)
    return fail(Code::invalid_argument,
                fmt::format("server.listen: {} can be reached from other machines, so server.tokens has to name at "
                            "least one token (or server.open = true lets everybody in)",
                            server.listen));
  return {};
}

bool is_operation_name(string_view name) {
  constexpr string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(letters) == string_view::npos &&
         name.front() != '.' && name.front() != '-';
}

Result<void> validate_operations(const Config& config) {
  std::set<string_view> names;
  if (config.media) names = {"probe", "thumbnail", "transcode"};
  for (const auto& operation : config.operations) {
    const auto wrong = [&](const std::string& what) {
      return fail(Code::invalid_argument, fmt::format("operation \"{}\": {}", operation.name, what));
    };
    if (!is_operation_name(operation.name))
      return wrong("expected a name of letters, digits, \"_\", \"-\" and \".\", at most 64");
    if (!names.insert(operation.name).second) return wrong("there already is an operation of this name");
    if (operation.argv.empty() || operation.argv.front().empty())
      return wrong("expected argv, the program and its arguments");
    if (operation.inline_result && operation.kind == WorkerKind::command)
      return wrong("inline_result is for kinds lines and frames: a command's result is what it writes");
    const unsigned most = operation.max_workers.value_or(config.pool.max_workers);
    if (operation.min_workers > most)
      return wrong(fmt::format("min_workers ({}) is more than max_workers ({})", operation.min_workers, most));
    if (most > config.pool.max_workers)
      return wrong(fmt::format("max_workers ({}) is more than pool.max_workers ({})", most, config.pool.max_workers));
  }
  return {};
}

Result<void> validate_channels(const std::vector<ChannelOptions>& channels) {
  std::set<string_view> names;
  for (const auto& channel : channels)
    if (!is_operation_name(channel.name) || !names.insert(channel.name).second)
      return fail(Code::invalid_argument,
                  fmt::format("alerts.channel: expected names of letters, digits, \"_\", \"-\" and \".\", each once, "
                              "got \"{}\"",
                              channel.name));
  return {};
}

}  // namespace

Result<Config> parse_config(string_view toml, string_view file_name, Config base) {
  toml::table file;
  try {
    file = toml::parse(toml, file_name);
  } catch (const toml::parse_error& error) {
    return fail(Code::invalid_argument, fmt::format("{}:{}:{}: {}", file_name, error.source().begin.line,
                                                    error.source().begin.column, error.description()));
  }
  return Reader(file_name, std::move(base)).read(file);
}

Result<Config> load_config(const std::filesystem::path& file, Config base) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file))
    return fail(Code::invalid_argument, fmt::format("cannot read the configuration file {}", file.string()),
                std::filesystem::is_directory(file) ? Error{Code::io, "it is a directory", nullptr}
                                                    : system_error(errno, "opening it"));
  std::ostringstream text;
  text << stream.rdbuf();
  return parse_config(text.view(), file.string(), std::move(base));
}

Result<Config> apply_environment(Config base, const std::map<std::string, std::string>& environment) {
  std::map<std::string, const engine::Key<Config>*> known;
  std::set<std::string> sections;
  for (const auto& key : config_keys()) {
    known.emplace(engine::environment_name(key.path), &key);
    sections.insert(engine::environment_name(key.path.substr(0, key.path.find('.') + 1)));
  }
  const std::vector<string_view> names = [&] {
    std::vector<string_view> all;
    for (const auto& [name, key] : known) all.push_back(name);
    return all;
  }();
  std::vector<std::string> mistakes;
  for (const auto& [name, text] : environment) {
    // Other variables of ours (HOTWELL_TOKEN, ...) are not keys of a section.
    if (std::ranges::none_of(sections, [&](const auto& section) { return name.starts_with(section); })) continue;
    const auto found = known.find(name);
    if (found == known.end()) {
      mistakes.push_back(fmt::format("unknown environment variable {}{}", name, engine::did_you_mean(name, names)));
    } else if (const auto set = engine::set_key(base, found->second->path, text, name); !set) {
      mistakes.push_back(set.error().message);
    }
  }
  if (!mistakes.empty()) return fail(Code::invalid_argument, fmt::format("{}", fmt::join(mistakes, "\n")));
  return base;
}

Result<void> validate(const Config& config) {
  if (const auto server = validate_server(config.server); !server) return server;
  if (config.pool.min_workers > config.pool.max_workers)
    return fail(Code::invalid_argument, fmt::format("pool.min_workers ({}) is more than pool.max_workers ({})",
                                                    *config.pool.min_workers, config.pool.max_workers));
  for (const auto& root : config.media_roots)
    if (root.empty()) return fail(Code::invalid_argument, "media.roots: expected paths that are not empty");
  if (const auto channels = validate_channels(config.monitor.channels); !channels) return channels;
  if (auto rules = monitor::check_rules(config.monitor.rules); !rules) return rules;
  return validate_operations(config);
}

}  // namespace hotwell
