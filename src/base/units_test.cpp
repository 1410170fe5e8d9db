#include <hotwell/units.hpp>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;

template <class T>
void expect_refused(const Result<T>& result, std::string_view text) {
  ASSERT_FALSE(result) << text;
  EXPECT_EQ(result.error().code, Code::invalid_argument);
  EXPECT_NE(result.error().message.find("expected"), std::string::npos) << result.error().message;
  EXPECT_NE(result.error().message.find(text), std::string::npos) << result.error().message;
}

TEST(BytesText, ParsesWhatPeopleWrite) {
  const std::pair<const char*, Bytes> cases[] = {
      {"0", 0_B},          {"4096", 4096_B},        {"512 B", 512_B},
      {"100MiB", 100_MiB}, {"1.5 GiB", 1536_MiB},   {"5 GiB", 5_GiB},
      {"10kB", 10'000_B},  {"10KB", 10'000_B},      {"2TB", 2'000'000'000'000_B},
      {"1 TiB", 1_TiB},    {" 7 MB ", 7'000'000_B}, {"0.5KiB", 512_B},
      {"12 bytes", 12_B},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = parse_bytes(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->count, bytes.count) << text;
  }
}

TEST(BytesText, RefusesTheRestAndSaysWhatWasExpected) {
  for (const char* text : {"", " ", "MiB", "-1", "-0", "+1", "1 XB", "1MiB2", "1,5MiB", "1e3", "inf", "nan", "0x10",
                           "9223372036854775808", "99999999 TiB", "1 mib"})
    expect_refused(parse_bytes(text), text);
}

RC_GTEST_PROP(BytesText, WholeNumbersOfBytesAreExact, ()) {
  const auto count = *rc::gen::inRange<std::uint64_t>(0, std::numeric_limits<std::int64_t>::max());
  RC_ASSERT(parse_bytes(std::to_string(count)).value().count == count);
}

RC_GTEST_PROP(BytesText, PrintedFormParsesBackToTwoDecimals, ()) {
  // Sizes of every magnitude, not just huge ones.
  const Bytes bytes{*rc::gen::inRange<std::uint64_t>(1, 1ULL << 60) >> *rc::gen::inRange(0, 60)};
  const auto back = parse_bytes(to_string(bytes)).value();
  RC_ASSERT(std::abs(static_cast<double>(back.count) - static_cast<double>(bytes.count)) <=
            0.00501 * std::max(1.0, static_cast<double>(bytes.count)));
}

TEST(BytesText, PrintsForPeople) {
  EXPECT_EQ(to_string(0_B), "0 B");
  EXPECT_EQ(to_string(1023_B), "1023 B");
  EXPECT_EQ(to_string(1_KiB), "1.00 KiB");
  EXPECT_EQ(to_string(Bytes{93'564'436}), "89.23 MiB");
  EXPECT_EQ(to_string(5_GiB), "5.00 GiB");
  EXPECT_EQ(to_string(Bytes{std::numeric_limits<std::uint64_t>::max()}), "16384.00 PiB");
}

TEST(BytesArithmetic, IsThatOfNumbers) {
  Bytes total = 3_KiB;
  total += 1_KiB;
  total -= 2_KiB;
  EXPECT_EQ(total, 2048_B);
  EXPECT_EQ(total * 2, 4_KiB);
  EXPECT_EQ(total / 4, 512_B);
  EXPECT_LT(total, 1_MiB);
}

TEST(DurationText, ParsesWhatPeopleWrite) {
  const std::pair<const char*, Duration> cases[] = {
      {"250ms", 250ms},
      {"5m", 5min},
      {"5min", 5min},
      {"1h30m", 90min},
      {"7d", 24h * 7},
      {"0.5s", 500ms},
      {"0", 0s},
      {"0s", 0s},
      {"17us", 17us},
      {"1 h 30 m", 90min},
      {"3ns", 3ns},
      {" 10 s ", 10s},
      {"2d 5h 23m", 53h + 23min},
  };
  for (const auto& [text, duration] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, duration) << text;
  }
}

TEST(DurationText, RefusesTheRestAndSaysWhatWasExpected) {
  for (const char* text :
       {"", " ", "5", "5x", "m", "-5m", "-0s", "5 minutes", "1.5.5s", "1e3s", "inf s", "300000 d", "1h30", "5M"})
    expect_refused(parse_duration(text), text);
}

TEST(DurationText, PrintsForPeople) {
  EXPECT_EQ(to_string(Duration{0}), "0 ns");
  EXPECT_EQ(to_string(Duration{250ns}), "250 ns");
  EXPECT_EQ(to_string(Duration{45'230ns}), "45.23 us");
  EXPECT_EQ(to_string(Duration{45'230us}), "45.23 ms");
  EXPECT_EQ(to_string(Duration{1500ms}), "1.50 s");
  EXPECT_EQ(to_string(Duration{5min}), "5m 0s");
  EXPECT_EQ(to_string(Duration{3h + 4min + 5s}), "3h 4m");
  EXPECT_EQ(to_string(Duration{53h + 23min + 9s}), "2d 5h 23m");
  EXPECT_EQ(to_string(Duration{-250ms}), "-250.00 ms");
  // Rounding never shows a number that belongs to the next unit.
  EXPECT_EQ(to_string(Duration{59'999'999'999ns}), "1m 0s");
  EXPECT_EQ(to_string(Duration{999'999'999ns}), "1.00 s");
  EXPECT_EQ(to_string(Duration{999'999ns}), "1.00 ms");
  EXPECT_EQ(to_string(Duration::min()), "-106751d 23h 47m");
}

RC_GTEST_PROP(DurationText, PrintedFormParsesBackToItsPrecision, ()) {
  const Duration duration{*rc::gen::inRange<std::int64_t>(0, 1LL << 60) >> *rc::gen::inRange(0, 60)};
  const auto back = parse_duration(duration == 0s ? "0" : to_string(duration)).value();
  const auto off = std::chrono::abs(back - duration);
  if (duration < 60s) {
    RC_ASSERT(static_cast<double>(off.count()) <= 0.0051 * static_cast<double>(duration.count()));
  } else {
    RC_ASSERT(off <= (duration < 1h ? Duration{1s} : Duration{1min}));
  }
}

TEST(Rfc3339, PrintsUtcWithMicroseconds) {
  using std::chrono::sys_days, std::chrono::year;
  EXPECT_EQ(to_rfc3339(WallTime{}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_rfc3339(WallTime{sys_days{year{2026} / 1 / 31}} + 12h + 5us), "2026-01-31T12:00:00.000005Z");
  EXPECT_EQ(to_rfc3339(WallTime{-1us}), "1969-12-31T23:59:59.999999Z");
}

TEST(Rfc3339, ParsesOffsetsFractionsAndLetterCase) {
  const auto noon = parse_rfc3339("2026-01-31T12:00:00Z").value();
  for (const char* same : {"2026-01-31T12:00:00.000Z", "2026-01-31t12:00:00z", "2026-01-31 12:00:00Z",
                           "2026-01-31T13:30:00+01:30", "2026-01-30T23:00:00-13:00", "2026-01-31T12:00:00-00:00"})
    EXPECT_EQ(parse_rfc3339(same).value(), noon) << same;
  EXPECT_EQ(parse_rfc3339("2026-01-31T12:00:00.1234567891Z").value() - noon, 123'456us);
  EXPECT_EQ(parse_rfc3339("2024-02-29T00:00:00Z").value() - parse_rfc3339("2024-02-28T00:00:00Z").value(), 24h);
  EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z").value(), parse_rfc3339("2017-01-01T00:00:00Z").value());
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z",
        "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z", "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00+1:00", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00Zx", "26-01-31T12:00:00Z", "now"})
    expect_refused(parse_rfc3339(text), text);
}

RC_GTEST_PROP(Rfc3339, RoundTripsEveryMicrosecond, ()) {
  const WallTime time{
      std::chrono::microseconds{*rc::gen::inRange<std::int64_t>(-62'167'219'200'000'000, 253'402'300'800'000'000)}};
  RC_ASSERT(parse_rfc3339(to_rfc3339(time)).value() == time);
}

}  // namespace
}  // namespace hotwell
