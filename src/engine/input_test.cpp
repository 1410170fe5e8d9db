#include "engine/input.hpp"

#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sim/clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::engine {
namespace {

class InputTest : public ::testing::Test {
 protected:
  InputTest() {
    std::filesystem::create_directories(root_ / "sub");
    write(root_ / "clip.mp4", "media");
    write(outside_ / "secret", "secret");
    std::filesystem::create_symlink(outside_ / "secret", root_ / "link");
    std::filesystem::create_symlink("clip.mp4", root_ / "inner");
    std::filesystem::create_directory_symlink(outside_, root_ / "away");
    std::filesystem::create_symlink("loop", root_ / "loop");
    opener_ = *InputOpener::open({root_}, host::system_clock());
  }

  static void write(const std::filesystem::path& path, std::string_view text) { std::ofstream(path) << text; }

  Code refused(const std::string& path) {
    const auto input = opener_.resolve(InputPath{path}, cache_);
    EXPECT_FALSE(input) << path;
    return input ? Code::internal : input.error().code;
  }

  test::TempDir dir_;
  const std::filesystem::path root_ = dir_.path() / "root";
  const std::filesystem::path outside_ = [this] {
    std::filesystem::create_directories(dir_.path() / "outside");
    return dir_.path() / "outside";
  }();
  Cache cache_{CacheOptions{}};
  InputOpener opener_;
};

TEST_F(InputTest, OpensFilesBelowTheRoot) {
  for (const std::string path : {"clip.mp4", "sub/../clip.mp4", "./clip.mp4", "inner"}) {
    const auto input = opener_.resolve(InputPath{path}, cache_);
    ASSERT_TRUE(input) << path << ": " << to_string(input.error());
    EXPECT_EQ(input->text, path);
  }
  EXPECT_TRUE(opener_.resolve(InputPath{(std::filesystem::canonical(root_) / "clip.mp4").string()}, cache_));
}

TEST_F(InputTest, NothingOutsideTheRootIsOpened) {
  EXPECT_EQ(refused("../outside/secret"), Code::outside_root);
  EXPECT_EQ(refused("sub/../../outside/secret"), Code::outside_root);
  EXPECT_EQ(refused((outside_ / "secret").string()), Code::outside_root);
  EXPECT_EQ(refused("/etc/passwd"), Code::outside_root);
  EXPECT_EQ(refused("link"), Code::outside_root);
  EXPECT_EQ(refused("away/secret"), Code::outside_root);
  EXPECT_EQ(refused("loop"), Code::outside_root);
  EXPECT_EQ(refused("/proc/self/fd/0"), Code::outside_root);
  EXPECT_EQ(refused(std::string(root_) + "-sibling/x"), Code::outside_root);
}

TEST_F(InputTest, WhatIsNoFileIsRefusedByName) {
  EXPECT_EQ(refused("missing.mp4"), Code::not_found);
  EXPECT_EQ(refused("clip.mp4/x"), Code::not_found);
  EXPECT_EQ(refused("sub"), Code::invalid_argument);
  EXPECT_EQ(refused(""), Code::invalid_argument);
  EXPECT_EQ(refused(std::string("clip\0.mp4", 9)), Code::invalid_argument);
  EXPECT_EQ(refused(std::string(5000, 'a')), Code::invalid_argument);
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(refused("fifo"), Code::invalid_argument);  // and does not block for a writer
}

TEST_F(InputTest, WithoutRootsNoPathIsOpened) {
  const auto opener = InputOpener::open({}, host::system_clock());
  EXPECT_EQ(opener->resolve(InputPath{"clip.mp4"}, cache_).error().code, Code::outside_root);
}

TEST_F(InputTest, IdentityChangesWithTheFile) {
  const auto before = opener_.resolve(InputPath{"clip.mp4"}, cache_);
  EXPECT_EQ(before->identity, opener_.resolve(InputPath{"inner"}, cache_)->identity);
  EXPECT_TRUE(InputOpener::check_unchanged(*before));
  write(root_ / "clip.mp4", "other media");
  EXPECT_EQ(InputOpener::check_unchanged(*before).error().code, Code::input_changed);
  EXPECT_NE(before->identity, opener_.resolve(InputPath{"clip.mp4"}, cache_)->identity);
}

TEST_F(InputTest, AFileWrittenAMomentAgoIsStillSettling) {
  EXPECT_TRUE(opener_.resolve(InputPath{"clip.mp4"}, cache_)->settling);
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ / "clip.mp4").c_str(), long_ago, 0), 0);
  EXPECT_FALSE(opener_.resolve(InputPath{"clip.mp4"}, cache_)->settling);
}

TEST_F(InputTest, AStoredObjectIsAFileOfItsOwn) {
  ASSERT_TRUE(cache_.set("k", "stored bytes"));
  const auto input = opener_.resolve(parse_input("cache:k"), cache_);
  ASSERT_TRUE(input) << to_string(input.error());
  char bytes[32];
  EXPECT_EQ(::pread(input->file->get(), bytes, sizeof bytes, 0), 12);
  EXPECT_EQ(opener_.resolve(parse_input("cache:absent"), cache_).error().code, Code::not_found);
  ASSERT_TRUE(cache_.set("k", "stored bytes"));
  EXPECT_NE(input->identity, opener_.resolve(parse_input("cache:k"), cache_)->identity);
}

TEST(InputOpener, AMissingRootIsNamed) {
  const auto opener = InputOpener::open({"/no/such/root"}, host::system_clock());
  ASSERT_FALSE(opener);
  EXPECT_NE(opener.error().message.find("/no/such/root"), std::string::npos);
}

}  // namespace
}  // namespace hotwell::engine
