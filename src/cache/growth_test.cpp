#include "cache/growth.hpp"

#include <array>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cache/reader.hpp"
#include "host/disk.hpp"

namespace hotwell::cache {
namespace {

std::shared_ptr<const FileHandle> file() {
  return std::make_shared<const FileHandle>(host::memory_file("growth-test").value());
}

TEST(Growth, WakesAFollowerOnceWhenThereIsMore) {
  Growth growth(1, file(), "text/plain");
  int wakes = 0;
  growth.on_change(5, [&] { ++wakes; });
  growth.advance(5);
  EXPECT_EQ(wakes, 0);
  growth.advance(6);
  growth.advance(7);
  EXPECT_EQ(wakes, 1);
  growth.on_change(6, [&] { ++wakes; });
  EXPECT_EQ(wakes, 2) << "there is more already";
}

TEST(Growth, WakesEverybodyAtTheEnd) {
  for (const bool good : {true, false}) {
    Growth growth(1, file(), "text/plain");
    int wakes = 0;
    growth.on_change(100, [&] { ++wakes; });
    growth.on_change(0, [&] { ++wakes; });
    if (good)
      growth.seal(0);
    else
      growth.abandon({Code::crashed, "died"});
    EXPECT_EQ(wakes, 2);
    growth.on_change(100, [&] { ++wakes; });
    EXPECT_EQ(wakes, 3);
    EXPECT_EQ(growth.state(), good ? Growing::State::sealed : Growing::State::abandoned);
  }
}

TEST(Growth, AFollowerMayAskAgainWhileItIsWoken) {
  Growth growth(1, file(), "text/plain");
  std::vector<std::uint64_t> seen;
  std::function<void()> follow = [&] {
    seen.push_back(growth.watermark());
    if (growth.state() == Growing::State::growing) growth.on_change(growth.watermark(), follow);
  };
  growth.on_change(0, follow);
  growth.advance(3);
  growth.advance(9);
  growth.seal(9);
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{3, 9, 9}));
}

TEST(Reader, ReadsEveryKindOfBody) {
  const auto opened = file();
  ASSERT_TRUE(host::system_disk().write(*opened, 0, "0123456789"));
  const Buffer buffer = Buffer::copy_of("23456");
  for (const Body& body : {Body(buffer), Body(FileSlice{opened, 2, 5})}) {
    std::array<std::byte, 3> into{};
    EXPECT_EQ(read_at(body, 0, into), Result<std::size_t>(3U));
    EXPECT_EQ(ByteView(into).text(), "234");
    EXPECT_EQ(read_at(body, 3, into), Result<std::size_t>(2U));
    EXPECT_EQ(ByteView(into).text().substr(0, 2), "56");
    EXPECT_EQ(read_at(body, 5, into), Result<std::size_t>(0U));
    EXPECT_EQ(read_all(body)->text(), "23456");
  }
}

TEST(Reader, WaitsForAGrowingBodyAndEndsWithIt) {
  const auto opened = file();
  const auto growth = std::make_shared<Growth>(1, opened, "text/plain");
  std::string all;
  std::jthread reader([&] { all = std::string(read_all(Body(growth))->text()); });
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const auto piece = std::to_string(i) + ",";
    ASSERT_TRUE(host::system_disk().write(*opened, expected.size(), piece));
    expected += piece;
    growth->advance(expected.size());
  }
  growth->seal(expected.size());
  reader.join();
  EXPECT_EQ(all, expected);
}

TEST(Reader, IsCutOffWithTheAttemptsError) {
  const auto growth = std::make_shared<Growth>(1, file(), "text/plain");
  Result<Buffer> end;
  std::jthread reader([&] { end = read_all(Body(growth)); });
  growth->abandon({Code::crashed, "the worker died"});
  reader.join();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::crashed);
}

}  // namespace
}  // namespace hotwell::cache
