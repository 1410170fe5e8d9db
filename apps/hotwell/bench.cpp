/// hotwell bench: loads a server at a rate of its own choosing and says how long answers took.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/json.hpp>

#include "apps/hotwell/bench_report.hpp"
#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/interrupt.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/output.hpp"

namespace hotwell::cli {
namespace {

struct BenchArguments {
  DaemonOptions daemon;
  double rate = 1000;
  std::string duration = "10s";
  std::string mix = "get=90,put=10";
  std::size_t keys = 10'000;
  double zipf = 0.99;
  std::string size = "1KiB-64KiB";
  std::string arrivals = "poisson";
  std::uint64_t seed = 1;
  std::size_t connections = 64;
  std::string media;
  std::string job;
  std::string access_log;
  double speed = 1;
  std::uint64_t limit = 0;
  bool preload = false;
  bool no_fill = false;
  bool json = false;
  std::string plot;
};

struct Prepared {
  std::unique_ptr<CallSource> source;
  std::string what;
};

/// Stores every key once, before the clock runs.
class Preload final : public CallSource {
 public:
  Preload(const MixSource& mix, std::size_t keys) : mix_(mix), keys_(keys) {}
  std::optional<Call> next() override {
    if (key_ == keys_) return std::nullopt;
    ++key_;
    return Call{.kind = CallKind::put, .key = key_, .size = mix_.size_of(key_)};
  }
  std::string name_of(std::uint64_t key) const override { return mix_.name_of(key); }

 private:
  const MixSource& mix_;
  std::uint64_t keys_;
  std::uint64_t key_ = 0;
};

Outcome<MixOptions> mix_options(const BenchArguments& arguments) {
  MixOptions options{.rate = arguments.rate, .keys = arguments.keys, .zipf = arguments.zipf, .seed = arguments.seed};
  const auto duration = parse_duration(arguments.duration);
  if (!duration || *duration <= Duration::zero())
    return end(status::usage,
               fmt::format("--duration is \"{}\", expected a time such as 10s or 5m", arguments.duration));
  options.duration = *duration;
  auto mix = parse_mix(arguments.mix);
  if (!mix) return std::unexpected(mix.error());
  options.mix = *mix;
  auto sizes = parse_sizes(arguments.size);
  if (!sizes) return std::unexpected(sizes.error());
  options.sizes = *sizes;
  options.arrivals = arguments.arrivals == "steady" ? Arrivals::steady : Arrivals::poisson;
  const auto asks = [&](CallKind kind) { return options.mix[static_cast<std::size_t>(kind)] > 0; };
  if (asks(CallKind::media) && arguments.media.empty())
    return end(status::usage, "--mix asks for media: --media says which, such as thumbnail/clip.mp4?width={n}");
  if (asks(CallKind::job) && arguments.job.empty())
    return end(status::usage,
               R"(--mix asks for jobs: --job says which, such as {"operation":"upper","input":"notes.txt"})");
  if (!arguments.job.empty()) {
    boost::system::error_code error;
    const auto job = boost::json::parse(arguments.job, error);
    if (error || !job.is_object()) return end(status::usage, "--job is no JSON object");
  }
  return options;
}

std::string describe(const MixOptions& options) {
  double sum = 0;
  for (const double part : options.mix) sum += part;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < call_kinds; ++i)
    if (options.mix[i] > 0)
      parts.push_back(fmt::format("{} {:g} %", name_of(static_cast<CallKind>(i)), 100 * options.mix[i] / sum));
  return fmt::format("{:g} calls a second for {}, {}; {} keys, Zipf {:g}, {}", options.rate,
                     to_string(options.duration), fmt::join(parts, ", "), options.keys, options.zipf,
                     options.sizes.least == options.sizes.most
                         ? to_string(options.sizes.least)
                         : to_string(options.sizes.least) + " to " + to_string(options.sizes.most));
}

Outcome<Prepared> prepare_log(const BenchArguments& arguments, bool own_rate) {
  LogSource::Options options{.limit = arguments.limit};
  if (own_rate) {
    options.rate = arguments.rate;
  } else {
    options.speed = arguments.speed;
  }
  auto log = LogSource::read(arguments.access_log, options);
  if (!log) return std::unexpected(log.error());
  auto what = fmt::format("{} GETs of {} {}{}", log->calls(), arguments.access_log,
                          own_rate ? fmt::format("at {:g} a second", arguments.rate)
                                   : fmt::format("at {:g} times their speed", arguments.speed),
                          log->skipped() > 0 ? fmt::format(" ({} other lines left out)", log->skipped()) : "");
  return Prepared{std::make_unique<LogSource>(std::move(*log)), std::move(what)};
}

Outcome<void> write_plot(const std::string& path, BenchRuns& runs) {
  auto out = Output::file(path, Output::Existing::replace);
  if (!out) return std::unexpected(out.error());
  if (auto written = out->write(bench_svg(runs)); !written) return written;
  return out->commit();
}

Outcome<void> run_load(const BenchArguments& arguments, bool own_rate) {
  auto daemon = find_daemon(arguments.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  auto token = read_token(arguments.daemon.token_file);
  if (!token) return std::unexpected(token.error());
  BenchOptions options{.connections = arguments.connections,
                       .token = *token,
                       .media = arguments.media,
                       .job = arguments.job,
                       .fill_misses = !arguments.no_fill};
  const auto mix = mix_options(arguments);
  if (!mix) return std::unexpected(mix.error());
  Prepared prepared;
  if (arguments.access_log.empty()) {
    prepared = {std::make_unique<MixSource>(*mix), describe(*mix)};
  } else {
    auto log = prepare_log(arguments, own_rate);
    if (!log) return std::unexpected(log.error());
    prepared = std::move(*log);
  }
  // Also finds out whether anybody is there and the token is right.
  if (auto reached = get_json(*daemon, "/v1/operations"); !reached) return std::unexpected(reached.error());
  note_interrupts();
  if (arguments.preload) {
    const MixSource keys(*mix);
    Preload all(keys, mix->keys);
    if (auto stored = run_bench(daemon->server(), options, all); !stored) return std::unexpected(stored.error());
  }
  auto tally = run_bench(daemon->server(), options, *prepared.source);
  if (!tally) return std::unexpected(tally.error());
  BenchRuns runs{.server = daemon->server().url(),
                 .what = prepared.what,
                 .connections = arguments.connections,
                 .tally = std::move(*tally)};
  std::fputs((arguments.json ? pretty(bench_json(runs)) : bench_text(runs)).c_str(), stdout);
  if (!arguments.plot.empty())
    if (auto plotted = write_plot(arguments.plot, runs); !plotted) return plotted;
  for (const auto& kind : runs.tally.kinds)
    if (!kind.latencies.empty()) return {};
  return end(status::failed, "no call was answered well");
}

}  // namespace

void add_bench(CLI::App& root, Commands& commands) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command =
      root.add_subcommand("bench", "Load a server and report latencies, from when each call was meant to be sent.");
  auto& a = *arguments;
  const auto add = [command](const char* name, auto& to, const char* type, const char* description) {
    return command->add_option(name, to, description)->type_name(type);
  };
  CLI::Option* rate = add("--rate", a.rate, "N", "calls a second, whether they are answered or not (1000)")
                          ->check(CLI::Range(0.01, 1e6).description(""));
  CLI::Option* duration = add("--duration", a.duration, "TIME", "how long (10s)");
  CLI::Option* mix = add("--mix", a.mix, "PARTS", "parts of get, put, media and job (get=90,put=10)");
  CLI::Option* keys = add("--keys", a.keys, "N", "how many keys there are (10000)")
                          ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}).description(""));
  CLI::Option* zipf = add("--zipf", a.zipf, "S", "how unevenly they are asked for; 0 is evenly (0.99)")
                          ->check(CLI::Range(0.0, 5.0).description(""));
  CLI::Option* size = add("--size", a.size, "SIZE", "of objects, or a range (1KiB-64KiB)");
  add("--arrivals", a.arrivals, "KIND", "poisson or steady (poisson)")
      ->check(CLI::IsMember({"poisson", "steady"}).description(""));
  add("--seed", a.seed, "N", "the same seed makes the same calls (1)");
  add("--connections", a.connections, "N", "open at most (64)")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}).description(""));
  add("--media", a.media, "TARGET", "OPERATION/INPUT?PARAMS of media calls; {n} becomes the key's number");
  add("--job", a.job, "JSON", "the job of job calls; {n} becomes the key's number");
  CLI::Option* preload = command->add_flag("--preload", a.preload, "store every key before the clock runs");
  command->add_flag("--no-fill", a.no_fill, "do not store what a get missed");
  CLI::Option* log =
      add("--access-log", a.access_log, "FILE", "replay the GETs of a log in the common or combined format instead")
          ->check(CLI::ExistingFile.description(""));
  add("--speed", a.speed, "X", "of the log: 60 replays an hour in a minute (1)")
      ->check(CLI::Range(1e-3, 1e6).description(""))
      ->needs(log)
      ->excludes(rate);
  add("--limit", a.limit, "N", "calls of the log at most (all)")->needs(log);
  for (CLI::Option* other : {duration, mix, keys, zipf, size, preload}) log->excludes(other);
  command->add_flag("--json", a.json, "plain numbers in base units, as JSON");
  add("--plot", a.plot, "FILE", "write latency by percentile to this SVG file");
  add_daemon_options(*command, a.daemon);
  commands.on(command, [arguments, rate] { return run_load(*arguments, rate->count() > 0); });
}

}  // namespace hotwell::cli
