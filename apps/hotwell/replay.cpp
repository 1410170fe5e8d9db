/// hotwell replay: what the memory tier's eviction policies would have made of a recorded trace.
#include <cstdio>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/output.hpp"
#include "apps/hotwell/replay/curve.hpp"
#include "apps/hotwell/replay/simulation.hpp"
#include "apps/hotwell/table.hpp"
#include "cache/policy/policy.hpp"

namespace hotwell::cli {

using namespace replay;

namespace {

constexpr unsigned curve_points = 25;

struct ReplayOptions {
  std::string trace;
  std::string format;
  std::vector<std::string> policies{"default"};
  std::string capacity;
  std::string curve;
  bool json = false;
  bool force = false;
};

std::unexpected<Ending> bad_usage(const Error& error) { return end(status::usage, error.message); }

Outcome<void> say(std::string_view text) {
  auto out = Output::standard();
  return out.write(text);
}

boost::json::object as_json(const ReplayCounts& counts) {
  return {{"requests", counts.requests},
          {"hits", counts.hits()},
          {"misses", counts.misses},
          {"miss_ratio", counts.miss_ratio()},
          {"byte_miss_ratio", counts.byte_miss_ratio()},
          {"miss_bytes", counts.miss_bytes}};
}

std::string percent(double ratio) { return fmt::format("{:.2f}%", ratio * 100); }

std::string as_text(const ReplayCounts& counts) {
  Table table({{}, {"", Table::Align::right}});
  table.add({"requests", capacity_text(counts.requests, ReplayCapacity::Unit::objects)});
  table.add({"hits", capacity_text(counts.hits(), ReplayCapacity::Unit::objects)});
  table.add({"misses", capacity_text(counts.misses, ReplayCapacity::Unit::objects)});
  table.add({"miss ratio", percent(counts.miss_ratio())});
  table.add({"byte miss ratio", percent(counts.byte_miss_ratio())});
  table.add({"bytes missed", to_string(Bytes{counts.miss_bytes})});
  return table.text();
}

Outcome<void> replay_once(const ReplayOptions& options, const TraceFormat& format, ReplayCapacity capacity) {
  if (options.policies.size() != 1)
    return end(status::usage, "replay: several policies are compared over many sizes: add --curve FILE.svg");
  auto policy = cache::make_policy(options.policies.front());
  if (!policy) return bad_usage(policy.error());
  Simulation simulation(capacity, std::move(*policy));
  auto read = read_trace(options.trace, format, [&](const TraceRequest& request) { simulation.request(request); });
  if (!read) return end(read.error());
  return say(options.json ? pretty(as_json(simulation.counts())) : as_text(simulation.counts()));
}

/// All sizes and policies side by side in one pass over the trace.
Outcome<CurvePlot> draw(const ReplayOptions& options, const TraceFormat& format, ReplayCapacity largest) {
  CurvePlot plot{.title = fmt::format("{}: miss ratio", std::filesystem::path(options.trace).filename().string()),
                 .unit = largest.unit,
                 .capacities = curve_capacities(largest.amount, curve_points),
                 .curves = {}};
  std::vector<std::unique_ptr<Simulation>> simulations;
  for (const auto& name : options.policies) {
    for (const auto capacity : plot.capacities) {
      auto policy = cache::make_policy(name);
      if (!policy) return bad_usage(policy.error());
      simulations.push_back(std::make_unique<Simulation>(ReplayCapacity{capacity, largest.unit}, std::move(*policy)));
    }
  }
  auto read = read_trace(options.trace, format, [&](const TraceRequest& request) {
    for (auto& simulation : simulations) simulation->request(request);
  });
  if (!read) return end(read.error());
  auto next = simulations.begin();
  for (const auto& name : options.policies) {
    auto& curve = plot.curves.emplace_back(Curve{name, {}});
    for (std::size_t i = 0; i < plot.capacities.size(); ++i) curve.points.push_back((*next++)->counts());
  }
  return plot;
}

std::string as_json(const CurvePlot& plot) {
  boost::json::array curves;
  for (const auto& curve : plot.curves) {
    boost::json::array points;
    for (std::size_t i = 0; i < plot.capacities.size(); ++i) {
      auto point = as_json(curve.points[i]);
      point["capacity"] = plot.capacities[i];
      points.push_back(std::move(point));
    }
    curves.push_back({{"policy", curve.policy}, {"points", std::move(points)}});
  }
  return pretty(boost::json::object{{"unit", plot.unit == ReplayCapacity::Unit::bytes ? "bytes" : "objects"},
                                    {"curves", std::move(curves)}});
}

std::string as_text(const CurvePlot& plot) {
  std::vector<Table::Column> columns{{"capacity", Table::Align::right}};
  for (const auto& curve : plot.curves) columns.push_back({curve.policy, Table::Align::right});
  Table table(std::move(columns));
  for (std::size_t i = 0; i < plot.capacities.size(); ++i) {
    std::vector<std::string> cells{capacity_text(plot.capacities[i], plot.unit)};
    for (const auto& curve : plot.curves) cells.push_back(percent(curve.points[i].miss_ratio()));
    table.add(std::move(cells));
  }
  return table.text();
}

Outcome<void> replay_curve(const ReplayOptions& options, const TraceFormat& format,
                           std::optional<ReplayCapacity> largest) {
  // First what needs no reading: a wrong name, a file that is there already.
  for (const auto& name : options.policies)
    if (auto policy = cache::make_policy(name); !policy) return bad_usage(policy.error());
  auto file = Output::file(options.curve, options.force ? Output::Existing::replace : Output::Existing::keep);
  if (!file) return std::unexpected(file.error());
  if (!largest) {
    const auto all = footprint(options.trace, format);
    if (!all) return end(all.error());
    largest = format.has_sizes() ? ReplayCapacity{all->bytes, ReplayCapacity::Unit::bytes}
                                 : ReplayCapacity{all->objects, ReplayCapacity::Unit::objects};
    if (largest->amount == 0)
      return end(status::failed, fmt::format("{} holds no requests: there is nothing to draw", options.trace));
  }
  auto plot = draw(options, format, *largest);
  if (!plot) return std::unexpected(plot.error());
  if (auto written = file->write(to_svg(*plot)); !written) return written;
  if (auto done = file->commit(); !done) return done;
  return say(options.json ? as_json(*plot) : as_text(*plot));
}

Outcome<void> replay_trace(const ReplayOptions& options) {
  const auto format = parse_trace_format(options.format);
  if (!format) return bad_usage(format.error());
  std::optional<ReplayCapacity> capacity;
  if (!options.capacity.empty()) {
    const auto parsed = parse_replay_capacity(options.capacity);
    if (!parsed) return bad_usage(parsed.error());
    if (parsed->unit == ReplayCapacity::Unit::bytes && !format->has_sizes())
      return end(status::usage,
                 fmt::format("capacity: the format {} has no sizes: expected a number of objects, got \"{}\"",
                             options.format, options.capacity));
    capacity = *parsed;
  }
  if (!options.curve.empty()) return replay_curve(options, *format, capacity);
  if (!capacity) return end(status::usage, "replay: expected --capacity N|SIZE, or --curve FILE.svg");
  return replay_once(options, *format, *capacity);
}

}  // namespace

void add_replay(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App* command =
      root.add_subcommand("replay", "Simulate the memory tier's eviction policies on a recorded trace.");
  command->add_option("TRACE", options->trace, "the trace's file; .gz and .xz are read as they are")
      ->required()
      ->type_name("");
  command
      ->add_option("--format", options->format,
                   "oracleGeneral, arc, lirs, u32be, u64be, access-log or columns:KEY[,SIZE] (the fields' numbers)")
      ->required()
      ->type_name("FORMAT");
  command
      ->add_option("--policy", options->policies,
                   fmt::format("default or one of {}; several for --curve (default)", cache::policy_names()))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME[,NAME]");
  command->add_option("--capacity", options->capacity, "a number counts objects, a size (64MiB) counts bytes")
      ->type_name("N|SIZE");
  command
      ->add_option("--curve", options->curve,
                   "miss ratios over many sizes, up to --capacity or all that is asked for, drawn into this file")
      ->type_name("FILE.svg");
  command->add_flag("--json", options->json, "as JSON");
  command->add_flag("--force", options->force, "replace the file of --curve where it exists");
  commands.on(command, [options] { return replay_trace(*options); });
}

}  // namespace hotwell::cli
