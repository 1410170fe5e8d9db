#include "server/conditions.hpp"

#include <gtest/gtest.h>

namespace hotwell::server {
namespace {

constexpr std::string_view tag = "\"abc\"";

TEST(Conditions, ListedTagsDecide) {
  struct Case {
    Conditions conditions;
    std::string_view etag;
    Access access;
    Verdict verdict;
  };
  const Case cases[] = {
      {{}, tag, Access::reading, Verdict::proceed},
      {{.if_match = "\"abc\""}, tag, Access::reading, Verdict::proceed},
      {{.if_match = "\"x\", \"abc\""}, tag, Access::writing, Verdict::proceed},
      {{.if_match = "\"x\""}, tag, Access::reading, Verdict::precondition_failed},
      {{.if_match = "W/\"abc\""}, tag, Access::reading, Verdict::precondition_failed},  // weak never matches strongly
      {{.if_match = "*"}, tag, Access::writing, Verdict::proceed},
      {{.if_match = "*"}, "", Access::writing, Verdict::precondition_failed},
      {{.if_none_match = "\"abc\""}, tag, Access::reading, Verdict::not_modified},
      {{.if_none_match = "W/\"abc\""}, tag, Access::reading, Verdict::not_modified},
      {{.if_none_match = "\"a,b\", \"abc\""}, tag, Access::reading, Verdict::not_modified},
      {{.if_none_match = "\"x\""}, tag, Access::reading, Verdict::proceed},
      {{.if_none_match = "*"}, tag, Access::reading, Verdict::not_modified},
      {{.if_none_match = "*"}, tag, Access::writing, Verdict::precondition_failed},
      {{.if_none_match = "*"}, "", Access::writing, Verdict::proceed},
      {{.if_match = "\"x\"", .if_none_match = "\"abc\""}, tag, Access::reading, Verdict::precondition_failed},
  };
  for (const auto& c : cases)
    EXPECT_EQ(judge(c.conditions, c.etag, c.access), c.verdict)
        << c.conditions.if_match << " / " << c.conditions.if_none_match << " on " << c.etag;
}

TEST(Conditions, IfRangeHoldsForTheStrongTagAlone) {
  EXPECT_TRUE(range_applies({}, tag));
  EXPECT_TRUE(range_applies({.if_range = "\"abc\""}, tag));
  EXPECT_FALSE(range_applies({.if_range = "\"x\""}, tag));
  EXPECT_FALSE(range_applies({.if_range = "W/\"abc\""}, tag));
  EXPECT_FALSE(range_applies({.if_range = "Tue, 15 Nov 1994 12:45:26 GMT"}, tag));
}

}  // namespace
}  // namespace hotwell::server
