#include "pool/footprint.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace hotwell::pool {
namespace {

TEST(Footprint, GrowsWithWhatAProcessTouchesAndWithItsChildren) {
  constexpr std::size_t size = std::size_t{32} << 20;
  const auto before = private_memory(::getpid());
  ASSERT_TRUE(before);
  void* block = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(block, MAP_FAILED);
  std::memset(block, 1, size);
  const auto after = private_memory(::getpid());
  ASSERT_TRUE(after);
  EXPECT_GE(*after, *before + size);

  std::array<int, 2> hold{};
  ASSERT_EQ(::pipe(hold.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char end;
    ::close(hold[1]);
    (void)!::read(hold[0], &end, 1);
    ::_exit(0);
  }
  ::close(hold[0]);
  EXPECT_GE(*private_memory(::getpid()), *after + size);  // the child has the block too
  ::close(hold[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::munmap(block, size);
}

TEST(Footprint, KnowsNothingOfAProcessThatIsGone) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(private_memory(child));
}

}  // namespace
}  // namespace hotwell::pool
