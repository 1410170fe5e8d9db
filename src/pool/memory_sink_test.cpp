#include "pool/memory_sink.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/fd.hpp"

namespace hotwell::pool {
namespace {

TEST(MemorySink, HandsOverWhatWasWritten) {
  auto sink = MemorySink::make(1_MiB).value();
  ASSERT_TRUE(sink->write("one ").has_value());
  ASSERT_TRUE(sink->write("two").has_value());
  ASSERT_TRUE(sink->seal(7).has_value());
  EXPECT_EQ(sink->take().text(), "one two");
}

TEST(Regression, AResultWithoutASinkIsNotKeptBeyondItsLimit) {
  auto sink = MemorySink::make(8_B).value();
  EXPECT_EQ(sink->advance(9).error().code, Code::too_large);
  ASSERT_TRUE(sink->write("12345678").has_value());
  EXPECT_EQ(sink->write("9").error().code, Code::too_large);
  EXPECT_EQ(sink->seal(9).error().message,
            "the result is longer than the 8 B that are kept in memory for a job without a sink");
  EXPECT_TRUE(sink->seal(8).has_value());
}

TEST(MapResult, AWorkersFileCannotChangeUnderTheMapping) {
  auto file = host::memory_file("result", std::string(10'000, 'r')).value();
  auto theirs = file.duplicate().value();
  const auto result = map_result(file, 10'000, 1_MiB);
  ASSERT_TRUE(result.has_value());
  EXPECT_NE(::ftruncate(theirs.get(), 0), 0);
  EXPECT_NE(::pwrite(theirs.get(), "x", 1, 0), 1);
  file = FileHandle{};
  theirs = FileHandle{};
  EXPECT_EQ(result->text(), std::string(10'000, 'r'));
}

TEST(MapResult, RefusesWhatIsShorterThanClaimedOrCouldShrink) {
  const auto short_file = host::memory_file("result", "short").value();
  EXPECT_EQ(map_result(short_file, 6, 1_MiB).error().message, "the worker claimed a result of 6 bytes but wrote 5");
  const FileHandle unsealable{::memfd_create("result", MFD_CLOEXEC)};
  EXPECT_EQ(map_result(unsealable, 1, 1_MiB).error().code, Code::internal);
  const auto pipe = host::make_pipe().value();
  EXPECT_EQ(map_result(pipe.read, 1, 1_MiB).error().message,
            "the worker's result is not a file in memory that can be sealed");
  EXPECT_EQ(map_result(short_file, 0, 1_MiB).value().size(), 0U);
}

}  // namespace
}  // namespace hotwell::pool
