#include "cache/memory/cells.hpp"

#include <cstring>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::cache {
namespace {

TEST(Cells, NeverOverlapAndKeepWhatIsWrittenWhateverComesAndGoes) {
  std::mt19937_64 random(test::seed());
  Cells cells;
  struct Live {
    std::size_t size = 0;
    unsigned char with = 0;
  };
  std::map<unsigned char*, Live> live;
  const auto drop = [&](auto at) {
    const auto& [cell, what] = *at;
    for (const auto i : {std::size_t{0}, what.size / 2, what.size - 1}) ASSERT_EQ(cell[i], what.with);
    cells.give_back(cell, what.size);
    live.erase(at);
  };
  for (int step = 0; step < 20000; ++step) {
    if (live.size() < 400 || random() % 2 == 0) {
      const auto size = (std::size_t{80} << random() % 11) + random() % 100;
      auto* cell = static_cast<unsigned char*>(cells.take(size));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(cell) % 16, 0U);
      ASSERT_GE(Cells::cost(size), size);
      const auto next = live.lower_bound(cell);
      if (next != live.end()) {
        ASSERT_LE(cell + size, next->first);
      }
      if (next != live.begin()) {
        ASSERT_LE(std::prev(next)->first + std::prev(next)->second.size, cell);
      }
      const auto with = static_cast<unsigned char>(random());
      std::memset(cell, with, size);
      live[cell] = {size, with};
    } else {
      auto at = live.lower_bound(reinterpret_cast<unsigned char*>(random() % (std::uintptr_t{1} << 48)));
      drop(at == live.end() ? live.begin() : at);
    }
  }
  while (!live.empty()) drop(live.begin());
  // One slab of each size may be left.
  EXPECT_LE(cells.holes(), 99U * (64 << 10));
}

TEST(Cells, TheSparsestSlabIsTheOneWithTheFewestBytes) {
  Cells cells;
  constexpr std::size_t size = 1000;
  std::vector<void*> taken;
  for (int i = 0; i < 200; ++i) {
    taken.push_back(cells.take(size));
    cells.settle(taken.back(), size);
  }
  const auto slab = [](void* cell) { return reinterpret_cast<std::uintptr_t>(cell) >> 16; };
  // Of the second slab two are left, of the others all.
  std::vector<void*> left;
  for (void* cell : taken) {
    if (slab(cell) != slab(taken[100])) continue;
    if (left.size() < 2)
      left.push_back(cell);
    else
      cells.give_back(cell, size);
  }
  std::vector<void*> sparsest;
  cells.sparsest(sparsest);
  EXPECT_EQ(sparsest, left);
  const auto before = cells.holes();
  for (void* cell : left) cells.give_back(cell, size);
  EXPECT_LT(cells.holes(), before) << "an empty slab goes back";
}

}  // namespace
}  // namespace hotwell::cache
