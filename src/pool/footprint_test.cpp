#include "pool/footprint.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <ctime>

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

TEST(Footprint, CountsTheProcessorTimeOfAProcessOfItsChildrenAndOfThoseWaitedFor) {
  using namespace std::chrono_literals;
  const auto burn = [](Duration how_much) {
    const auto used = [] {
      timespec time{};
      ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
      return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
    };
    for (const auto end = used() + how_much; used() < end;) {
    }
  };
  const auto before = processor_time(::getpid());
  ASSERT_TRUE(before);
  std::array<int, 2> hold{}, burnt{};
  ASSERT_EQ(::pipe(hold.data()), 0);
  ASSERT_EQ(::pipe(burnt.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char end = 0;
    burn(60ms);
    (void)!::write(burnt[1], &end, 1);
    ::close(hold[1]);
    (void)!::read(hold[0], &end, 1);
    ::_exit(0);
  }
  char said = 0;
  ASSERT_EQ(::read(burnt[0], &said, 1), 1);
  const auto with_child = processor_time(::getpid());
  ASSERT_TRUE(with_child);
  EXPECT_GE(*with_child, *before + 40ms);
  ::close(hold[0]);
  ::close(hold[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_GE(*processor_time(::getpid()), *before + 40ms);
  for (const int end : burnt) ::close(end);
}

TEST(Footprint, KnowsNothingOfAProcessThatIsGone) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(private_memory(child));
  EXPECT_FALSE(processor_time(child));
}

}  // namespace
}  // namespace hotwell::pool
