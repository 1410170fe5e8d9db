#include "cache/growth.hpp"

#include <algorithm>
#include <array>
#include <string>
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

TEST(Growth, LetsGoOfWhatEveryReaderHasPassed) {
  const auto growth = std::make_shared<Growth>(1, file(), "text/plain");
  growth->advance(1000);
  EXPECT_EQ(growth->shed(100), 0U) << "nobody reads: what comes may still become an object";
  auto slow = growth->reader(0);
  const auto fast = growth->reader(0);
  fast->passed(1000);
  EXPECT_EQ(growth->shed(100), 0U);
  slow->passed(350);
  EXPECT_EQ(growth->shed(100), 300U);
  EXPECT_EQ(slow->begin(), 300U);
  EXPECT_EQ(growth->reader(0), nullptr) << "its beginning is gone";
  EXPECT_EQ(growth->reader(299), nullptr);
  EXPECT_NE(growth->reader(300), nullptr);
  slow->passed(Growing::everything);
  EXPECT_EQ(growth->shed(100), 1000U) << "who gave up holds nothing";
  growth->advance(2000);
  EXPECT_EQ(growth->shed(100), 1000U);
}

TEST(Growth, TellsAProducerThatWaitsWhenAReaderMovesOn) {
  const auto growth = std::make_shared<Growth>(1, file(), "text/plain");
  int wakes = 0;
  const auto wake = [&] { ++wakes; };
  EXPECT_FALSE(growth->on_passed(100, wake)) << "nobody reads";
  auto reader = growth->reader(0);
  EXPECT_FALSE(growth->on_passed(100, wake)) << "it has read all there is";
  growth->advance(250);
  EXPECT_TRUE(growth->on_passed(100, wake));
  reader->passed(99);
  EXPECT_EQ(wakes, 0);
  reader->passed(100);
  EXPECT_EQ(wakes, 1);
  EXPECT_TRUE(growth->on_passed(100, wake));
  EXPECT_EQ(wakes, 2) << "at once: there is something to shed";
  EXPECT_EQ(growth->shed(100), 100U);
  EXPECT_TRUE(growth->on_passed(200, wake));
  reader->passed(250);
  EXPECT_EQ(wakes, 3) << "it will pass no more before more is written";
  growth->advance(300);
  EXPECT_TRUE(growth->on_passed(1000, wake));
  reader.reset();
  EXPECT_EQ(wakes, 4) << "nobody is left to wait for";
}

TEST(Growth, OneWhoReadsAfterAnotherOnTwoThreadsMeetsNothingThatWasLetGo) {
  const auto opened = file();
  const auto growth = std::make_shared<Growth>(1, opened, "text/plain");
  constexpr std::uint64_t step = 4096;
  constexpr std::uint64_t size = 200 * step;
  auto reader = growth->reader(0);
  std::uint64_t wrong = 0;
  std::jthread reads([&wrong, reader = std::move(reader)] {
    std::string part(step, '\0');
    for (std::uint64_t at = 0; at < size; at += part.size()) {
      const auto count = read_at(Body(reader), at, std::as_writable_bytes(std::span(part)));
      if (!count || *count == 0) break;
      part.resize(*count);
      wrong += static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\0'));
    }
  });
  for (std::uint64_t at = 0; at < size; at += step) {
    ASSERT_TRUE(host::system_disk().write(*opened, at, std::string(step, 'x')));
    growth->advance(at + step);
    const auto before = growth->begin();
    const auto gone = growth->shed(step);
    ASSERT_TRUE(gone == before || host::system_disk().punch(*opened, before, gone - before));
  }
  growth->seal(size);
  reads.join();
  EXPECT_EQ(wrong, 0U);
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
