// A real process writes and is killed with -9 at a random moment; then its cache is opened and held against what it had
// acknowledged.
#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <sstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <hotwell/cache.hpp>

#include "cache/tiered_cache.hpp"
#include "tests/crash/cache/points.hpp"
#include "tests/crash/cache/victim.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

/// What was acknowledged of a key, and what had begun after it.
struct Known {
  std::uint64_t stored = 0;  ///< 0: nothing
  std::optional<std::uint64_t> begun;
};

/// Runs the victim over `directory` until it has said `lines` lines, kills it, and returns all that it said.
std::string run_and_kill(const std::filesystem::path& directory, std::uint64_t seed, std::size_t lines) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const std::string program = HOTWELL_BIN_DIR "/hotwell_cache_crash_victim";
  const std::string where = directory.string();
  const std::string number = std::to_string(seed);
  std::array<char*, 4> argv{const_cast<char*>(program.c_str()), const_cast<char*>(where.c_str()),
                            const_cast<char*>(number.c_str()), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);

  std::string said;
  bool killed = false;
  std::array<char, 4096> part{};
  for (;;) {
    const auto count = ::read(pipe[0], part.data(), part.size());
    if (count <= 0) break;
    said.append(part.data(), static_cast<std::size_t>(count));
    if (!killed && static_cast<std::size_t>(std::count(said.begin(), said.end(), '\n')) >= lines) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
  }
  ::close(pipe[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the victim ended by itself";
  return said;
}

TEST(Kill, NeverServesHalfAnObjectNorBringsADeletedOneBack) {
  test::TempDir directory;
  std::mt19937_64 random(test::seed());
  std::map<std::string, Known> known;
  const auto rounds = test::crash_points(12, 50);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto seed = random();
    std::istringstream said(run_and_kill(directory.path() / "cache", seed, 2 + random() % 150));
    std::string word;
    std::string key;
    std::uint64_t n = 0;
    said >> word;
    ASSERT_EQ(word, "open");
    while (said >> word >> key >> n) {
      auto& one = known[key];
      if (word == "setting" || word == "erasing") one.begun = n;
      if (word == "set" || word == "erased") one = {n, {}};
    }

    auto cache = Cache::open({.directory = directory.path() / "cache"});
    ASSERT_TRUE(cache) << to_string(cache.error());
    EXPECT_EQ((*cache)->impl().recovery().damaged, 0U);
    for (auto& [name, one] : known) {
      const auto object = (*cache)->get(name);
      ASSERT_TRUE(object);
      const auto allowed = [&](std::uint64_t number) {
        return number == 0 ? !*object : *object && (*object)->bytes().text() == test::victim_value(name, number);
      };
      EXPECT_TRUE(allowed(one.stored) || (one.begun && allowed(*one.begun)))
          << name << " is neither at step " << one.stored << " nor at what came after";
      if (one.begun && allowed(*one.begun)) one.stored = *one.begun;
      one.begun.reset();
    }
  }
}

}  // namespace
}  // namespace hotwell
