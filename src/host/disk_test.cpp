#include "host/disk.hpp"

#include <array>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace hotwell::host {
namespace {

class DiskTest : public ::testing::Test {
 protected:
  test::TempDir directory_;
  Disk& disk_ = system_disk();
};

TEST_F(DiskTest, WritesReadsAndResizesAFile) {
  auto file = disk_.create(directory_.path() / "file");
  ASSERT_TRUE(file);
  ASSERT_TRUE(disk_.write(*file, 3, "bytes"));
  std::array<std::byte, 16> into{};
  EXPECT_EQ(disk_.read(*file, 0, into), Result<std::size_t>(8U));
  EXPECT_EQ(ByteView(into).subview(0, 8).text(), std::string_view("\0\0\0bytes", 8));
  EXPECT_EQ(disk_.read(*file, 100, into), Result<std::size_t>(0U));
  ASSERT_TRUE(disk_.resize(*file, 4));
  EXPECT_EQ(disk_.status(*file)->size, 4U);
}

TEST_F(DiskTest, CreatesOnlyWhatIsNotThere) {
  ASSERT_TRUE(disk_.create(directory_.path() / "file"));
  EXPECT_FALSE(disk_.create(directory_.path() / "file"));
  EXPECT_EQ(disk_.create(directory_.path() / "absent" / "file").error().code, Code::not_found);
  EXPECT_EQ(disk_.open(directory_.path() / "absent").error().code, Code::not_found);
}

TEST_F(DiskTest, UnnamedFilesLeaveNoTrace) {
  auto file = disk_.create_unnamed(directory_.path());
  ASSERT_TRUE(file);
  ASSERT_TRUE(disk_.write(*file, 0, "bytes"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  auto memory = memory_file("test");
  ASSERT_TRUE(memory);
  ASSERT_TRUE(disk_.write(*memory, 0, "bytes"));
  EXPECT_EQ(disk_.status(*memory)->size, 5U);
}

TEST_F(DiskTest, RenamesOverAndRemoves) {
  std::ofstream(directory_.path() / "a") << "a";
  std::ofstream(directory_.path() / "b") << "bb";
  ASSERT_TRUE(disk_.rename(directory_.path() / "a", directory_.path() / "b"));
  EXPECT_EQ(std::filesystem::file_size(directory_.path() / "b"), 1U);
  ASSERT_TRUE(disk_.remove(directory_.path() / "b"));
  EXPECT_EQ(disk_.remove(directory_.path() / "b").error().code, Code::not_found);
}

TEST_F(DiskTest, ListsWhatIsThere) {
  ASSERT_TRUE(disk_.make_directory(directory_.path() / "deep" / "er"));
  ASSERT_TRUE(disk_.make_directory(directory_.path() / "deep" / "er"));
  std::ofstream(directory_.path() / "deep" / "file") << "x";
  const auto entries = disk_.list(directory_.path() / "deep");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2U);
  for (const auto& entry : *entries)
    EXPECT_EQ(entry.kind, entry.name == "er" ? Disk::Kind::directory : Disk::Kind::file);
  EXPECT_EQ(disk_.make_directory(directory_.path() / "deep" / "file").error().code, Code::io);
}

TEST_F(DiskTest, APartThatIsGivenBackReadsAsZerosAndTakesNoSpace) {
  constexpr std::size_t size = 1 << 20;
  const auto file = disk_.create(directory_.path() / "file");
  ASSERT_TRUE(file);
  ASSERT_TRUE(disk_.write(*file, 0, std::string(size, 'x')));
  ASSERT_TRUE(disk_.punch(*file, 0, size / 2));
  std::vector<std::byte> bytes(size);
  EXPECT_EQ(disk_.read(*file, 0, bytes), Result<std::size_t>(size));
  EXPECT_EQ(ByteView(bytes).text(), std::string(size / 2, '\0') + std::string(size / 2, 'x'));
  struct stat told{};
  ASSERT_EQ(::fstat(file->get(), &told), 0);
  EXPECT_LE(told.st_blocks * 512, static_cast<std::int64_t>(size / 2));
}

TEST_F(DiskTest, ReadsWhatIsInMemoryAsFarAsTheFileGoes) {
  const auto file = disk_.create(directory_.path() / "file");
  ASSERT_TRUE(file && disk_.write(*file, 0, "0123456789"));
  std::array<std::byte, 4> part{};
  // Where the file system does not tell what is in memory, nothing is.
  const auto count = disk_.read_resident(*file, 8, part);
  if (!count) GTEST_SKIP() << "this file system reads nothing without waiting (RWF_NOWAIT)";
  EXPECT_EQ(*count, 2U);
  EXPECT_EQ(ByteView(part).text().substr(0, 2), "89");
}

TEST_F(DiskTest, AFullDeviceIsSaid) {
  FileHandle full(::open("/dev/full", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(full);
  EXPECT_EQ(disk_.write(full, 0, "bytes").error().code, Code::disk_full);
}

TEST_F(DiskTest, ALockKeepsOthersOutWhileItLives) {
  const auto path = directory_.path() / "LOCK";
  {
    const auto lock = disk_.lock(path);
    ASSERT_TRUE(lock);
    const auto refused = disk_.lock(path);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unavailable);
    EXPECT_NE(refused.error().message.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(disk_.lock(path));
}

}  // namespace
}  // namespace hotwell::host
