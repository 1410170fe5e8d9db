#include "apps/hotwell/replay/trace.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "apps/hotwell/replay/trace_input.hpp"
#include "base/digest.hpp"

namespace hotwell::replay {
namespace {

using Visit = std::function<void(const TraceRequest&)>;
constexpr std::string_view formats = "oracleGeneral, arc, lirs, u32be, u64be, access-log or columns:KEY[,SIZE]";

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

/// The text up to `separator`, which it takes off `rest` with it.
std::string_view next_field(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return field;
}

/// Fields between commas or tabs, which may be empty, or between runs of spaces, as the first line shows.
class Fields {
 public:
  void split(std::string_view line) {
    if (separator_ == 0)
      separator_ = line.find(',') != std::string_view::npos    ? ','
                   : line.find('\t') != std::string_view::npos ? '\t'
                                                               : ' ';
    fields_.clear();
    while (!line.empty()) {
      const auto field = next_field(line, separator_);
      if (separator_ != ' ')
        fields_.push_back(trimmed(field));
      else if (!field.empty())
        fields_.push_back(field);
    }
  }
  [[nodiscard]] std::size_t count() const { return fields_.size(); }
  [[nodiscard]] std::optional<std::string_view> at(unsigned column) const {
    if (column > fields_.size() || fields_[column - 1].empty()) return std::nullopt;
    return fields_[column - 1];
  }

 private:
  char separator_ = 0;
  std::vector<std::string_view> fields_;
};

std::string excerpt(std::string_view line) {
  constexpr std::size_t most = 60;
  std::string text(line.substr(0, most));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return line.size() > most ? text + "..." : text;
}

/// What lines ask for.
class Lines {
 public:
  Lines(const TraceFormat& format, const Visit& visit) : format_(format), visit_(visit) {}

  /// What was expected instead; empty where the line is good.
  std::string take(std::string_view line) {
    ++count_;
    if (trimmed(line).empty()) return {};
    switch (format_.kind) {
      case TraceFormat::Kind::arc: return arc(line);
      case TraceFormat::Kind::lirs: return lirs(line);
      case TraceFormat::Kind::access_log: return access_log(line);
      default: return columns(line);
    }
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::string arc(std::string_view line) {
    fields_.split(line);
    const auto start = fields_.at(1) ? number(*fields_.at(1)) : std::nullopt;
    const auto count = fields_.at(2) ? number(*fields_.at(2)) : std::nullopt;
    if (!start || !count) return "\"START COUNT ...\", two numbers";
    for (std::uint64_t i = 0; i < *count; ++i) visit_({*start + i, 1});
    return {};
  }

  std::string lirs(std::string_view line) {
    if (trimmed(line) == "*") return {};
    const auto block = number(trimmed(line));
    if (!block) return "a block number, or *";
    visit_({*block, 1});
    return {};
  }

  /// HOST IDENT USER [TIME] "METHOD TARGET VERSION" STATUS BYTES ...: requests that nobody understood stand there too.
  std::string access_log(std::string_view line) {
    constexpr auto expected = "HOST ... [TIME] \"METHOD TARGET VERSION\" STATUS BYTES";
    const auto time = line.find("] \"");
    if (time == std::string_view::npos) return expected;
    auto rest = line.substr(time + 3);
    std::size_t end = 0;
    while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2U : 1U;
    if (end >= rest.size()) return expected;
    auto request = rest.substr(0, end);
    rest = trimmed(rest.substr(end + 1));
    const auto status = number(next_field(rest, ' '));
    const auto sent = next_field(rest, ' ');
    const auto bytes = sent == "-" ? 0 : number(sent);
    if (!status || !bytes) return expected;
    const auto whole = request;
    (void)next_field(request, ' ');
    const auto target = next_field(request, ' ');
    visit_({base::xxh3_64(target.empty() ? whole : target), *bytes});
    return {};
  }

  std::string columns(std::string_view line) {
    if (trimmed(line).starts_with('#')) return {};
    fields_.split(line);
    const auto key = fields_.at(format_.key_column);
    if (!key) return fmt::format("a key in field {}, of {} fields", format_.key_column, fields_.count());
    std::uint64_t bytes = 1;
    if (format_.size_column) {
      const auto text = fields_.at(*format_.size_column);
      const auto size = text ? number(*text) : std::nullopt;
      if (!size && count_ == 1 && text) return {};  // a head line with the columns' names
      if (!size) return fmt::format("a size in bytes in field {}, of {} fields", *format_.size_column, fields_.count());
      bytes = *size;
    }
    visit_({base::xxh3_64(*key), bytes});
    return {};
  }

  const TraceFormat& format_;
  const Visit& visit_;
  Fields fields_;
  std::uint64_t count_ = 0;
};

Result<void> read_lines(TraceInput& input, const std::string& name, const TraceFormat& format, const Visit& visit) {
  Lines lines(format, visit);
  std::string line;
  for (;;) {
    auto there = input.read_line(line);
    if (!there) return std::unexpected(there.error());
    if (!*there) return {};
    if (const auto expected = lines.take(line); !expected.empty())
      return fail(Code::corrupt_input,
                  fmt::format("{}, line {}: expected {}, got \"{}\"", name, lines.count(), expected, excerpt(line)));
  }
}

template <class Integer>
Integer little_endian(const char* bytes) {
  Integer value;
  std::memcpy(&value, bytes, sizeof value);
  static_assert(std::endian::native == std::endian::little);
  return value;
}

TraceRequest request_of(TraceFormat::Kind kind, const char* record) {
  switch (kind) {
    case TraceFormat::Kind::u32be: return {__builtin_bswap32(little_endian<std::uint32_t>(record)), 1};
    case TraceFormat::Kind::u64be: return {__builtin_bswap64(little_endian<std::uint64_t>(record)), 1};
    default: return {little_endian<std::uint64_t>(record + 4), little_endian<std::uint32_t>(record + 12)};
  }
}

Result<void> read_records(TraceInput& input, const std::string& name, const TraceFormat& format, const Visit& visit) {
  const std::size_t size = format.kind == TraceFormat::Kind::u32be   ? 4
                           : format.kind == TraceFormat::Kind::u64be ? 8
                                                                     : 24;
  std::vector<char> block(size * 4096);
  for (;;) {
    auto count = input.read(block.data(), block.size());
    if (!count) return std::unexpected(count.error());
    for (std::size_t at = 0; at + size <= *count; at += size) visit(request_of(format.kind, block.data() + at));
    if (const auto rest = *count % size; rest != 0)
      return fail(Code::corrupt_input, fmt::format("{}, byte {}: expected a record of {} bytes, got {} and the end",
                                                   name, input.offset() - rest, size, rest));
    if (*count < block.size()) return {};
  }
}

}  // namespace

Result<TraceFormat> parse_trace_format(std::string_view text) {
  using Kind = TraceFormat::Kind;
  struct Named {
    std::string_view name;
    Kind kind;
  };
  constexpr std::array named{Named{"oracleGeneral", Kind::oracle_general},
                             Named{"arc", Kind::arc},
                             Named{"lirs", Kind::lirs},
                             Named{"u32be", Kind::u32be},
                             Named{"u64be", Kind::u64be},
                             Named{"access-log", Kind::access_log}};
  for (const auto& one : named)
    if (one.name == text) return TraceFormat{one.kind};
  constexpr std::string_view columns = "columns:";
  if (text.starts_with(columns)) {
    auto rest = text.substr(columns.size());
    const bool sized = rest.find(',') != std::string_view::npos;
    const auto key = number(next_field(rest, ','));
    const std::uint64_t size = sized ? number(rest).value_or(0) : 0;
    constexpr std::uint64_t most = 1000;
    const auto good = [](std::uint64_t column) { return column >= 1 && column <= most; };
    if (good(key.value_or(0)) && (!sized || good(size))) {
      TraceFormat format{Kind::columns, static_cast<unsigned>(*key)};
      if (sized) format.size_column = static_cast<unsigned>(size);
      return format;
    }
    return fail(Code::invalid_argument,
                fmt::format("trace format: expected columns:KEY or columns:KEY,SIZE with the fields' numbers from 1, "
                            "got \"{}\"",
                            text));
  }
  return fail(Code::invalid_argument, fmt::format("trace format: expected {}, got \"{}\"", formats, text));
}

Result<void> read_trace(const std::filesystem::path& file, const TraceFormat& format, const Visit& visit) {
  auto input = TraceInput::open(file);
  if (!input) return std::unexpected(input.error());
  switch (format.kind) {
    case TraceFormat::Kind::oracle_general:
    case TraceFormat::Kind::u32be:
    case TraceFormat::Kind::u64be: return read_records(*input, file.string(), format, visit);
    default: return read_lines(*input, file.string(), format, visit);
  }
}

}  // namespace hotwell::replay
