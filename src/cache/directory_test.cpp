#include "cache/directory.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace hotwell::cache {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::size_t count_files(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::recursive_directory_iterator(directory), {}));
}

TEST(CacheDirectory, IsMadeAndTellsWhatItIs) {
  test::TempDir parent;
  const auto directory = parent.path() / "a" / "b";
  const auto claim = claim_directory(host::system_disk(), directory);
  ASSERT_TRUE(claim);
  EXPECT_EQ(content(directory / "FORMAT"), "hotwell cache 1\n");
  EXPECT_NE(content(directory / "LAYOUT.txt").find("manifest"), std::string::npos);
  EXPECT_EQ(content(directory / "LOCK"), std::to_string(::getpid()) + "\n");
}

TEST(CacheDirectory, ASecondUserIsToldWhoHasIt) {
  test::TempDir directory;
  auto claim = claim_directory(host::system_disk(), directory.path());
  ASSERT_TRUE(claim);
  const auto refused = claim_directory(host::system_disk(), directory.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_NE(refused.error().message.find(std::to_string(::getpid())), std::string::npos);
  *claim = FileHandle{};
  EXPECT_TRUE(claim_directory(host::system_disk(), directory.path()));
}

TEST(CacheDirectory, AnUnknownFormatIsRefusedAndNotTouched) {
  test::TempDir directory;
  std::ofstream(directory.path() / "FORMAT") << "hotwell cache 2\n";
  const auto refused = claim_directory(host::system_disk(), directory.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("hotwell cache 2"), std::string::npos);
  EXPECT_EQ(count_files(directory.path()), 1U);
}

TEST(CacheDirectory, APersonsFilesAreNotTakenForACache) {
  test::TempDir directory;
  std::ofstream(directory.path() / "holiday.jpg") << "picture";
  const auto refused = claim_directory(host::system_disk(), directory.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("holiday.jpg"), std::string::npos);
  EXPECT_EQ(count_files(directory.path()), 1U);
}

TEST(CacheDirectory, AFileInItsPlaceIsRefused) {
  test::TempDir parent;
  std::ofstream(parent.path() / "file") << "text";
  const auto refused = claim_directory(host::system_disk(), parent.path() / "file");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::io);
}

TEST(CacheDirectory, AStartThatWasCutOffIsFinished) {
  test::TempDir directory;
  std::ofstream(directory.path() / "LOCK") << "1\n";
  std::ofstream(directory.path() / "FORMAT.tmp") << "hotw";
  ASSERT_TRUE(claim_directory(host::system_disk(), directory.path()));
  EXPECT_EQ(content(directory.path() / "FORMAT"), "hotwell cache 1\n");
}

}  // namespace
}  // namespace hotwell::cache
