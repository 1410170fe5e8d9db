// Writes to a cache until it is killed, and says what it did: one line on standard output after each acknowledged
// operation ("set KEY N", "erased KEY 0"), and one before it began.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include <unistd.h>
#include <hotwell/cache.hpp>

#include "tests/crash/cache/victim.hpp"

int main(int argc, char** argv) {
  using namespace hotwell::literals;
  if (argc != 3) return 2;
  hotwell::Cache cache{{.directory = argv[1], .memory_limit = 1_MiB, .stream_over = 100_KiB}};
  const auto seed = std::strtoull(argv[2], nullptr, 10);
  std::mt19937_64 random(seed);
  const auto say = [](const std::string& line) {
    // One write: the parent reads whole lines or nothing.
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(1);
  };
  say("open\n");
  // Numbers of its own: no value is ever that of an earlier victim.
  for (std::uint64_t n = (seed >> 16) + 1;; ++n) {
    const auto key = "key" + std::to_string(random() % 8);
    switch (random() % 6) {
      case 0:
        say("erasing " + key + " 0\n");
        if (!cache.erase(key)) return 1;
        say("erased " + key + " 0\n");
        break;
      case 1: {
        // Never sealed: the kill may find it half written.
        auto sink = cache.begin(key);
        if (!sink || !(*sink)->write(hotwell::test::victim_value(key, n).substr(0, 50))) return 1;
        break;
      }
      default:
        say("setting " + key + " " + std::to_string(n) + "\n");
        if (!cache.set(key, hotwell::test::victim_value(key, n))) return 1;
        say("set " + key + " " + std::to_string(n) + "\n");
    }
  }
}
