#include "engine/data_dir.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace hotwell::engine {
namespace {

TEST(DataDir, NamesItsHolderAndWhereItListens) {
  const test::TempDir dir;
  const auto path = dir.path() / "a" / "data";
  EXPECT_FALSE(holder_of(path));
  {
    auto held = DataDir::open(path);
    ASSERT_TRUE(held) << to_string(held.error());
    EXPECT_EQ(holder_of(path)->pid, ::getpid());
    EXPECT_EQ(holder_of(path)->address, "");
    ASSERT_TRUE(held->announce("http://127.0.0.1:8080"));
    EXPECT_EQ(holder_of(path)->address, "http://127.0.0.1:8080");
    const auto second = DataDir::open(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::unavailable);
    EXPECT_NE(second.error().message.find("http://127.0.0.1:8080"), std::string::npos);
  }
  EXPECT_FALSE(holder_of(path)) << "an old LOCK without a process is nobody's";
  EXPECT_TRUE(DataDir::open(path));
}

TEST(DataDir, AnUnknownFormatIsLeftUntouched) {
  const test::TempDir dir;
  std::ofstream(dir.path() / "FORMAT") << "hotwell data 2\n";
  const auto opened = DataDir::open(dir.path());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "LOCK"));
}

TEST(DataDir, WhatCannotBeMadeIsNamed) {
  const test::TempDir dir;
  std::ofstream(dir.path() / "file") << "x";
  const auto opened = DataDir::open(dir.path() / "file" / "data");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("file/data"), std::string::npos) << opened.error().message;
}

}  // namespace
}  // namespace hotwell::engine
