#include "engine/config_keys.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::engine {
namespace {

using std::string_view;

constexpr double ms = 1e-3;
constexpr double minute = 60;
constexpr double hour = 60 * minute;
constexpr double day = 24 * hour;
constexpr double KiB = 1024;
constexpr double TiB = KiB * KiB * KiB * KiB;
constexpr double PiB = TiB * KiB;

constexpr std::array<string_view, 6> log_levels{"trace", "debug", "info", "warn", "error", "off"};
constexpr std::array<string_view, 6> policies{"default", "wtinylfu", "s3fifo", "sieve", "lru", "fifo"};
constexpr std::array<string_view, 3> durabilities{"memory", "process", "power"};
constexpr std::array<string_view, 2> schedulings{"fair", "strict"};
constexpr std::array<string_view, 3> operation_kinds{"command", "lines", "frames"};

using K = Key<Config>;
const std::array config_table{
    K{"server.listen", "HOST:PORT; port 0 picks a free one. Beyond loopback only with tokens, or with open = true.",
      [](Config& c) -> Field { return &c.server.listen; }},
    K{"server.hosts",
      "Further names under which browsers may reach this server (Host and Origin headers).",
      [](Config& c) -> Field { return &c.server.hosts; },
      {},
      R"(["media.example.org"])"},
    K{"server.tokens",
      "Where set, every request but the health probes has to carry one of these as its bearer token.",
      [](Config& c) -> Field { return &c.server.tokens; },
      {},
      R"(["a long random text"])",
      K::Shown::masked},
    K{"server.open", "Listen beyond loopback without tokens: everybody who can reach the port can use everything.",
      [](Config& c) -> Field { return &c.server.open; }},
    K{"server.max_body",
      "The largest body of one request.",
      [](Config& c) -> Field { return &c.server.max_body; },
      {KiB, PiB}},
    K{"server.timeouts.header",
      "How long a client may take to send a request's header.",
      [](Config& c) -> Field { return &c.server.header_timeout; },
      {100 * ms, hour}},
    K{"server.timeouts.idle",
      "How long a connection may rest between two requests, or stall within one.",
      [](Config& c) -> Field { return &c.server.idle_timeout; },
      {100 * ms, day}},
    K{"server.result_hold",
      "How long a finished job's result is held for its asker, cached or not.",
      [](Config& c) -> Field { return &c.server.result_hold; },
      {0, 30 * day}},
    K{"server.threads",
      "Threads that serve connections; 0 is one for each processor.",
      [](Config& c) -> Field { return &c.server.threads; },
      {0, 1024}},
    K{"server.data_dir",
      "Where everything that survives a restart is kept. Empty: /var/lib/hotwell for root, else "
      "$XDG_STATE_HOME/hotwell.",
      [](Config& c) -> Field { return &c.data_dir; },
      {},
      R"("/var/lib/hotwell")"},
    K{"server.log_level",
      "How much is logged to standard error: trace, debug, info, warn, error or off.",
      [](Config& c) -> Field { return &c.log_level; },
      {.choices = log_levels}},

    K{"media.roots",
      "Folders whose files may be named as inputs. Nothing outside them can be opened.",
      [](Config& c) -> Field { return &c.media_roots; },
      {},
      R"(["/srv/media"])"},
    K{"media.enabled", "Offer the built-in operations probe, thumbnail and transcode.",
      [](Config& c) -> Field { return &c.media; }},
    K{"media.worker",
      "The media worker's executable. Empty: beside the spawner.",
      [](Config& c) -> Field { return &c.media_worker; },
      {},
      R"("/usr/libexec/hotwell/hotwell-media-worker")"},

    K{"media.sandbox", "Media workers may compute and use what they are handed, and open, reach or start nothing.",
      [](Config& c) -> Field { return &c.media_sandbox; }},
    K{"media.memory_limit",
      "Private memory of one media worker; a job that wants more ends as out_of_memory.",
      [](Config& c) -> Field { return &c.media_memory_limit; },
      {64 * 1024 * KiB, PiB}},

    K{"pool.min_workers",
      "Media workers that are kept warm. Absent: 2, or max_workers where that is less.",
      [](Config& c) -> Field { return &c.pool.min_workers; },
      {0, 1024},
      "2"},
    K{"pool.max_workers",
      "Worker processes at one time, of all types together.",
      [](Config& c) -> Field { return &c.pool.max_workers; },
      {1, 1024}},
    K{"pool.reuse_workers", "Keep workers for the next job; false is a fresh process for every job.",
      [](Config& c) -> Field { return &c.pool.reuse_workers; }},
    K{"pool.timeout",
      "How long one attempt of a job may run before its processes are killed.",
      [](Config& c) -> Field { return &c.pool.timeout; },
      {1 * ms, 30 * day}},
    K{"pool.retries",
      "Further attempts after one that failed for a reason that may pass.",
      [](Config& c) -> Field { return &c.pool.retries; },
      {0, 100}},
    K{"pool.backoff",
      "The most that the first retry waits; it doubles with every further one, at random below.",
      [](Config& c) -> Field { return &c.pool.backoff; },
      {0, hour}},
    K{"pool.max_crashes",
      "Crashes after which a job is given up, whatever retries it has left.",
      [](Config& c) -> Field { return &c.pool.max_crashes; },
      {1, 100}},
    K{"pool.weights.high",
      "Shares of worker time by priority where all three wait.",
      [](Config& c) -> Field { return &c.pool.weights[0]; },
      {1, 1000}},
    K{"pool.weights.normal", "", [](Config& c) -> Field { return &c.pool.weights[1]; }, {1, 1000}},
    K{"pool.weights.low", "", [](Config& c) -> Field { return &c.pool.weights[2]; }, {1, 1000}},
    K{"pool.queue_limit",
      "Jobs that may wait; more are refused at once.",
      [](Config& c) -> Field { return &c.pool.queue_limit; },
      {1, 10'000'000}},
    K{"pool.durability",
      "What accepted jobs survive: memory (nothing), process (kill -9 of this process) or power (a power cut).",
      [](Config& c) -> Field { return &c.journal.durability; },
      {.choices = durabilities}},
    K{"pool.kill_grace",
      "Between asking a worker to end and killing it.",
      [](Config& c) -> Field { return &c.pool.kill_grace; },
      {0, minute}},
    K{"pool.no_progress",
      "An attempt that gives no sign of life for so long is stopped: no progress, output or beat of a worker of kind "
      "lines or frames, nothing that a command writes. Absent: never.",
      [](Config& c) -> Field { return &c.pool.no_progress; },
      {1 * ms, 30 * day},
      R"("1m")"},
    K{"pool.scheduling",
      "fair: the priorities share the workers by their weights. strict: one strictly before the other.",
      [](Config& c) -> Field { return &c.pool.scheduling; },
      {.choices = schedulings}},
    K{"pool.ageing",
      "strict: a job rises by a priority each time it has waited so long; 0s: never.",
      [](Config& c) -> Field { return &c.pool.ageing; },
      {0, day}},
    K{"pool.retry_share",
      "Of a priority's worker time, what retries get at most while first attempts wait.",
      [](Config& c) -> Field { return &c.pool.retry_share; },
      {0.01, 0.99}},
    K{"pool.breaker_crashes",
      "Crashes in a row that hold an operation's jobs back for a while; 0: never.",
      [](Config& c) -> Field { return &c.pool.breaker_crashes; },
      {0, 1000}},
    K{"pool.feed_ahead",
      "Jobs that a warm worker may be handed at once, where they take under a millisecond.",
      [](Config& c) -> Field { return &c.pool.feed_ahead; },
      {1, 8}},
    K{"pool.spin",
      "How long, up to 50us, pool and workers look for each other's next word before they sleep; 0: never.",
      [](Config& c) -> Field { return &c.pool.spin; },
      {0, 50e-6}},
    K{"pool.idle_after",
      "Idle workers beyond the minimum leave after this.",
      [](Config& c) -> Field { return &c.pool.idle_after; },
      {0, day}},
    K{"pool.start_limit",
      "A warm worker has to be ready within this.",
      [](Config& c) -> Field { return &c.pool.start_limit; },
      {10 * ms, hour}},
    K{"pool.start_failures",
      "From so many failed starts of a worker in a row on, each costs the jobs that wait for it an attempt; 0: never.",
      [](Config& c) -> Field { return &c.pool.start_failures; },
      {0, 1000}},
    K{"pool.recycle.jobs",
      "A warm worker is replaced after so many jobs, such a growth of its private memory, or at such an age; 0: never.",
      [](Config& c) -> Field { return &c.pool.recycle.jobs; },
      {0, 1e9}},
    K{"pool.recycle.growth", "", [](Config& c) -> Field { return &c.pool.recycle.growth; }, {0, PiB}},
    K{"pool.recycle.age", "", [](Config& c) -> Field { return &c.pool.recycle.age; }, {0, 365 * day}},
    K{"pool.spawner",
      "The helper executable that owns the workers. Empty: beside this program.",
      [](Config& c) -> Field { return &c.pool.spawner; },
      {},
      R"("/usr/libexec/hotwell/hotwell-spawner")"},

    K{"journal.enabled",
      "Keep accepted jobs, their attempts and ends in the data directory; false: every job ends with this process.",
      [](Config& c) -> Field { return &c.journal.enabled; }},
    K{"journal.keep",
      "Ended jobs that are kept, and as many dead ones.",
      [](Config& c) -> Field { return &c.journal.keep; },
      {0, 100'000'000}},
    K{"journal.keep_for",
      "How long ended jobs are kept.",
      [](Config& c) -> Field { return &c.journal.keep_for; },
      {1, 36500 * day}},

    K{"cache.memory_limit",
      "The most that cached objects take of memory, everything counted.",
      [](Config& c) -> Field { return &c.cache.memory_limit; },
      {64 * KiB, 16 * TiB}},
    K{"cache.disk_limit",
      "The most that cached objects take of disk.",
      [](Config& c) -> Field { return &c.cache.disk_limit; },
      {64 * KiB, PiB}},
    K{"cache.stream_limit",
      "The most of the objects over stream_over. Absent: a tenth of the file system stays free.",
      [](Config& c) -> Field { return &c.cache.stream_limit; },
      {64 * KiB, PiB},
      R"("20GiB")"},
    K{"cache.max_age",
      "How long an object lives that names no time of its own.",
      [](Config& c) -> Field { return &c.cache.max_age; },
      {1 * ms, 36500 * day}},
    K{"cache.ttl_jitter",
      "The part of its time by which an object may expire sooner, so that what came together does not go together.",
      [](Config& c) -> Field { return &c.cache.ttl_jitter; },
      {0, 0.9}},
    K{"cache.dir",
      "Empty: the folder cache below the data directory.",
      [](Config& c) -> Field { return &c.cache.directory; },
      {},
      R"("/var/cache/hotwell")"},
    K{"cache.promote_after",
      "More hits on disk than this promote an object to memory.",
      [](Config& c) -> Field { return &c.cache.promote_after; },
      {0, 1'000'000}},
    K{"cache.stream_over",
      "Larger objects never enter memory.",
      [](Config& c) -> Field { return &c.cache.stream_over; },
      {4 * KiB, TiB}},
    K{"cache.policy",
      "Who leaves the memory tier first. default is the one that did best over recorded traffic (hotwell replay "
      "compares).",
      [](Config& c) -> Field { return &c.cache.policy; },
      {.choices = policies}},

    K{"monitor.enabled", "false: counters stay; sampling, history, alerts and recommendations are off.",
      [](Config& c) -> Field { return &c.monitor.enabled; }},
    K{"monitor.window",
      "What the figures of requests and latency look back on.",
      [](Config& c) -> Field { return &c.monitor.window; },
      {1, 300}},
    K{"monitor.thresholds.cpu",
      "Alerts are raised above these: percent, percent, percent of requests, jobs.",
      [](Config& c) -> Field { return &c.monitor.thresholds.cpu; },
      {0, 100}},
    K{"monitor.thresholds.memory", "", [](Config& c) -> Field { return &c.monitor.thresholds.memory; }, {0, 100}},
    K{"monitor.thresholds.error_rate",
      "",
      [](Config& c) -> Field { return &c.monitor.thresholds.error_rate; },
      {0, 100}},
    K{"monitor.thresholds.queue_depth",
      "",
      [](Config& c) -> Field { return &c.monitor.thresholds.queue_depth; },
      {0, 1e9}},
    K{"monitor.thresholds.latency_p99",
      "Further alerts, each off at 0: the 99th percentile of latency in seconds,",
      [](Config& c) -> Field { return &c.monitor.thresholds.latency_p99; },
      {0, 86400}},
    K{"monitor.thresholds.disk",
      "percent of the file system with the data directory in use,",
      [](Config& c) -> Field { return &c.monitor.thresholds.disk; },
      {0, 100}},
    K{"monitor.thresholds.dead_letters",
      "jobs that used up their attempts within five minutes,",
      [](Config& c) -> Field { return &c.monitor.thresholds.dead_letters; },
      {0, 1e9}},
    K{"monitor.thresholds.crash_loop",
      "attempts that crashed within five minutes,",
      [](Config& c) -> Field { return &c.monitor.thresholds.crash_loop; },
      {0, 1e9}},
    K{"monitor.thresholds.hit_ratio",
      "percentage points that the cache's hit ratio lies below its last hour's,",
      [](Config& c) -> Field { return &c.monitor.thresholds.hit_ratio; },
      {0, 100}},
    K{"monitor.thresholds.burn_rate",
      "and times the failures that an error budget of 1 % allows, over an hour and five minutes at once.",
      [](Config& c) -> Field { return &c.monitor.thresholds.burn_rate; },
      {0, 100}},
    K{"monitor.for",
      "An alert is raised once its threshold was exceeded for this long.",
      [](Config& c) -> Field { return &c.monitor.raise_for; },
      {0, day}},
    K{"monitor.clear_for",
      "An alert is resolved once its value was below the clear level for this long.",
      [](Config& c) -> Field { return &c.monitor.clear_for; },
      {0, day}},
    K{"monitor.clear_at",
      "The clear level, as a part of the threshold.",
      [](Config& c) -> Field { return &c.monitor.clear_at; },
      {0, 1}},
    K{"monitor.min_samples",
      "With fewer requests in the window no rate and no latency raises an alert.",
      [](Config& c) -> Field { return &c.monitor.min_samples; },
      {0, 1'000'000}},
};

using O = Key<OperationConfig>;
const std::array operation_table{
    O{"name", "What jobs name it by.", [](OperationConfig& o) -> Field { return &o.name; }, {}, R"("upper")"},
    O{"kind",
      "command: one process for each job. lines: kept warm, JSON on standard input and output. frames: kept warm, "
      "files "
      "come as descriptors over a socket.",
      [](OperationConfig& o) -> Field { return &o.kind; },
      {.choices = operation_kinds}},
    O{"argv",
      "\"{input}\" and \"{output}\" become descriptor paths, \"{param.NAME}\" a job's parameter. No shell.",
      [](OperationConfig& o) -> Field { return &o.argv; },
      {},
      R"(["tr", "a-z", "A-Z"])"},
    O{"stdin",
      "\"input\": the process reads the job's input there; absent: /dev/null.",
      [](OperationConfig& o) -> Field { return InputWord{&o.stdin_is_input}; },
      {},
      R"("input")"},
    O{"content_type",
      "Of the result.",
      [](OperationConfig& o) -> Field { return &o.content_type; },
      {},
      R"("text/plain")"},
    O{"cache", "false: each job's result is its own, never shared.",
      [](OperationConfig& o) -> Field { return &o.cache; }},
    O{"ttl",
      "How long a result lives; absent: cache.max_age.",
      [](OperationConfig& o) -> Field { return &o.ttl; },
      {1 * ms, 36500 * day},
      R"("1h")"},
    O{"negative_ttl",
      "How long a permanent failure is remembered: whoever asks meanwhile is told the same. 0s: not at all.",
      [](OperationConfig& o) -> Field { return &o.negative_ttl; },
      {0, 36500 * day}},
    O{"timeout",
      "Of one attempt; absent: pool.timeout.",
      [](OperationConfig& o) -> Field { return &o.timeout; },
      {1 * ms, 30 * day},
      R"("30s")"},
    O{"no_progress",
      "How long an attempt may give no sign of life; absent: pool.no_progress.",
      [](OperationConfig& o) -> Field { return &o.no_progress; },
      {1 * ms, 30 * day},
      R"("1m")"},
    O{"tenant",
      "Of jobs that name none: jobs of one priority share the workers evenly between tenants.",
      [](OperationConfig& o) -> Field { return &o.tenant; },
      {},
      R"("thumbnails")"},
    O{"permanent_exit_codes",
      "Exit codes that end the job; any other but 0 is tried again.",
      [](OperationConfig& o) -> Field { return &o.permanent_exit_codes; },
      {1, 255},
      "[2]"},
    O{"env",
      "Beside PATH, LANG, HOME and TMPDIR.",
      [](OperationConfig& o) -> Field { return &o.env; },
      {},
      R"({ LANG = "C.UTF-8" })"},
    O{"min_workers", "Of this type, kept warm.", [](OperationConfig& o) -> Field { return &o.min_workers; }, {0, 1024}},
    O{"max_workers",
      "Of this type; absent: pool.max_workers.",
      [](OperationConfig& o) -> Field { return &o.max_workers; },
      {1, 1024},
      "4"},
    O{"max_crashes",
      "Absent: pool.max_crashes.",
      [](OperationConfig& o) -> Field { return &o.max_crashes; },
      {1, 100},
      "3"},
    O{"durability",
      "memory, process or power; absent: pool.durability.",
      [](OperationConfig& o) -> Field { return &o.durability; },
      {.choices = durabilities},
      R"("power")"},
    O{"memory_limit",
      "Private memory of one process; absent: what its program says, or none.",
      [](OperationConfig& o) -> Field { return &o.memory_limit; },
      {1024 * KiB, PiB},
      R"("1GiB")"},
    O{"sandbox",
      "Kind frames: whether workers written with hotwell/worker.hpp confine themselves; absent: as they are built.",
      [](OperationConfig& o) -> Field { return &o.sandbox; },
      {},
      "true"},
    O{"from_template", "Kind frames, of hotwell/worker.hpp: loaded once, workers are forked from it.",
      [](OperationConfig& o) -> Field { return &o.from_template; }},
    O{"inline_result",
      "Kinds lines and frames: results are short and workers answer with them; no file is made for a job.",
      [](OperationConfig& o) -> Field { return &o.inline_result; }},
    O{"version",
      "Change it when the program makes other results than before.",
      [](OperationConfig& o) -> Field { return &o.version; },
      {},
      R"("1")"},
};

constexpr std::array<string_view, 2> planned{"optimizer", "cluster"};

using C = Key<ChannelOptions>;
constexpr std::array<string_view, 5> channel_kinds{"log", "webhook", "slack", "email", "alertmanager"};
const std::array channel_table{
    C{"name",
      "What `hotwell alerts test` and the figures name it by.",
      [](ChannelOptions& c) -> Field { return &c.name; },
      {},
      R"("team")"},
    C{"kind",
      "log, webhook, slack, email or alertmanager.",
      [](ChannelOptions& c) -> Field { return &c.kind; },
      {.choices = channel_kinds},
      R"("webhook")"},
    C{"url",
      "HOTWELL_ALERTS_<NAME>_URL goes before it: a Slack address is a secret. Email: smtp://HOST:PORT.",
      [](ChannelOptions& c) -> Field { return &c.url; },
      {},
      R"("https://example.org/hook")",
      C::Shown::masked},
    C{"from", "Of an email.", [](ChannelOptions& c) -> Field { return &c.from; }, {}, R"("hotwell@example.org")"},
    C{"to", "Of an email.", [](ChannelOptions& c) -> Field { return &c.to; }, {}, R"(["ops@example.org"])"},
    C{"username",
      "For the mail server, or HTTP's basic authentication.",
      [](ChannelOptions& c) -> Field { return &c.username; },
      {},
      R"("hotwell")"},
    C{"password_file",
      "Or HOTWELL_ALERTS_<NAME>_PASSWORD.",
      [](ChannelOptions& c) -> Field { return &c.password_file; },
      {},
      R"("/etc/hotwell/mail-password")"},
};

using R = Key<AlertRuleOptions>;
constexpr std::array<string_view, 3> severities{"info", "warning", "critical"};
const std::array rule_table{
    R{"name", "The alert's type.", [](AlertRuleOptions& r) -> Field { return &r.name; }, {}, R"("slowThumbnails")"},
    R{"series",
      "What is judged: a name of GET /v1/series.",
      [](AlertRuleOptions& r) -> Field { return &r.series; },
      {},
      R"("latency.p95")"},
    R{"endpoint",
      "Of this endpoint alone; names that begin with requests. and latency.",
      [](AlertRuleOptions& r) -> Field { return &r.endpoint; },
      {},
      R"("GET /media/{operation}/{input*}")"},
    R{"operation", "Or of this operation's jobs.", [](AlertRuleOptions& r) -> Field { return &r.operation; }},
    R{"op", "\">\": raised above the level. \"<\": below it.",
      [](AlertRuleOptions& r) -> Field { return SideWord{&r.below}; }},
    R{"level",
      "In the series' unit: seconds, bytes, a ratio from 0 to 1, per second.",
      [](AlertRuleOptions& r) -> Field { return &r.level; },
      {std::numeric_limits<double>::lowest()},
      "0.5"},
    R{"clear",
      "Where it resolves; absent: a tenth of the level back.",
      [](AlertRuleOptions& r) -> Field { return &r.clear; },
      {std::numeric_limits<double>::lowest()},
      "0.4"},
    R{"window", "What the value looks back on.", [](AlertRuleOptions& r) -> Field { return &r.window; }, {1, day}},
    R{"for", "Absent: monitor.for.", [](AlertRuleOptions& r) -> Field { return &r.raise_for; }, {0, day}, R"("30s")"},
    R{"clear_for",
      "Absent: monitor.clear_for.",
      [](AlertRuleOptions& r) -> Field { return &r.clear_for; },
      {0, day},
      R"("1m")"},
    R{"severity",
      "info, warning or critical.",
      [](AlertRuleOptions& r) -> Field { return &r.severity; },
      {.choices = severities}},
    R{"min_samples",
      "With fewer requests in the window nothing is raised.",
      [](AlertRuleOptions& r) -> Field { return &r.min_samples; },
      {0, 1e9}},
    R{"message",
      "Begins the summary; its number follows.",
      [](AlertRuleOptions& r) -> Field { return &r.message; },
      {},
      R"("Thumbnails take up to")"},
};

// Appends "# " and the text, broken between words.
void comment(std::string& out, string_view text) {
  constexpr std::size_t width = 117;
  while (!text.empty()) {
    std::size_t take = text.size();
    if (take > width) take = text.rfind(' ', width);
    out += fmt::format("# {}\n", text.substr(0, take));
    text.remove_prefix(std::min(take + 1, text.size()));
  }
}

// A list of tables: those that there are, or a sample of one.
template <class Owner>
void render_tables(std::string& out, string_view path, string_view what, std::span<const Key<Owner>> keys,
                   std::vector<Owner>& owners) {
  out += fmt::format("\n# {}\n", what);
  for (auto& owner : owners) {
    out += fmt::format("[[{}]]\n", path);
    for (const auto& key : keys) {
      const std::string value = to_toml(key.field(owner));
      const bool empty = value.empty() || value == "\"\"" || value == "[]";
      if (!empty && key.shown == Key<Owner>::Shown::masked)
        out += fmt::format("# {} is set\n", key.path);
      else if (!value.empty())
        out += fmt::format("{} = {}\n", key.path, value);
    }
  }
  if (!owners.empty()) return;
  Owner defaults;
  out += fmt::format("# [[{}]]\n", path);
  for (const auto& key : keys) {
    const std::string value = key.sample.empty() ? to_toml(key.field(defaults)) : std::string(key.sample);
    const std::string line = fmt::format("{} = {}", key.path, value);
    out += fmt::format("# {:<36} # {}\n", line, key.description);
  }
}

}  // namespace

std::span<const Key<Config>> config_keys() { return config_table; }
std::span<const Key<OperationConfig>> operation_keys() { return operation_table; }
std::span<const Key<ChannelOptions>> channel_keys() { return channel_table; }
std::span<const Key<AlertRuleOptions>> rule_keys() { return rule_table; }

bool is_planned(string_view path) { return std::ranges::find(planned, path) != planned.end(); }

std::string environment_name(string_view path) {
  std::string name = "HOTWELL_";
  for (const char c : path) name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

Result<void> set_key(Config& config, string_view path, string_view text, string_view said_by) {
  const auto key = std::ranges::find(config_table, path, &Key<Config>::path);
  HOTWELL_ASSERT(key != config_table.end());
  const Field field = key->field(config);
  if (const auto expected = assign(field, from_text(field, text), key->limits))
    return fail(Code::invalid_argument, fmt::format("{}: expected {}, got \"{}\"", said_by, *expected, text));
  return {};
}

std::string render_config(const Config& config) {
  Config shown = config;
  std::string out =
      "# Hotwell's configuration: every key with its default. Copy what you change; leave out the rest.\n"
      "# Durations are texts such as \"250ms\", \"5m\" or \"7d\", sizes texts such as \"100MiB\" or plain bytes.\n"
      "# Each key can also be said by the environment, HOTWELL_<SECTION>_<KEY> (HOTWELL_POOL_MAX_WORKERS=4; lists "
      "with\n"
      "# commas), which goes before this file; command line flags go before both.\n";
  string_view section;
  for (const auto& key : config_table) {
    const string_view in = key.path.substr(0, key.path.find('.'));
    if (in != section) out += fmt::format("\n[{}]\n", in);
    section = in;
    comment(out, key.description);
    const string_view name = key.path.substr(in.size() + 1);
    const std::string value = to_toml(key.field(shown));
    const bool empty = value.empty() || value == "\"\"" || value == "[]";
    if (empty && !key.sample.empty())
      out += fmt::format("# {} = {}\n", name, key.sample);
    else if (!empty && key.shown == K::Shown::masked)
      out += fmt::format("# {} is set\n", name);
    else
      out += fmt::format("{} = {}\n", name, value);
  }
  render_tables(out, "alerts.channel", "Where alerts are told; repeat the table for each.", channel_keys(),
                shown.monitor.channels);
  render_tables(out, "alerts.rule", "Alerts of your own, over any series of the past; repeat the table for each.",
                rule_keys(), shown.monitor.rules);
  render_tables(out, "operation", "Any executable is an operation of its own; repeat the table for each.",
                operation_keys(), shown.operations);
  return out;
}

}  // namespace hotwell::engine
