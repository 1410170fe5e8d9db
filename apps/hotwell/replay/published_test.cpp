// Figures that others published for traces that others recorded. Needs those traces; what the policies promise without
// them is in simulation_test.cpp and beside the policies.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "apps/hotwell/replay/simulation.hpp"

namespace hotwell::replay {
namespace {

using Unit = ReplayCapacity::Unit;

class Published : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("HOTWELL_TEST_DATA");
    data_ = given != nullptr ? given : std::filesystem::path(HOTWELL_SOURCE_DIR).parent_path() / "shared" / "data";
    std::ifstream file(data_ / "published.json");
    if (!file) GTEST_SKIP() << "no traces of others: set HOTWELL_TEST_DATA";
    std::stringstream text;
    text << file.rdbuf();
    published_ = boost::json::parse(text.str());
  }

  /// Every simulation sees the whole trace, read once.
  void run(const std::filesystem::path& trace, std::string_view format, const std::vector<Simulation*>& all) {
    const auto read =
        read_trace(data_ / "traces" / trace, parse_trace_format(format).value(), [&](const auto& request) {
          for (auto* simulation : all) simulation->request(request);
        });
    ASSERT_TRUE(read) << read.error().message;
  }
  static std::string hit_percent(const Simulation& simulation) {
    return fmt::format("{:.2f}", 100 * (1 - simulation.counts().miss_ratio()));
  }

  std::filesystem::path data_;
  boost::json::value published_;
};

TEST_F(Published, MissCountsOfLruAndFifoToTheRequest) {
  const auto& all = published_.at("libCacheSim");
  const auto& sizes = all.at("sizes_bytes").as_array();
  std::vector<std::unique_ptr<Simulation>> owned;
  std::vector<Simulation*> simulations;
  for (const auto* policy : {"lru", "fifo"}) {
    for (const auto& size : sizes) {
      owned.push_back(std::make_unique<Simulation>(ReplayCapacity{size.to_number<std::uint64_t>(), Unit::bytes},
                                                   cache::make_policy(policy).value()));
      simulations.push_back(owned.back().get());
    }
  }
  run("cloudPhysicsIO.oracleGeneral.bin", "oracleGeneral", simulations);
  auto next = owned.begin();
  for (const auto* name : {"LRU", "FIFO"}) {
    const auto& published = all.at("policies").at(name);
    for (std::size_t i = 0; i < sizes.size(); ++i, ++next) {
      const auto& counts = (*next)->counts();
      EXPECT_EQ(counts.requests, all.at("n_req").to_number<std::uint64_t>());
      EXPECT_EQ(counts.misses, published.at("miss").at(i).to_number<std::uint64_t>()) << name << " at " << sizes[i];
      EXPECT_EQ(counts.miss_bytes, published.at("miss_bytes").at(i).to_number<std::uint64_t>())
          << name << " at " << sizes[i];
    }
  }
}

TEST_F(Published, HitRatiosOfLruToTheLastDigit) {
  const auto& oltp = published_.at("ARC_paper_hit_pct").at("OLTP").as_object();
  std::vector<std::unique_ptr<Simulation>> owned;
  std::vector<Simulation*> simulations;
  for (const auto& entry : oltp) {
    owned.push_back(std::make_unique<Simulation>(ReplayCapacity{std::stoull(std::string(entry.key())), Unit::objects},
                                                 cache::make_policy("lru").value()));
    simulations.push_back(owned.back().get());
  }
  run("oltp.gz", "arc", simulations);
  auto next = owned.begin();
  for (const auto& entry : oltp)
    EXPECT_EQ(hit_percent(**next++), fmt::format("{:.2f}", entry.value().at("LRU").to_number<double>())) << entry.key();

  const auto& caffeine = published_.at("caffeine_hit_pct").at("LRU");
  Simulation web({16384, Unit::objects}, cache::make_policy("lru").value());
  run("cache2k/web07.trace.xz", "u32be", {&web});
  EXPECT_EQ(hit_percent(web), fmt::format("{:.2f}", caffeine.at("web07@16384").to_number<double>()));
}

TEST_F(Published, HitRatioOfLruOnALongTrace) {
  Simulation orm({4096, Unit::objects}, cache::make_policy("lru").value());
  run("cache2k/orm-busy.trace.xz", "u32be", {&orm});
  EXPECT_EQ(hit_percent(orm),
            fmt::format("{:.2f}", published_.at("caffeine_hit_pct").at("LRU").at("orm-busy@4096").to_number<double>()));
}

TEST_F(Published, TheFormatsHoldAsManyRequestsAsTheirListSays) {
  const auto counts = [&](const char* trace, const char* format) {
    const auto sum = footprint(data_ / "traces" / trace, parse_trace_format(format).value());
    EXPECT_TRUE(sum) << sum.error().message;
    return sum ? std::pair{sum->requests, sum->objects} : std::pair<std::uint64_t, std::uint64_t>{};
  };
  using Pair = std::pair<std::uint64_t, std::uint64_t>;
  EXPECT_EQ(counts("cloudPhysicsIO.oracleGeneral.bin", "oracleGeneral"), (Pair{113872, 48974}));
  EXPECT_EQ(counts("adapt_size/request.trace.xz", "columns:2,3"), (Pair{66987, 36815}));
  EXPECT_EQ(counts("corda/trace_vaultservice.gz", "u64be"), (Pair{135702, 90468}));
  EXPECT_EQ(counts("apache_logs", "access-log").first, 10000U);
  EXPECT_EQ(counts("youtube.061807.24.dat", "columns:5"), (Pair{5771, 4513}));
  EXPECT_EQ(counts("tencentBlock.ns1326.csv", "columns:2,3").first, 100001U);
  EXPECT_EQ(counts("lirs/loop.trace.gz", "lirs"), (Pair{505500, 1011}));
}

}  // namespace
}  // namespace hotwell::replay
