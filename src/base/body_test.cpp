#include <hotwell/body.hpp>

#include <array>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace hotwell {
namespace {

TEST(ByteView, IsMadeFromWhateverHoldsBytes) {
  const std::string text = "hotwell";
  const std::vector<std::uint8_t> vector{1, 2, 3};
  const std::array<std::byte, 2> array{};
  EXPECT_EQ(ByteView{"hotwell"}.size(), 7u) << "a literal's end mark is no byte of it";
  EXPECT_EQ(ByteView{text}.text(), "hotwell");
  EXPECT_EQ(ByteView{std::string_view(text)}.text(), "hotwell");
  EXPECT_EQ(ByteView{vector}.size(), 3u);
  EXPECT_EQ(ByteView{array}.size(), 2u);
  EXPECT_EQ(ByteView{}.size(), 0u);
  EXPECT_TRUE(ByteView{""}.empty());
}

TEST(ByteView, ComparesContents) {
  const std::string text = "hotwell";
  EXPECT_EQ(ByteView{text}, ByteView{"hotwell"});
  EXPECT_FALSE(ByteView{text} == ByteView{"hotwel"});
  EXPECT_EQ(ByteView{text}.subview(3, 4).text(), "well");
  EXPECT_EQ(ByteView{text}.span().size(), 7u);
  EXPECT_EQ(ByteView{text}.end() - ByteView{text}.begin(), 7);
}

TEST(Buffer, CopiesShareOneAllocation) {
  const std::string text(1000, 'x');
  const Buffer buffer = Buffer::copy_of(text);
  const Buffer copy = buffer;
  EXPECT_NE(static_cast<const void*>(buffer.view().data()), text.data());
  EXPECT_EQ(copy.view().data(), buffer.view().data());
  EXPECT_EQ(copy.text(), text);
}

TEST(Buffer, TakesAStringWithoutCopying) {
  std::string text(1000, 'x');
  const void* where = text.data();
  const Buffer buffer = Buffer::of(std::move(text));
  EXPECT_EQ(static_cast<const void*>(buffer.view().data()), where);
  EXPECT_EQ(buffer.size(), 1000u);
}

TEST(Buffer, ASliceKeepsTheWholeAlive) {
  Buffer slice;
  {
    const Buffer whole = Buffer::of("hotwell " + std::string(100, '.'));
    slice = whole.slice(3, 4);
  }
  EXPECT_EQ(slice.text(), "well");
}

TEST(Buffer, WrapLivesAsLongAsItsOwner) {
  const auto owner = std::make_shared<std::vector<char>>(4, 'a');
  const Buffer buffer = Buffer::wrap(owner, *owner);
  EXPECT_EQ(owner.use_count(), 2);
  EXPECT_EQ(buffer.text(), "aaaa");
}

TEST(Buffer, EmptyIsEmpty) {
  EXPECT_EQ(Buffer{}.size(), 0u);
  EXPECT_EQ(Buffer::copy_of({}).size(), 0u);
  EXPECT_EQ(Buffer::of("").text(), "");
  EXPECT_EQ(Buffer{}.slice(0, 0).size(), 0u);
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

FileHandle open_null() { return FileHandle{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

TEST(FileHandle, ClosesWithItsLastOwner) {
  int fd = -1;
  {
    const FileHandle handle = open_null();
    ASSERT_TRUE(handle);
    fd = handle.get();
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(FileHandle, AssigningClosesWhatWasHeldAtOnce) {
  FileHandle first = open_null(), second = open_null();
  const int held = first.get(), taken = second.get();
  first = std::move(second);
  EXPECT_EQ(first.get(), taken);
  EXPECT_FALSE(is_open(held)) << "a pipe's reader would wait for its end";
  EXPECT_TRUE(is_open(taken));
}

TEST(FileHandle, AssigningToItselfChangesNothing) {
  FileHandle handle = open_null();
  FileHandle& same = handle;
  handle = std::move(same);
  EXPECT_TRUE(is_open(handle.get()));
}

TEST(FileHandle, ReleaseGivesUpOwnership) {
  FileHandle handle = open_null();
  const int fd = handle.release();
  EXPECT_FALSE(handle);
  EXPECT_TRUE(is_open(fd));
  ::close(fd);
}

TEST(FileHandle, DuplicatesAreClosedOnExec) {
  const FileHandle handle = open_null();
  const auto copy = handle.duplicate();
  ASSERT_TRUE(copy);
  EXPECT_NE(copy->get(), handle.get());
  EXPECT_EQ(::fcntl(copy->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_FALSE(FileHandle{}.duplicate());
}

}  // namespace
}  // namespace hotwell
