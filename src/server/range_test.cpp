#include "server/range.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hotwell::server {
namespace {

using Kind = RangeAnswer::Kind;

RangeAnswer of(std::string_view header, std::uint64_t size) {
  const auto specs = parse_range(header);
  return specs ? resolve_range(*specs, size) : RangeAnswer{};
}

TEST(Range, AnswersTheCasesOfRfc9110) {
  struct Case {
    std::string_view header;
    std::uint64_t size;
    Kind kind;
    std::vector<ByteRange> ranges;
  };
  const Case cases[] = {
      {"bytes=0-499", 10'000, Kind::parts, {{0, 500}}},
      {"bytes=500-999", 10'000, Kind::parts, {{500, 500}}},
      {"bytes=-500", 10'000, Kind::parts, {{9500, 500}}},
      {"bytes=9500-", 10'000, Kind::parts, {{9500, 500}}},
      {"bytes=0-0,-1", 10'000, Kind::parts, {{0, 1}, {9999, 1}}},
      {"bytes= 0-0 , ,-1", 10'000, Kind::parts, {{0, 1}, {9999, 1}}},
      {"bytes=500-600,601-999", 10'000, Kind::parts, {{500, 101}, {601, 399}}},
      {"BYTES=0-1", 10, Kind::parts, {{0, 2}}},
      {"bytes=5-100", 10, Kind::parts, {{5, 5}}},
      {"bytes=-100", 10, Kind::parts, {{0, 10}}},
      {"bytes=9-9", 10, Kind::parts, {{9, 1}}},
      {"bytes=10-", 10, Kind::unsatisfiable, {}},
      {"bytes=10-11,20-", 10, Kind::unsatisfiable, {}},
      {"bytes=10-11,0-1", 10, Kind::parts, {{0, 2}}},
      {"bytes=-0", 10, Kind::unsatisfiable, {}},
      {"bytes=0-", 0, Kind::unsatisfiable, {}},
      {"bytes=-5", 0, Kind::whole, {}},
      {"bytes=99999999999999999999999-", 10, Kind::unsatisfiable, {}},
      {"bytes=0-99999999999999999999999", 10, Kind::parts, {{0, 10}}},
      // Not well formed, or not bytes: ignored.
      {"bytes=5-4", 10, Kind::whole, {}},
      {"bytes=a-b", 10, Kind::whole, {}},
      {"bytes=-", 10, Kind::whole, {}},
      {"bytes=", 10, Kind::whole, {}},
      {"bytes=0-1,x", 10, Kind::whole, {}},
      {"bytes=+0-1", 10, Kind::whole, {}},
      {"bytes=0--1", 10, Kind::whole, {}},
      {"bytes 0-1", 10, Kind::whole, {}},
      {"pages=0-1", 10, Kind::whole, {}},
      {"", 10, Kind::whole, {}},
      // More than there is: cheaper whole.
      {"bytes=0-,0-", 10, Kind::whole, {}},
      {"bytes=0-9,0-0", 10, Kind::whole, {}},
  };
  for (const auto& c : cases) {
    const auto answer = of(c.header, c.size);
    EXPECT_EQ(answer.kind, c.kind) << c.header << " of " << c.size;
    EXPECT_EQ(answer.ranges, c.ranges) << c.header << " of " << c.size;
  }
}

TEST(Range, ManyPartsAreAnsweredWhole) {
  std::string header = "bytes=0-0";
  for (int i = 1; i < 32; ++i) header += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
  EXPECT_EQ(of(header, 1000).ranges.size(), 32U);
  EXPECT_EQ(of(header + ",900-900", 1000).kind, Kind::whole);
}

TEST(Range, ContentRangeNamesTheLastByte) {
  EXPECT_EQ(content_range({0, 5}, 10), "bytes 0-4/10");
  EXPECT_EQ(content_range({7, 1}, std::nullopt), "bytes 7-7/*");
}

RC_GTEST_PROP(RangeProperty, NeverLeavesTheObject, ()) {
  const auto header = "bytes=" + *rc::gen::container<std::string>(rc::gen::element('0', '1', '9', '-', ',', ' '));
  const auto size = *rc::gen::inRange<std::uint64_t>(0, 200);
  const auto answer = of(header, size);
  std::uint64_t total = 0;
  for (const auto range : answer.ranges) {
    RC_ASSERT(range.length > 0);
    RC_ASSERT(range.offset + range.length <= size);
    total += range.length;
  }
  RC_ASSERT(total <= size);
  RC_ASSERT((answer.kind == Kind::parts) == !answer.ranges.empty());
}

}  // namespace
}  // namespace hotwell::server
