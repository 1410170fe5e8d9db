#include "host/fd.hpp"

#include <array>

#include <gtest/gtest.h>

namespace hotwell::host {
namespace {

// A worker that dies with jobs before it that it had not taken yet: what it said before that still counts.
TEST(Datagrams, WhatWasSentIsReceivedThoughTheSenderLeftWordsUnread) {
  for (const bool by_reader : {false, true}) {
    auto [mine, theirs] = seqpacket_pair().value();
    ASSERT_TRUE(send_datagram(mine.get(), "never read"));
    ASSERT_TRUE(send_datagram(theirs.get(), "first"));
    ASSERT_TRUE(send_datagram(theirs.get(), "last"));
    theirs = FileHandle{};
    std::array<char, 64> buffer{};
    DatagramReader reader(1, buffer.size());
    const auto next = [&] {
      return by_reader ? std::move(reader.receive(mine.get(), 1).value().front())
                       : receive_datagram(mine.get(), buffer).value();
    };
    EXPECT_EQ(next().bytes, "first");
    EXPECT_EQ(next().bytes, "last");
    EXPECT_EQ(next().bytes.data(), nullptr) << "the end";
    EXPECT_EQ(next().bytes.data(), nullptr) << "and it stays there";
  }
}

}  // namespace
}  // namespace hotwell::host
