#include "wire/frames.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::wire {
namespace {

Message round_trip(const Message& message, std::string& datagram) {
  encode(message, datagram);
  auto back = decode(datagram);
  RC_ASSERT(back.has_value());
  return *back;
}

RC_GTEST_PROP(Frames, EveryMessageComesBackAsItWas, ()) {
  const AttemptRef ref{*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint32_t>()};
  const auto a = *rc::gen::arbitrary<std::string>();
  const auto b = *rc::gen::arbitrary<std::string>();
  const auto c = *rc::gen::arbitrary<std::string>();
  const auto number = *rc::gen::arbitrary<std::uint64_t>();
  const bool yes = *rc::gen::arbitrary<bool>();
  const bool also = *rc::gen::arbitrary<bool>();
  const std::vector<Message> messages{
      Hello{static_cast<std::uint32_t>(number), a},
      JobMessage{ref, yes, also, static_cast<std::uint32_t>(number % (descriptor_limit - 1)), number, a, b, c,
                 static_cast<std::uint32_t>(number >> 32)},
      Started{ref},
      Progress{ref, static_cast<std::uint32_t>(number % 1'000'001)},
      Advance{ref, number, a},
      Beat{ref},
      Cancel{ref},
      Done{ref, yes, number, a, b, also},
      Failed{ref, static_cast<Code>(number % code_count), a},
      Bye{},
  };
  for (const auto& message : messages) {
    std::string datagram;
    RC_ASSERT(round_trip(message, datagram) == message);
    // Readers skip what a later version may add behind the last field, and refuse what is cut off.
    const Message longer = [&] {
      datagram += "more";
      return decode(datagram).value();
    }();
    RC_ASSERT(longer == message);
    const auto cut = *rc::gen::inRange<std::size_t>(0, datagram.size() - 4);
    RC_ASSERT(!decode(std::string_view{datagram}.substr(0, cut)).has_value());
  }
}

TEST(Frames, AreLittleEndianBehindA16ByteHeader) {
  std::string datagram;
  encode(Progress{{0x0102030405060708, 9}, 250'000}, datagram);
  const std::string expected{"\x04\x01\x00\x00\x09\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01\x90\xd0\x03\x00", 20};
  EXPECT_EQ(datagram, expected);
}

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += hex[i] == ' ' ? 1U : 2U)
    if (hex[i] != ' ') bytes += static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16));
  return bytes;
}

TEST(Frames, AreWhatTheDescriptionOfTheProtocolShows) {
  std::string datagram;
  encode(JobMessage{.ref = {0x192, 1}, .has_output = true, .operation = "echo", .payload = "hi"}, datagram);
  EXPECT_EQ(datagram, bytes_of("02 01 01 00 01 00 00 00 92 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
                               "04 00 00 00 65 63 68 6f 00 00 00 00 02 00 00 00 68 69 00 00 00 00"));
  encode(Done{.ref = {0x192, 1}, .is_inline = true, .content_type = "text/plain", .text = "hi"}, datagram);
  EXPECT_EQ(datagram, bytes_of("08 01 04 00 01 00 00 00 92 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
                               "0a 00 00 00 74 65 78 74 2f 70 6c 61 69 6e 02 00 00 00 68 69"));
}

TEST(Frames, GarbageIsAnErrorAndNothingWorse) {
  std::mt19937_64 random{test::seed()};
  std::string datagram;
  for (int i = 0; i < 200'000; ++i) {
    datagram.resize(random() % 96);
    for (auto& byte : datagram) byte = static_cast<char>(random());
    if (datagram.size() > 2 && i % 2) {  // a right beginning, so that bodies are reached
      datagram[0] = static_cast<char>(1 + random() % 11);
      datagram[1] = static_cast<char>(frames_version);
    }
    const auto message = decode(datagram);
    if (!message) {
      EXPECT_EQ(message.error().code, Code::invalid_argument);
    }
  }
}

TEST(Frames, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(decode("short").error().message, "malformed frame: 5 bytes, shorter than its header");
  std::string datagram;
  encode(Beat{{1, 1}}, datagram);
  datagram[1] = 7;
  EXPECT_EQ(decode(datagram).error().message, "malformed frame: protocol version 7, expected 1");
  datagram[1] = 1;
  datagram[0] = 77;
  EXPECT_EQ(decode(datagram).error().message, "malformed frame: unknown type 77");
  EXPECT_FALSE(decode(std::string(frame_limit + 1, 'x')).has_value());
}

}  // namespace
}  // namespace hotwell::wire
