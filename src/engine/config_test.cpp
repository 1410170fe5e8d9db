// Configuration as people write it: every key, every mistake, and the example file held to the table of keys.
#include <hotwell/config.hpp>

#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/config_keys.hpp"
#include "engine/near_miss.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using engine::config_keys;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string mistake_in(std::string_view toml) {
  const auto config = parse_config(toml, "hotwell.toml");
  if (config) return "(accepted)";
  EXPECT_EQ(config.error().code, Code::invalid_argument);
  return config.error().message;
}

std::string read_source_file(const char* name) {
  std::ifstream file(std::string(HOTWELL_SOURCE_DIR) + "/" + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Config, AnEmptyFileIsTheDefaults) {
  const auto config = parse_config("", "empty.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(engine::render_config(*config), engine::render_config(Config{}));
  EXPECT_TRUE(validate(*config));
}

TEST(Config, EveryKeyIsTakenFromTheFile) {
  const auto config = parse_config(R"(
[server]
listen = "[::1]:0"
hosts = ["media.example.org", "b"]
tokens = ["secret"]
open = true
max_body = "1GiB"
timeouts = { header = "5s", idle = "1m30s" }
result_hold = "1h"
threads = 3
data_dir = "/srv/hotwell"
log_level = "debug"
[media]
roots = ["/srv/a", "b"]
enabled = false
worker = "/usr/bin/worker"
[pool]
min_workers = 0
max_workers = 4
reuse_workers = false
timeout = "90s"
retries = 0
backoff = "250ms"
max_crashes = 5
weights = { high = 5, normal = 2, low = 1 }
queue_limit = 7
kill_grace = "2s"
spawner = "/usr/bin/spawner"
[cache]
memory_limit = "64MiB"
disk_limit = 1073741824
stream_limit = "2 GiB"
max_age = "1d"
dir = "/var/cache/hotwell"
promote_after = 9
stream_over = "1MiB"
policy = "lru"
[monitor]
enabled = false
window = "30s"
for = "1s"
clear_for = "2s"
clear_at = 0.5
min_samples = 3
[monitor.thresholds]
cpu = 70
memory = 80.5
error_rate = 1
queue_depth = 50
)",
                                   "full.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.listen, "[::1]:0");
  EXPECT_THAT(config->server.hosts, ElementsAre("media.example.org", "b"));
  EXPECT_THAT(config->server.tokens, ElementsAre("secret"));
  EXPECT_TRUE(config->server.open);
  EXPECT_EQ(config->server.max_body, 1_GiB);
  EXPECT_EQ(config->server.header_timeout, 5s);
  EXPECT_EQ(config->server.idle_timeout, 90s);
  EXPECT_EQ(config->server.result_hold, 1h);
  EXPECT_EQ(config->server.threads, 3U);
  EXPECT_EQ(config->data_dir, "/srv/hotwell");
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_THAT(config->media_roots, ElementsAre("/srv/a", "b"));
  EXPECT_FALSE(config->media);
  EXPECT_EQ(config->media_worker, "/usr/bin/worker");
  EXPECT_EQ(config->pool.min_workers, 0U);
  EXPECT_EQ(config->pool.max_workers, 4U);
  EXPECT_FALSE(config->pool.reuse_workers);
  EXPECT_EQ(config->pool.timeout, 90s);
  EXPECT_EQ(config->pool.retries, 0U);
  EXPECT_EQ(config->pool.backoff, 250ms);
  EXPECT_EQ(config->pool.max_crashes, 5U);
  EXPECT_THAT(config->pool.weights, ElementsAre(5U, 2U, 1U));
  EXPECT_EQ(config->pool.queue_limit, 7U);
  EXPECT_EQ(config->pool.kill_grace, 2s);
  EXPECT_EQ(config->pool.spawner, "/usr/bin/spawner");
  EXPECT_EQ(config->cache.memory_limit, 64_MiB);
  EXPECT_EQ(config->cache.disk_limit, 1_GiB);
  EXPECT_EQ(config->cache.stream_limit, 2_GiB);
  EXPECT_EQ(config->cache.max_age, 24h);
  EXPECT_EQ(config->cache.directory, "/var/cache/hotwell");
  EXPECT_EQ(config->cache.promote_after, 9U);
  EXPECT_EQ(config->cache.stream_over, 1_MiB);
  EXPECT_EQ(config->cache.policy, "lru");
  EXPECT_FALSE(config->monitor.enabled);
  EXPECT_EQ(config->monitor.window, 30s);
  EXPECT_EQ(config->monitor.raise_for, 1s);
  EXPECT_EQ(config->monitor.clear_for, 2s);
  EXPECT_EQ(config->monitor.clear_at, 0.5);
  EXPECT_EQ(config->monitor.min_samples, 3U);
  EXPECT_EQ(config->monitor.thresholds.cpu, 70);
  EXPECT_EQ(config->monitor.thresholds.memory, 80.5);
  EXPECT_EQ(config->monitor.thresholds.error_rate, 1);
  EXPECT_EQ(config->monitor.thresholds.queue_depth, 50);
}

TEST(Config, AnOperationTakesEveryKeyOfItsTable) {
  const auto config = parse_config(R"(
[[operation]]
name = "upper"
kind = "command"
argv = ["tr", "a-z", "A-Z"]
stdin = "input"
content_type = "text/plain"
cache = false
ttl = "2h"
negative_ttl = "10s"
timeout = "30s"
no_progress = "10s"
tenant = "letters"
permanent_exit_codes = [2, 3]
env = { LANG = "C.UTF-8" }
min_workers = 1
max_workers = 2
max_crashes = 4
version = "2"
[[operation]]
name = "date"
argv = ["date"]
[[operation]]
name = "warm"
kind = "frames"
argv = ["worker"]
sandbox = true
memory_limit = "64MiB"
from_template = true
[[operation]]
name = "script"
kind = "lines"
argv = ["node", "script.js"]
)",
                                   "operations.toml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->operations.size(), 4U);
  const auto& upper = config->operations[0];
  EXPECT_EQ(upper.name, "upper");
  EXPECT_EQ(upper.kind, WorkerKind::command);
  EXPECT_EQ(upper.ttl, 2h);
  EXPECT_EQ(upper.negative_ttl, 10s);
  EXPECT_THAT(upper.argv, ElementsAre("tr", "a-z", "A-Z"));
  EXPECT_TRUE(upper.stdin_is_input);
  EXPECT_EQ(upper.content_type, "text/plain");
  EXPECT_FALSE(upper.cache);
  EXPECT_EQ(upper.timeout, 30s);
  EXPECT_EQ(upper.no_progress, 10s);
  EXPECT_EQ(upper.tenant, "letters");
  EXPECT_THAT(upper.permanent_exit_codes, ElementsAre(2, 3));
  EXPECT_EQ(upper.env.at("LANG"), "C.UTF-8");
  EXPECT_EQ(upper.min_workers, 1U);
  EXPECT_EQ(upper.max_workers, 2U);
  EXPECT_EQ(upper.max_crashes, 4U);
  EXPECT_EQ(upper.version, "2");
  EXPECT_FALSE(config->operations[1].stdin_is_input);
  EXPECT_EQ(config->operations[2].kind, WorkerKind::frames);
  EXPECT_EQ(config->operations[2].sandbox, true);
  EXPECT_EQ(config->operations[2].memory_limit, Bytes{64 << 20});
  EXPECT_TRUE(config->operations[2].from_template);
  EXPECT_EQ(config->operations[3].kind, WorkerKind::lines);
  EXPECT_FALSE(config->operations[3].sandbox);
  EXPECT_TRUE(validate(*config));
}

TEST(Config, MistakesNameFileLineColumnKeyAndWhatWasExpected) {
  EXPECT_EQ(mistake_in("[pool]\nmax_wrokers = 4\n"),
            "hotwell.toml:2:1: unknown key pool.max_wrokers; did you mean \"max_workers\"?");
  EXPECT_EQ(mistake_in("[pool]\nmax_workers = \"4\"\n"),
            "hotwell.toml:2:15: pool.max_workers: expected a whole number from 1 to 1024, got the text \"4\"");
  EXPECT_EQ(mistake_in("[pool]\nmax_workers = 0\n"),
            "hotwell.toml:2:15: pool.max_workers: expected a whole number from 1 to 1024, got the number 0");
  EXPECT_EQ(mistake_in("[pool]\nretries = -1\n"),
            "hotwell.toml:2:11: pool.retries: expected a whole number from 0 to 100, got the number -1");
  EXPECT_EQ(mistake_in("[pool]\nretries = 1.5\n"),
            "hotwell.toml:2:11: pool.retries: expected a whole number from 0 to 100, got the number 1.5");
  EXPECT_EQ(mistake_in("[pool]\ntimeout = 300\n"),
            "hotwell.toml:2:11: pool.timeout: expected a duration such as \"250ms\", \"5m\" or \"7d\" from 1ms to 30d, "
            "got the number 300");
  EXPECT_EQ(
      mistake_in("[cache]\nmemory_limit = \"100 cows\"\n"),
      "hotwell.toml:2:16: cache.memory_limit: expected a size such as \"100MiB\" or \"5GiB\" from 64KiB to 16TiB, "
      "got the text \"100 cows\"");
  EXPECT_EQ(mistake_in("[cache]\npolicy = \"clock\"\n"),
            "hotwell.toml:2:10: cache.policy: expected one of \"default\", \"wtinylfu\", \"s3fifo\", \"sieve\", "
            "\"lru\", \"fifo\", "
            "got the text \"clock\"");
  EXPECT_EQ(mistake_in("[server]\nopen = \"yes\"\n"),
            "hotwell.toml:2:8: server.open: expected true or false, got the text \"yes\"");
  EXPECT_EQ(mistake_in("[server]\ntokens = [1]\n"),
            "hotwell.toml:2:10: server.tokens: expected a list of texts such as [\"a\", \"b\"], got a list");
  EXPECT_EQ(mistake_in("pool = 3\n"), "hotwell.toml:1:8: pool: expected a table, got the number 3");
  EXPECT_EQ(mistake_in("[poool]\n"), "hotwell.toml:1:2: unknown key poool; did you mean \"pool\"?");
  EXPECT_EQ(mistake_in("[[operations]]\nname = \"x\"\n"),
            "hotwell.toml:1:3: unknown key operations; did you mean \"operation\"?");
  EXPECT_THAT(
      mistake_in("[monitor]\nthresholds = { cpu = 80, gpu_temperature = 90 }\n"),
      HasSubstr("unknown key monitor.thresholds.gpu_temperature; known in [monitor.thresholds] are burn_rate, cpu, "));
  EXPECT_EQ(mistake_in("[monitor]\nthresholds = { cpu = 101 }\n"),
            "hotwell.toml:2:22: monitor.thresholds.cpu: expected a number from 0 to 100, got the number 101");
  EXPECT_EQ(
      mistake_in("[monitor]\nwindow = 2026-01-01\n"),
      "hotwell.toml:2:10: monitor.window: expected a duration such as \"250ms\", \"5m\" or \"7d\" from 1s to 5m, got "
      "a date or time");
}

TEST(Config, SyntaxErrorsNameThePlace) {
  EXPECT_THAT(mistake_in("[pool]\nmax_workers = \n"), ::testing::StartsWith("hotwell.toml:2:"));
  EXPECT_THAT(mistake_in("[pool]\nretries = 1\nretries = 2\n"), ::testing::StartsWith("hotwell.toml:3:"));
}

TEST(Config, EveryMistakeIsReportedInTheOrderOfTheFile) {
  EXPECT_EQ(mistake_in("[server]\nopen = 1\n[cache]\npolicy = 2\n"),
            "hotwell.toml:2:8: server.open: expected true or false, got the number 1\n"
            "hotwell.toml:4:10: cache.policy: expected one of \"default\", \"wtinylfu\", \"s3fifo\", \"sieve\", "
            "\"lru\", \"fifo\", "
            "got the number 2");
}

TEST(Config, WhatThisVersionDoesNotOfferIsSaidSo) {
  EXPECT_EQ(mistake_in("[optimizer]\nenabled = true\n"), "hotwell.toml:1:2: optimizer is not offered by this version");
  EXPECT_EQ(mistake_in("[[alerts.nonsense]]\nname = \"x\"\n"),
            "hotwell.toml:1:10: unknown key alerts.nonsense; known in [alerts] are channel, rule");
  EXPECT_THAT(mistake_in("[[alerts.channel]]\nname = \"x\"\nkind = \"pigeon\"\n"),
              HasSubstr("hotwell.toml:3:8: kind: "));
}

TEST(Config, AlertsOfOnesOwnAreReadAndJudged) {
  const auto config = parse_config(R"(
[[alerts.rule]]
name = "slow"
series = "latency.p95"
endpoint = "GET /v1/jobs"
level = 0.5
clear = 0.25
window = "2m"
for = "30s"
severity = "critical"
[[alerts.rule]]
name = "cold"
series = "cache.hit_ratio"
op = "<"
level = 0.4
)",
                                   "hotwell.toml");
  ASSERT_TRUE(config) << to_string(config.error());
  ASSERT_EQ(config->monitor.rules.size(), 2U);
  const auto& slow = config->monitor.rules[0];
  EXPECT_EQ(slow.endpoint, "GET /v1/jobs");
  EXPECT_EQ(slow.clear, 0.25);
  EXPECT_EQ(slow.window, std::chrono::minutes{2});
  EXPECT_EQ(slow.raise_for, std::chrono::seconds{30});
  EXPECT_EQ(slow.severity, Severity::critical);
  EXPECT_TRUE(config->monitor.rules[1].below);
  EXPECT_TRUE(validate(*config));
  const std::string shown = engine::render_config(*config);
  const auto again = parse_config(shown, "shown");
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again->monitor.rules, config->monitor.rules);
  EXPECT_EQ(mistake_in("[[alerts.rule]]\nname = \"x\"\nop = \"=\"\n"),
            "hotwell.toml:3:6: op: expected \">\" or \"<\", got the text \"=\"");
  Config wrong;
  wrong.monitor.rules = {{.name = "x", .series = "nonsense"}};
  EXPECT_THAT(validate(wrong).error().message, HasSubstr("there is no series \"nonsense\""));
}

TEST(Config, MistakesInAnOperationNameTheKey) {
  EXPECT_THAT(mistake_in("[[operation]]\nname = \"a\"\n"),
              HasSubstr(R"(operation "a": expected argv, the program and its arguments)"));
  EXPECT_EQ(mistake_in("[[operation]]\nname = \"a\"\nargv = [\"a\"]\nstdin = \"output\"\n"),
            "hotwell.toml:4:9: stdin: expected \"input\", got the text \"output\"");
  EXPECT_EQ(mistake_in("[[operation]]\nname = \"a\"\nargv = [\"a\"]\nkind = \"thread\"\n"),
            "hotwell.toml:4:8: kind: expected one of \"command\", \"lines\", \"frames\", got the text \"thread\"");
  EXPECT_EQ(mistake_in("[[operation]]\nname = \"a\"\nargv = [\"a\"]\ncontent-type = \"text/plain\"\n"),
            "hotwell.toml:4:1: unknown key content-type; did you mean \"content_type\"?");
}

TEST(Config, AFileThatCannotBeReadIsNamed) {
  const auto absent = load_config("/nonexistent/hotwell.toml");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Code::invalid_argument);
  EXPECT_THAT(to_string(absent.error()), HasSubstr("/nonexistent/hotwell.toml"));
  EXPECT_THAT(to_string(absent.error()), HasSubstr("No such file"));
  EXPECT_FALSE(load_config("/"));
}

TEST(Config, TheEnvironmentGoesOverTheFile) {
  auto config = parse_config("[pool]\nmax_workers = 4\nretries = 1\n", "file.toml");
  ASSERT_TRUE(config);
  config = apply_environment(*config, {{"HOTWELL_POOL_MAX_WORKERS", "16"},
                                       {"HOTWELL_CACHE_MEMORY_LIMIT", "1GiB"},
                                       {"HOTWELL_SERVER_OPEN", "true"},
                                       {"HOTWELL_SERVER_TOKENS", "a,b"},
                                       {"HOTWELL_MEDIA_ROOTS", "/srv/x"},
                                       {"HOTWELL_MONITOR_THRESHOLDS_CPU", "62.5"},
                                       {"HOTWELL_SERVER_TIMEOUTS_IDLE", "5s"},
                                       {"HOTWELL_TOKEN", "not a key"},
                                       {"HOTWELL_SPAWNER", "not a key"},
                                       {"PATH", "/bin"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->pool.max_workers, 16U);
  EXPECT_EQ(config->pool.retries, 1U);
  EXPECT_EQ(config->cache.memory_limit, 1_GiB);
  EXPECT_TRUE(config->server.open);
  EXPECT_THAT(config->server.tokens, ElementsAre("a", "b"));
  EXPECT_THAT(config->media_roots, ElementsAre("/srv/x"));
  EXPECT_EQ(config->monitor.thresholds.cpu, 62.5);
  EXPECT_EQ(config->server.idle_timeout, 5s);
}

TEST(Config, MistakesInTheEnvironmentNameTheVariable) {
  const auto unknown = apply_environment({}, {{"HOTWELL_POOL_MAX_WORKRES", "4"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "unknown environment variable HOTWELL_POOL_MAX_WORKRES; did you mean \"HOTWELL_POOL_MAX_WORKERS\"?");
  const auto wrong = apply_environment({}, {{"HOTWELL_POOL_MAX_WORKERS", "many"}, {"HOTWELL_SERVER_OPEN", "1"}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "HOTWELL_POOL_MAX_WORKERS: expected a whole number from 1 to 1024, got \"many\"\n"
            "HOTWELL_SERVER_OPEN: expected true or false, got \"1\"");
}

TEST(Config, EveryKeyHasADistinctVariableAndADescription) {
  std::set<std::string> names;
  std::string_view described;
  for (const auto& key : config_keys()) {
    EXPECT_TRUE(names.insert(engine::environment_name(key.path)).second) << key.path;
    // Members of one small table share the description of the first.
    const auto parent = key.path.substr(0, key.path.rfind('.'));
    if (key.description.empty())
      EXPECT_EQ(parent, described) << key.path;
    else
      described = parent;
  }
}

TEST(Config, EveryDefaultLiesWithinItsLimits) {
  Config config;
  for (const auto& key : config_keys()) {
    const auto number = to_number(key.field(config));
    if (!number) continue;
    EXPECT_GE(*number, key.limits.min) << key.path;
    EXPECT_LE(*number, key.limits.max) << key.path;
  }
}

TEST(Config, TheExampleIsTheTableOfKeys) {
  // After a change of the keys: hotwell config > hotwell.example.toml (without HOTWELL_ variables).
  EXPECT_EQ(read_source_file("hotwell.example.toml"), engine::render_config(Config{}));
}

TEST(Config, TheExampleParsesToTheDefaults) {
  const std::string example = read_source_file("hotwell.example.toml");
  const auto config = parse_config(example, "hotwell.example.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(engine::render_config(*config), engine::render_config(Config{}));
  for (const auto& key : config_keys())
    EXPECT_THAT(example, HasSubstr(std::string(key.path.substr(key.path.find('.') + 1)) + " = ")) << key.path;
}

// Uncomments every sample, so that what the example suggests is accepted too.
TEST(Config, TheExamplesSamplesAreAccepted) {
  std::istringstream example(read_source_file("hotwell.example.toml"));
  std::string uncommented;
  for (std::string line; std::getline(example, line);) {
    const bool sample = line.starts_with("# ") && (line.find(" = ") != std::string::npos || line.starts_with("# [["));
    const bool one_key = sample && line.find_first_of(" =", 2) == line.find(" = ");
    uncommented += (sample && (one_key || line.starts_with("# [[")) ? line.substr(2) : line) + "\n";
  }
  const auto config = parse_config(uncommented, "uncommented");
  ASSERT_TRUE(config) << config.error().message << "\n" << uncommented;
  EXPECT_THAT(config->media_roots, ElementsAre("/srv/media"));
  ASSERT_EQ(config->operations.size(), 1U);
  EXPECT_EQ(config->operations[0].name, "upper");
  EXPECT_TRUE(validate(*config));
}

TEST(Config, TokensAreNotShown) {
  Config config;
  config.server.tokens = {"very secret"};
  EXPECT_THAT(engine::render_config(config), Not(HasSubstr("very secret")));
}

TEST(Config, WhatIsShownReadsBackTheSame) {
  Config config;
  config.media_roots = {"/a \"quoted\" folder", "b\\c"};
  config.cache.stream_limit = 123_B;
  config.pool.backoff = 1500ms;
  config.monitor.window = 90s;
  config.cache.stream_limit = Bytes{(1ULL << 40) + 1};
  config.operations.push_back({.name = "x", .argv = {"/bin/x", "{input}"}, .env = {{"A", "b\n"}}});
  const std::string shown = engine::render_config(config);
  const auto again = parse_config(shown, "shown");
  ASSERT_TRUE(again) << again.error().message << "\n" << shown;
  EXPECT_EQ(engine::render_config(*again), shown);
  EXPECT_EQ(again->media_roots, config.media_roots);
  EXPECT_EQ(again->operations, config.operations);
}

std::string judged(auto change) {
  Config config;
  change(config);
  const auto result = validate(config);
  return result ? "" : result.error().message;
}

TEST(Config, PublicAddressesWantTokensOrTheWordOpen) {
  const auto listen = [](const char* address) {
    return judged([&](Config& config) { config.server.listen = address; });
  };
  EXPECT_EQ(listen("127.0.0.1:8080"), "");
  EXPECT_EQ(listen("127.1.2.3:0"), "");
  EXPECT_EQ(listen("localhost:0"), "");
  EXPECT_EQ(listen("[::1]:0"), "");
  EXPECT_THAT(listen("0.0.0.0:8080"), HasSubstr("server.tokens"));
  EXPECT_THAT(listen("[::]:8080"), HasSubstr("server.tokens"));
  EXPECT_THAT(listen("media.example.org:80"), HasSubstr("server.tokens"));
  EXPECT_EQ(judged([](Config& config) {
              config.server.listen = "0.0.0.0:80";
              config.server.tokens = {"t"};
            }),
            "");
  EXPECT_EQ(judged([](Config& config) {
              config.server.listen = "0.0.0.0:80";
              config.server.open = true;
            }),
            "");
  for (const auto* wrong : {"8080", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536", "127.0.0.1:80x", "::1:80", ""})
    EXPECT_THAT(listen(wrong), HasSubstr("expected HOST:PORT")) << wrong;
  EXPECT_THAT(judged([](Config& config) { config.server.tokens = {""}; }), HasSubstr("server.tokens"));
}

TEST(Config, WhatDoesNotFitTogetherIsRefused) {
  EXPECT_THAT(judged([](Config& config) { config.pool.min_workers = 9; }), HasSubstr("pool.min_workers (9)"));
  const auto with = [](OperationConfig operation) {
    return judged([&](Config& config) { config.operations = {operation}; });
  };
  EXPECT_EQ(with({.name = "a", .argv = {"a"}}), "");
  EXPECT_THAT(with({.name = "a/b", .argv = {"a"}}), HasSubstr("expected a name"));
  EXPECT_THAT(with({.name = "probe", .argv = {"a"}}), HasSubstr("already"));
  EXPECT_THAT(with({.name = "a", .argv = {}}), HasSubstr("argv"));
  EXPECT_THAT(with({.name = "a", .argv = {"a"}, .min_workers = 9}), HasSubstr("min_workers (9)"));
  EXPECT_THAT(with({.name = "a", .argv = {"a"}, .max_workers = 9}), HasSubstr("pool.max_workers (8)"));
}

TEST(NearMiss, SuggestsOnlyWhatWasProbablyMeant) {
  constexpr std::array<std::string_view, 3> known{"timeout", "retries", "max_workers"};
  EXPECT_EQ(engine::did_you_mean("timeuot", known), "; did you mean \"timeout\"?");
  EXPECT_EQ(engine::did_you_mean("retrys", known), "; did you mean \"retries\"?");
  EXPECT_EQ(engine::did_you_mean("colour", known), "");
  EXPECT_EQ(engine::did_you_mean("", known), "");
}

}  // namespace
}  // namespace hotwell
