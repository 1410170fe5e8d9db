#include <hotwell/result.hpp>

#include <cerrno>

#include <gtest/gtest.h>

namespace hotwell {
namespace {

// The design's table, written a second time on purpose: a change of what follows from a code has to be meant.
TEST(Codes, TableIsTheDesigns) {
  struct Row {
    Code code;
    const char* name;
    Retry retry;
    int http;
    int exit;
  };
  const Row rows[] = {
      {Code::invalid_argument, "invalid_argument", Retry::never, 400, 2},
      {Code::not_found, "not_found", Retry::never, 404, 1},
      {Code::outside_root, "outside_root", Retry::never, 403, 1},
      {Code::too_large, "too_large", Retry::never, 413, 1},
      {Code::unsupported_media, "unsupported_media", Retry::never, 422, 1},
      {Code::corrupt_input, "corrupt_input", Retry::never, 422, 1},
      {Code::failed, "failed", Retry::never, 422, 1},
      {Code::input_changed, "input_changed", Retry::yes, 409, 1},
      {Code::io, "io", Retry::yes, 500, 1},
      {Code::unavailable, "unavailable", Retry::yes, 502, 1},
      {Code::timeout, "timeout", Retry::yes, 504, 1},
      {Code::no_progress, "no_progress", Retry::yes, 504, 1},
      {Code::crashed, "crashed", Retry::up_to_max_crashes, 500, 1},
      {Code::out_of_memory, "out_of_memory", Retry::once_alone, 507, 1},
      {Code::disk_full, "disk_full", Retry::yes, 507, 1},
      {Code::overloaded, "overloaded", Retry::by_caller, 429, 4},
      {Code::draining, "draining", Retry::by_caller, 503, 4},
      {Code::cancelled, "cancelled", Retry::never, 409, 1},
      {Code::result_gone, "result_gone", Retry::never, 410, 1},
      {Code::denied, "denied", Retry::never, 403, 1},
      {Code::internal, "internal", Retry::never, 500, 1},
  };
  EXPECT_EQ(std::size(rows), code_count);
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const CodeInfo& entry = info(row.code);
    EXPECT_EQ(entry.code, row.code);
    EXPECT_EQ(entry.name, row.name);
    EXPECT_EQ(entry.retry, row.retry);
    EXPECT_EQ(entry.http_status, row.http);
    EXPECT_EQ(entry.exit_code, row.exit);
    EXPECT_EQ(parse_code(row.name), row.code);
  }
}

TEST(Codes, UnknownNamesAreNoCode) {
  EXPECT_EQ(parse_code(""), std::nullopt);
  EXPECT_EQ(parse_code("Timeout"), std::nullopt);
  EXPECT_EQ(parse_code("time"), std::nullopt);
}

TEST(Errors, SayTheirCauses) {
  const Error cause{Code::io, "reading a.mp4: Input/output error"};
  const Result<int> result = fail(Code::unavailable, "the tier is down", cause);
  ASSERT_FALSE(result);
  EXPECT_EQ(to_string(result.error()), "unavailable: the tier is down (cause: io: reading a.mp4: Input/output error)");
}

TEST(Errors, SystemErrorsGetTheirCode) {
  const std::pair<int, Code> expected[] = {
      {ENOENT, Code::not_found},     {ENOSPC, Code::disk_full}, {EDQUOT, Code::disk_full},
      {EACCES, Code::denied},        {EPERM, Code::denied},     {EROFS, Code::denied},
      {ENOMEM, Code::out_of_memory}, {EIO, Code::io},           {EMFILE, Code::io},
  };
  for (const auto& [number, code] : expected) EXPECT_EQ(system_error(number, "opening x").code, code) << number;
  EXPECT_EQ(system_error(ENOENT, "opening x").message, "opening x: No such file or directory");
}

TEST(Errors, FailureCarriesTheError) {
  try {
    throw Failure({Code::denied, "opening the cache"});
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.error().code, Code::denied);
    EXPECT_STREQ(failure.what(), "denied: opening the cache");
  }
}

}  // namespace
}  // namespace hotwell
