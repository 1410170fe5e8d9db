#include "apps/hotwell/bench_plan.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

namespace hotwell::cli {
namespace {

constexpr std::array<std::string_view, call_kinds> kind_names{"get", "put", "media", "job", "fill"};

/// SplitMix64 (Steele, Lea, Flood 2014): a number for a key that has nothing to do with its neighbours'.
std::uint64_t scatter(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}
double unit(std::uint64_t bits) { return static_cast<double>(bits >> 11U) * 0x1.0p-53; }

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "17/May/2015:10:05:03 +0000" as seconds since the epoch.
std::optional<std::int64_t> log_time(std::string_view text) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 26 || text[2] != '/' || text[6] != '/' || text[11] != ':') return std::nullopt;
  const auto month = months.find(text.substr(3, 3));
  const auto day = number(text.substr(0, 2)), year = number(text.substr(7, 4)), hour = number(text.substr(12, 2)),
             minute = number(text.substr(15, 2)), second = number(text.substr(18, 2)),
             zone_hour = number(text.substr(22, 2)), zone_minute = number(text.substr(24, 2));
  if (month == std::string_view::npos || month % 3 != 0 || !day || !year || !hour || !minute || !second || !zone_hour ||
      !zone_minute)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{static_cast<unsigned>(month / 3 + 1)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  const auto zone = (*zone_hour * 60 + *zone_minute) * 60 * (text[21] == '-' ? -1 : 1);
  return static_cast<std::int64_t>(days) * 86'400 + *hour * 3600 + *minute * 60 + *second - zone;
}

}  // namespace

std::string_view name_of(CallKind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

Zipf::Zipf(std::size_t count, double exponent) : cumulative_(std::max<std::size_t>(1, count)) {
  double sum = 0;
  for (std::size_t i = 0; i < cumulative_.size(); ++i)
    cumulative_[i] = sum += std::pow(static_cast<double>(i + 1), -exponent);
  for (auto& value : cumulative_) value /= sum;
}

std::size_t Zipf::rank(double random) const {
  const auto found = std::ranges::upper_bound(cumulative_, random);
  return std::min(static_cast<std::size_t>(found - cumulative_.begin()), cumulative_.size() - 1) + 1;
}

Outcome<SizeRange> parse_sizes(std::string_view text) {
  const auto dash = text.find('-');
  const auto least = parse_bytes(text.substr(0, dash));
  const auto most = dash == std::string_view::npos ? least : parse_bytes(text.substr(dash + 1));
  if (!least || !most || least->count > most->count || least->count == 0)
    return end(status::usage,
               fmt::format("--size is \"{}\", expected a size such as 4KiB, or a range such as 1KiB-1MiB", text));
  return SizeRange{*least, *most};
}

Outcome<Mix> parse_mix(std::string_view text) {
  Mix mix{};
  const auto wrong = [&](std::string_view part) {
    return end(
        status::usage,
        fmt::format("--mix: \"{}\" is not understood, expected parts of get, put, media and job such as get=95,put=5",
                    part));
  };
  for (std::string_view rest = text; !rest.empty();) {
    const auto part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) return wrong(part);
    const auto kind = std::ranges::find(kind_names.begin(), kind_names.end() - 1, part.substr(0, equals));
    double weight = 0;
    const auto digits = part.substr(equals + 1);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), weight);
    if (kind == kind_names.end() - 1 || error != std::errc{} || stop != digits.data() + digits.size() ||
        !(weight >= 0) || !std::isfinite(weight))
      return wrong(part);
    mix[static_cast<std::size_t>(kind - kind_names.begin())] = weight;
  }
  if (std::accumulate(mix.begin(), mix.end(), 0.0) <= 0) return wrong(text);
  return mix;
}

MixSource::MixSource(const MixOptions& options)
    : options_(options),
      zipf_(options.keys, options.zipf),
      random_(options.seed),
      total_(std::accumulate(options.mix.begin(), options.mix.end(), 0.0)) {}

Bytes MixSource::size_of(std::uint64_t key) const {
  // Evenly over the orders of magnitude: there are many small objects and few large ones.
  const double least = std::log(static_cast<double>(options_.sizes.least.count)),
               most = std::log(static_cast<double>(options_.sizes.most.count));
  return Bytes{static_cast<std::uint64_t>(std::llround(std::exp(least + (most - least) * unit(scatter(key)))))};
}

std::optional<Call> MixSource::next() {
  const double limit = std::chrono::duration<double>(options_.duration).count();
  if (at_ >= limit) return std::nullopt;
  Call call{.at = std::chrono::round<Duration>(std::chrono::duration<double>(at_)), .key = zipf_.rank(unit(random_()))};
  double pick = unit(random_()) * total_;
  std::size_t kind = 0;
  while (kind + 1 < options_.mix.size() && pick >= options_.mix[kind]) pick -= options_.mix[kind++];
  call.kind = static_cast<CallKind>(kind);
  call.size = size_of(call.key);
  at_ += options_.arrivals == Arrivals::steady ? 1 / options_.rate : -std::log1p(-unit(random_())) / options_.rate;
  return call;
}

std::optional<LogLine> parse_log_line(std::string_view line) {
  // HOST IDENT USER [TIME] "METHOD PATH PROTOCOL" STATUS SIZE ...
  const auto open = line.find('['), close = line.find("] \"");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  const auto second = log_time(line.substr(open + 1, close - open - 1));
  auto request = line.substr(close + 3);
  const auto quote = request.find("\" ");
  if (!second || quote == std::string_view::npos) return std::nullopt;
  auto rest = request.substr(quote + 2);
  request = request.substr(0, quote);
  if (!request.starts_with("GET ")) return std::nullopt;
  request.remove_prefix(4);
  const auto path = request.substr(0, request.find(' '));
  if (path.empty() || path.front() != '/') return std::nullopt;
  const auto after_status = rest.find(' ');
  rest = after_status == std::string_view::npos ? std::string_view{} : rest.substr(after_status + 1);
  const auto size = number(rest.substr(0, rest.find_first_of(" \r\n")));
  return LogLine{*second, path, size && *size > 0 ? static_cast<std::uint64_t>(*size) : 0};
}

Outcome<LogSource> LogSource::read(const std::filesystem::path& file, const Options& options) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return end(status::usage, fmt::format("the access log {} cannot be read", file.string()));
  LogSource source;
  std::unordered_map<std::string, std::uint64_t> numbers;
  std::string line;
  std::int64_t first = 0, last = 0;
  while (std::getline(in, line) && (options.limit == 0 || source.calls_.size() < options.limit)) {
    const auto parsed = parse_log_line(line);
    if (!parsed) {
      ++source.skipped_;
      continue;
    }
    if (source.calls_.empty()) first = last = parsed->second;
    last = std::max(last, parsed->second);  // logs are written at the end of a request: a little out of order
    const auto [found, is_new] = numbers.try_emplace(std::string(parsed->path), source.paths_.size());
    if (is_new) source.paths_.emplace_back(parsed->path);
    const auto offset = options.rate ? static_cast<double>(source.calls_.size()) / *options.rate
                                     : static_cast<double>(last - first) / options.speed.value_or(1);
    source.calls_.push_back({.at = std::chrono::round<Duration>(std::chrono::duration<double>(offset)),
                             .kind = CallKind::get,
                             .key = found->second,
                             .size = Bytes{std::max<std::uint64_t>(1, parsed->size)}});
  }
  if (source.calls_.empty())
    return end(status::usage,
               fmt::format("{} has no GET with a time: expected an access log in the common or combined format",
                           file.string()));
  // The log's seconds are whole: spread each second's calls evenly over it.
  if (!options.rate) {
    const double length = 1 / options.speed.value_or(1);
    for (std::size_t i = 0; i < source.calls_.size();) {
      std::size_t j = i;
      while (j < source.calls_.size() && source.calls_[j].at == source.calls_[i].at) ++j;
      const auto at = source.calls_[i].at;
      for (std::size_t k = i; k < j; ++k)
        source.calls_[k].at = at + std::chrono::round<Duration>(std::chrono::duration<double>(
                                       length * static_cast<double>(k - i) / static_cast<double>(j - i)));
      i = j;
    }
  }
  return source;
}

std::optional<Call> LogSource::next() {
  if (at_ == calls_.size()) return std::nullopt;
  return calls_[at_++];
}

}  // namespace hotwell::cli
