#include "apps/hotwell/top_screen.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include <hotwell/units.hpp>

#include "apps/hotwell/json.hpp"

namespace hotwell::cli {
namespace {

using boost::json::value;

constexpr double cpu_threshold = 0.80;
constexpr double memory_threshold = 0.85;

std::string percent(double ratio) { return fmt::format("{:.1f} %", ratio * 100); }
std::string duration(double seconds) {
  return to_string(std::chrono::round<Duration>(std::chrono::duration<double>(seconds)));
}
std::string bytes(double count) { return to_string(Bytes{static_cast<std::uint64_t>(std::max(0.0, count))}); }
std::string rate(double a_second) { return fmt::format("{:.{}f} /s", a_second, a_second < 10 ? 2 : 1); }

/// The first `columns` characters; what was cut shows as an ellipsis. Control characters become dots: names are
/// others'.
std::string fit(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 1;
    while (i + length < text.size() && (static_cast<unsigned char>(text[i + length]) & 0xC0U) == 0x80U) ++length;
    const bool last = i + length >= text.size();
    if (taken + 1 > columns || (taken + 1 == columns && !last)) {
      if (columns > 0) out += "…";
      break;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    out += byte < 0x20 || byte == 0x7F ? std::string_view(".") : text.substr(i, length);
    ++taken;
    i += length;
  }
  return out;
}

std::string left(std::string_view text, std::size_t columns) {
  auto fitted = fit(text, columns);
  const auto has = columns_of(fitted);
  return fitted + std::string(columns - std::min(columns, has), ' ');
}
std::string right(std::string_view text, std::size_t columns) {
  auto fitted = fit(text, columns);
  const auto has = columns_of(fitted);
  return std::string(columns - std::min(columns, has), ' ') + fitted;
}

std::string bar(double part, std::size_t columns) {
  const double shown = std::clamp(std::isfinite(part) ? part : 0.0, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(std::lround(shown * static_cast<double>(columns)));
  return "[" + std::string(filled, '|') + std::string(columns - filled, ' ') + "]";
}

std::string spark(const std::deque<double>& values, std::size_t columns) {
  static constexpr std::array<std::string_view, 8> steps{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const auto count = std::min(columns, values.size());
  const double top =
      values.empty() ? 0 : *std::max_element(values.end() - static_cast<std::ptrdiff_t>(count), values.end());
  std::string out(columns - count, ' ');
  for (auto i = values.size() - count; i < values.size(); ++i)
    out += steps[top > 0 ? static_cast<std::size_t>(std::lround(values[i] / top * 7)) : 0];
  return out;
}

Ink ink_of(double now, double threshold) {
  return now >= threshold ? Ink::bad : now >= threshold * 0.9 ? Ink::warning : Ink::plain;
}

const boost::json::array& list(const value& json, std::string_view name) {
  static const boost::json::array none;
  const auto* object = json.if_object();
  const auto* found = object ? object->if_contains(name) : nullptr;
  return found && found->is_array() ? found->get_array() : none;
}

struct Verdict {
  Ink ink = Ink::good;
  std::string title = "Healthy";
  std::string advice;
};

Verdict judge(const value& metrics) {
  Verdict verdict;
  const auto* alerts = metrics.is_object() ? metrics.get_object().if_contains("alerts") : nullptr;
  std::string firing;
  if (alerts)
    for (const auto& type : list(*alerts, "types"))
      if (type.is_string()) firing += (firing.empty() ? "" : ", ") + std::string(type.get_string());
  for (const auto& each : list(metrics, "recommendations")) {
    const auto severity = text_at(each, "/severity");
    if (severity == "info") continue;
    verdict.advice = text_at(each, "/message");
    verdict.title = "Advice";
    verdict.ink = severity == "critical" ? Ink::bad : Ink::warning;
    break;
  }
  if (!firing.empty()) {
    verdict.ink = Ink::bad;
    verdict.title = "Alert: " + firing;
  }
  return verdict;
}

class Composer {
 public:
  Composer(const TopReading& reading, ScreenSize size) : reading_(reading), size_(size) {}

  std::vector<ScreenLine> compose() {
    if (size_.lines == 0 || size_.columns == 0) return {};
    head();
    figures();
    tiers();
    const auto& endpoints = list(reading_.metrics, "endpoints");
    const auto& running = list(reading_.jobs, "jobs");
    // Running jobs may take half of what is left, endpoints the rest.
    if (!running.empty()) jobs(running, std::max<std::size_t>(3, room() / (endpoints.empty() ? 1 : 2)));
    if (!endpoints.empty()) table(endpoints);
    foot();
    return std::move(lines_);
  }

 private:
  [[nodiscard]] double number(std::string_view pointer) const { return number_at(reading_.metrics, pointer); }
  /// Lines that are free above the foot.
  [[nodiscard]] std::size_t room() const {
    return lines_.size() + 1 < size_.lines ? size_.lines - 1 - lines_.size() : 0;
  }

  void add(ScreenLine line) {
    if (room() == 0) return;
    std::size_t used = 0;
    for (auto& piece : line) {
      piece.text = fit(piece.text, size_.columns - used);
      used += columns_of(piece.text);
    }
    lines_.push_back(std::move(line));
  }
  void gap() {
    if (size_.lines >= 20) add({});
  }

  void head() {
    const auto verdict = judge(reading_.metrics);
    const auto up = number("/system/uptime");
    add({{"Hotwell ", Ink::strong},
         {fmt::format("{}  up {}  ", reading_.server, duration(std::floor(up))), Ink::faint},
         {verdict.title, verdict.ink}});
    if (!verdict.advice.empty()) add({{"→ " + verdict.advice, verdict.ink}});
    gap();
  }

  void figures() {
    const double errors = number("/requests/errorRate");
    const auto width = size_.columns > 72 ? std::min<std::size_t>(60, size_.columns - 56) : 0;
    add({{left("Requests", 10), Ink::faint},
         {left(rate(number("/requests/throughput")), 12), Ink::strong},
         {spark(reading_.rates, width), Ink::plain},
         {"  failed ", Ink::faint},
         {percent(errors), errors > 0 ? ink_of(errors, 0.05) : Ink::plain},
         {fmt::format("  of {:.0f}", number("/requests/total")), Ink::faint}});
    const auto latency = [&](std::string_view name, std::string_view pointer) {
      return fmt::format("{} {:<9} ", name, number("/requests/total") > 0 ? duration(number(pointer)) : "–");
    };
    add({{left("Latency", 10), Ink::faint},
         {latency("p50", "/latency/p50") + latency("p95", "/latency/p95") + latency("p99", "/latency/p99") +
              latency("most", "/latency/max"),
          Ink::plain}});
    const double cpu = number("/system/cpu"), memory = number("/system/memory");
    add({{left("CPU", 10), Ink::faint},
         {bar(cpu, 16) + right(percent(cpu), 8), ink_of(cpu, cpu_threshold)},
         {"   memory ", Ink::faint},
         {bar(memory, 16) + right(percent(memory), 8), ink_of(memory, memory_threshold)}});
    add({{left("Workers", 10), Ink::faint},
         {bar(number("/workers/utilization"), 16) +
              right(fmt::format("{:.0f}/{:.0f}", number("/workers/busy"), number("/workers/max")), 8),
          Ink::plain},
         {"   queue  ", Ink::faint},
         {fmt::format("{:.0f} ", number("/queue/pending")), number("/queue/pending") > 0 ? Ink::strong : Ink::plain},
         {fmt::format("(high {:.0f}, normal {:.0f}, low {:.0f})", number("/queue/byPriority/high"),
                      number("/queue/byPriority/normal"), number("/queue/byPriority/low")),
          Ink::faint},
         {fmt::format("   workers use {:.2f} cores, {}", number("/workers/cpu"), bytes(number("/workers/memory"))),
          Ink::plain}});
    add({{left("Jobs", 10), Ink::faint},
         {fmt::format("{:.0f} in all, {:.0f} completed, ", number("/jobs/total"), number("/jobs/completed")),
          Ink::plain},
         {fmt::format("{:.0f} failed", number("/jobs/failed")), number("/jobs/failed") > 0 ? Ink::warning : Ink::plain},
         {fmt::format(", {:.0f} retries, {} on average", number("/jobs/retried"),
                      duration(number("/performance/avgExecutionTime"))),
          Ink::plain}});
    gap();
  }

  void tiers() {
    add({{left("TIER", 10) + right("ENTRIES", 10) + right("SIZE", 12) + right("FULL", 9) + right("HITS", 12) +
              right("MISSES", 12) + right("HIT RATE", 11),
          Ink::faint}});
    for (const auto* tier : {"memory", "disk", "stream"}) {
      const std::string at = fmt::format("/cache/{}/", tier);
      const double hits = number(at + "hits"), misses = number(at + "misses");
      add({{left(tier, 10), Ink::plain},
           {right(fmt::format("{:.0f}", number(at + "entries")), 10) + right(bytes(number(at + "size")), 12) +
                right(percent(number(at + "utilization")), 9) + right(fmt::format("{:.0f}", hits), 12) +
                right(fmt::format("{:.0f}", misses), 12) +
                right(hits + misses > 0 ? percent(number(at + "hitRate")) : "–", 11),
            Ink::plain}});
    }
    gap();
  }

  void jobs(const boost::json::array& running, std::size_t lines) {
    const auto name = size_.columns > 66 ? size_.columns - 56 : 10;
    add({{left("RUNNING", 14) + left("INPUT", name) + left("PRIORITY", 10) + right("ATTEMPT", 8) + "  PROGRESS",
          Ink::faint}});
    for (std::size_t i = 0; i < running.size() && i + 1 < lines; ++i) {
      const auto progress = number_at(running[i], "/progress");
      add({{left(text_at(running[i], "/operation"), 14), Ink::strong},
           {left(text_at(running[i], "/input"), name) + left(text_at(running[i], "/priority"), 10) +
                right(fmt::format("{:.0f}", number_at(running[i], "/attempts")), 8) + "  " + bar(progress, 12) +
                right(fmt::format("{:.0f} %", progress * 100), 6),
            Ink::plain}});
    }
    gap();
  }

  void table(const boost::json::array& endpoints) {
    const auto name = size_.columns > 64 ? size_.columns - 49 : 14;
    add({{left("ENDPOINT", name) + right("RATE", 11) + right("FAILED", 8) + right("P50", 10) + right("P99", 10) +
              right("MOST", 10),
          Ink::faint}});
    for (const auto& each : endpoints) {
      const double failed = number_at(each, "/failed");
      add({{left(text_at(each, "/endpoint"), name) + right(rate(number_at(each, "/throughput")), 11), Ink::plain},
           {right(fmt::format("{:.0f}", failed), 8), failed > 0 ? Ink::bad : Ink::plain},
           {right(duration(number_at(each, "/p50")), 10) + right(duration(number_at(each, "/p99")), 10) +
                right(duration(number_at(each, "/max")), 10),
            Ink::plain}});
    }
  }

  /// Always the last line of the screen.
  void foot() {
    while (lines_.size() + 1 < size_.lines) lines_.emplace_back();
    if (reading_.trouble) {
      lines_.push_back({{fit(fmt::format("The server is gone: {}. What you see is {:.0f} s old. q quits",
                                         *reading_.trouble, reading_.age),
                             size_.columns),
                         Ink::bad}});
    } else {
      lines_.push_back({{fit("q quits", size_.columns), Ink::faint}});
    }
  }

  const TopReading& reading_;
  ScreenSize size_;
  std::vector<ScreenLine> lines_;
};

}  // namespace

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::vector<ScreenLine> compose_top(const TopReading& reading, ScreenSize size) {
  return Composer(reading, size).compose();
}

}  // namespace hotwell::cli
