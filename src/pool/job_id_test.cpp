#include "pool/job_id.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hotwell::pool {
namespace {

RC_GTEST_PROP(JobId, ComesBackAndSortsAsItsNumber, (std::uint64_t a, std::uint64_t b)) {
  RC_ASSERT(parse_job_id(to_job_id(a)) == a);
  RC_ASSERT((to_job_id(a) < to_job_id(b)) == (a < b));
}

TEST(JobId, NumbersOnlyGrow) {
  auto last = next_job_number();
  for (int i = 0; i < 10'000; ++i) {
    const auto next = next_job_number();
    ASSERT_GT(next, last);
    last = next;
  }
}

TEST(JobId, WhatIsNoIdIsNone) {
  for (const char* text : {"", "0123456789ab", "0123456789abcd", "ilou000000000", "zzzzzzzzzzzzz", "0123456789AB0"})
    EXPECT_EQ(parse_job_id(text), std::nullopt) << text;
  EXPECT_EQ(to_job_id(0), "0000000000000");
  EXPECT_EQ(to_job_id(~std::uint64_t{0}), "fzzzzzzzzzzzz");
}

}  // namespace
}  // namespace hotwell::pool
