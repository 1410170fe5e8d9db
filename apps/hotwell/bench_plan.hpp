/// What `hotwell bench` sends, and when: made before the run, without looking at any answer, so that a slow server is
/// asked as often as a fast one.
///
/// Invariants: calls come in the order of their times; the same options give the same calls.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/units.hpp>

#include "apps/hotwell/ending.hpp"

namespace hotwell::cli {

enum class CallKind : std::uint8_t { get, put, media, job, fill };
inline constexpr std::size_t call_kinds = 5;
[[nodiscard]] std::string_view name_of(CallKind kind);

/// Ranks 1 to `count`, rank r with a weight of 1 / r^exponent. Exponent 0 is uniform.
class Zipf {
 public:
  Zipf(std::size_t count, double exponent);
  /// `random` lies in [0, 1).
  [[nodiscard]] std::size_t rank(double random) const;

 private:
  std::vector<double> cumulative_;
};

struct SizeRange {
  Bytes least{4096};
  Bytes most{4096};
};
/// "4KiB" or "1KiB-1MiB".
[[nodiscard]] Outcome<SizeRange> parse_sizes(std::string_view text);

using Mix = std::array<double, call_kinds>;
/// "get=95,put=5": parts of any sum.
[[nodiscard]] Outcome<Mix> parse_mix(std::string_view text);

enum class Arrivals : std::uint8_t { steady, poisson };

struct Call {
  Duration at{};  ///< from the beginning: when it is meant to be sent
  CallKind kind = CallKind::get;
  std::uint64_t key = 0;  ///< a rank, or the number of a log's path
  Bytes size;             ///< of the object
};

struct MixOptions {
  double rate = 1000;  ///< calls a second
  Duration duration = std::chrono::seconds{10};
  Mix mix{};
  std::size_t keys = 10'000;
  double zipf = 0.99;
  SizeRange sizes;
  Arrivals arrivals = Arrivals::poisson;
  std::uint64_t seed = 1;
};

/// One call after the other. Either a mix or an access log.
class CallSource {
 public:
  virtual ~CallSource() = default;
  [[nodiscard]] virtual std::optional<Call> next() = 0;
  /// What stands for a key in addresses: "17", or a log's path.
  [[nodiscard]] virtual std::string name_of(std::uint64_t key) const = 0;
};

class MixSource final : public CallSource {
 public:
  explicit MixSource(const MixOptions& options);
  std::optional<Call> next() override;
  std::string name_of(std::uint64_t key) const override { return std::to_string(key); }
  /// The same for a key in every call.
  [[nodiscard]] Bytes size_of(std::uint64_t key) const;

 private:
  MixOptions options_;
  Zipf zipf_;
  std::mt19937_64 random_;
  double at_ = 0;  ///< seconds
  double total_ = 0;
};

/// GETs of an access log in the common or combined format, at the log's own times sped up, or at a rate of one's own.
class LogSource final : public CallSource {
 public:
  struct Options {
    std::optional<double> speed;  ///< 60 replays an hour in a minute
    std::optional<double> rate;   ///< instead: calls a second
    std::uint64_t limit = 0;      ///< lines at most; 0: all
  };
  /// Ends: usage when the file cannot be read, or no line of it is a GET with a time.
  [[nodiscard]] static Outcome<LogSource> read(const std::filesystem::path& file, const Options& options);

  std::optional<Call> next() override;
  std::string name_of(std::uint64_t key) const override { return paths_[key]; }
  [[nodiscard]] std::size_t calls() const { return calls_.size(); }
  [[nodiscard]] std::size_t skipped() const { return skipped_; }

 private:
  std::vector<Call> calls_;
  std::vector<std::string> paths_;
  std::size_t at_ = 0;
  std::size_t skipped_ = 0;
};

/// What one line of an access log tells; nothing where it is no GET with a time.
struct LogLine {
  std::int64_t second = 0;  ///< since the epoch
  std::string_view path;
  std::uint64_t size = 0;  ///< 0 where the log has "-"
};
[[nodiscard]] std::optional<LogLine> parse_log_line(std::string_view line);

}  // namespace hotwell::cli
