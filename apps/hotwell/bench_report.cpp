#include "apps/hotwell/bench_report.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/table.hpp"

namespace hotwell::cli {
namespace {

struct Row {
  std::string name;
  BenchTally::Kind* kind;
};

std::vector<Row> rows_of(BenchTally& tally) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < call_kinds; ++i) {
    auto& kind = tally.kinds[i];
    if (kind.latencies.empty() && kind.errors == 0) continue;
    std::ranges::sort(kind.latencies);
    rows.push_back({std::string(name_of(static_cast<CallKind>(i))), &kind});
  }
  return rows;
}

std::string seconds_text(double seconds) {
  return to_string(std::chrono::round<Duration>(std::chrono::duration<double>(seconds)));
}

double mean(const std::vector<float>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double answered_rate(const BenchTally& tally) {
  std::size_t answers = 0;
  for (const auto& kind : tally.kinds) answers += kind.latencies.size();
  return tally.seconds > 0 ? static_cast<double>(answers) / tally.seconds : 0;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

}  // namespace

double quantile(const std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return static_cast<double>(sorted[std::min(sorted.size() - 1, rank == 0 ? 0 : rank - 1)]);
}

std::string bench_text(BenchRuns& runs) {
  const auto& tally = runs.tally;
  using Align = Table::Align;
  Table table({{"operation"},
               {"answers", Align::right},
               {"errors", Align::right},
               {"p50", Align::right},
               {"p90", Align::right},
               {"p99", Align::right},
               {"p99.9", Align::right},
               {"most", Align::right},
               {"moved", Align::right}});
  for (const auto& [name, kind] : rows_of(runs.tally)) {
    std::vector<std::string> cells{name, std::to_string(kind->latencies.size()), std::to_string(kind->errors)};
    for (const double q : {0.5, 0.9, 0.99, 0.999, 1.0})
      cells.push_back(kind->latencies.empty() ? "–" : seconds_text(quantile(kind->latencies, q)));
    cells.push_back(to_string(Bytes{kind->bytes}));
    table.add(std::move(cells));
  }
  std::string text = fmt::format("{}: {}\n\n{}\n", runs.server, runs.what, table.text());
  text += fmt::format("{} calls in {}, {:.1f} answers a second over {} connections\n", tally.planned,
                      seconds_text(tally.seconds), answered_rate(tally), runs.connections);
  const auto& get = tally.kinds[static_cast<std::size_t>(CallKind::get)];
  if (get.hits + get.misses > 0)
    text += fmt::format("{:.1f} % of {} look-ups hit\n",
                        100.0 * static_cast<double>(get.hits) / static_cast<double>(get.hits + get.misses),
                        get.hits + get.misses);
  if (tally.waited > 0)
    text += fmt::format(
        "{} calls found every connection busy, the latest was sent {} after its time: latencies count that wait\n",
        tally.waited, seconds_text(tally.latest));
  if (tally.unfinished > 0) text += fmt::format("{} calls were given up without an answer\n", tally.unfinished);
  for (const auto& [code, count] : tally.statuses)
    if (code == 0 || code >= 400)
      text += fmt::format("{}: {} times\n", code == 0 ? "no answer" : fmt::format("status {}", code), count);
  return text;
}

boost::json::value bench_json(BenchRuns& runs) {
  const auto& tally = runs.tally;
  boost::json::object operations;
  for (const auto& [name, kind] : rows_of(runs.tally)) {
    boost::json::object latency{{"avg", mean(kind->latencies)}};
    for (const auto& [key, q] : {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}})
      latency[key] = quantile(kind->latencies, q);
    operations[name] = {{"answers", kind->latencies.size()},
                        {"errors", kind->errors},
                        {"hits", kind->hits},
                        {"misses", kind->misses},
                        {"bytes", kind->bytes},
                        {"latency", latency}};
  }
  boost::json::object statuses;
  for (const auto& [code, count] : tally.statuses) statuses[std::to_string(code)] = count;
  return {{"server", runs.server},  {"plan", runs.what},        {"connections", runs.connections},
          {"calls", tally.planned}, {"seconds", tally.seconds}, {"rate", answered_rate(tally)},
          {"waited", tally.waited}, {"latest", tally.latest},   {"unfinished", tally.unfinished},
          {"statuses", statuses},   {"operations", operations}};
}

std::string bench_svg(BenchRuns& runs) {
  constexpr double width = 820, height = 440, left = 70, right = 110, top = 46, bottom = 46;
  constexpr std::array<std::string_view, call_kinds> colours{"#2f6fb9", "#7a6bb5", "#1d8a8f", "#b0702c", "#6b7680"};
  const auto rows = rows_of(runs.tally);
  double least = 1, most = 1e-6, nines = 2;
  for (const auto& row : rows) {
    const auto& values = row.kind->latencies;
    if (values.empty()) continue;
    least = std::min(least, std::max(1e-6, static_cast<double>(values.front())));
    most = std::max(most, static_cast<double>(values.back()));
    nines = std::max(nines, std::log10(static_cast<double>(values.size())));
  }
  const double low = std::floor(std::log10(std::min(least, most))),
               high = std::max(low + 1, std::ceil(std::log10(most)));
  nines = std::ceil(nines);
  const auto x = [&](double q) { return left + std::min(nines, -std::log10(1 - q)) / nines * (width - left - right); };
  const auto y = [&](double seconds) {
    return height - bottom - (std::log10(std::max(1e-6, seconds)) - low) / (high - low) * (height - top - bottom);
  };
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{2}\" y=\"20\" font-size=\"14\" "
      "font-weight=\"600\">Latency by percentile, from the time each call was meant to be sent</text>\n"
      "<text x=\"{2}\" y=\"37\" fill=\"#5d6873\">{3}</text>\n",
      width, height, left, escaped(runs.what));
  for (double power = low; power <= high; ++power) {
    const double at = y(std::pow(10, power));
    svg += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#e4e7ea\"/><text x=\"{}\" y=\"{:.1f}\" "
        "text-anchor=\"end\" fill=\"#5d6873\">{}</text>\n",
        left, width - right, at, at, left - 8, at + 4, seconds_text(std::pow(10, power)));
  }
  for (double nine = 0; nine <= nines; ++nine) {
    const double q = 1 - std::pow(10, -nine);
    const auto name = nine == 0 ? std::string("p0") : fmt::format("p{:g}", std::round(q * 1e9) / 1e7);
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#e4e7ea\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "text-anchor=\"middle\" fill=\"#5d6873\">{4}</text>\n",
        x(q), top, height - bottom, height - bottom + 18, name);
  }
  double label = top + 10;
  for (const auto& [name, kind] : rows) {
    const auto& values = kind->latencies;
    if (values.empty()) continue;
    const auto colour = colours[static_cast<std::size_t>(kind - runs.tally.kinds.data())];
    std::string points;
    for (int step = 0; step <= 400; ++step) {
      const double q = 1 - std::pow(10, -nines * step / 400);
      points += fmt::format("{:.1f},{:.1f} ", x(q), y(quantile(values, q)));
      if ((1 - q) * static_cast<double>(values.size()) < 1) break;  // no value lies beyond
    }
    svg += fmt::format(
        "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2\" points=\"{}\"/>\n<text x=\"{}\" y=\"{}\" "
        "fill=\"{}\">{} ({})</text>\n",
        colour, points, width - right + 8, label, colour, name, values.size());
    label += 18;
  }
  return svg + "</svg>\n";
}

}  // namespace hotwell::cli
