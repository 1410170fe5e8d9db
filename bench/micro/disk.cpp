/// The disk tier beside what people use: RocksDB, LMDB, SQLite and a file per object, the page cache warm, all cases in
/// turns within one run; filling beside a plain sequential write; what a churning tier writes; opening a full tier
/// whose process was killed, beside RocksDB.
///
///   hotwell-bench-disk DIRECTORY [ROUNDS] [PART...]     parts: objects, fill, churn, reopen; prints one JSON object
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/micro/disk_peers.hpp"
#include "cache/disk/disk_tier.hpp"

namespace {

namespace fs = std::filesystem;
using namespace hotwell;
using namespace hotwell::literals;
using bench::require;
using Clock = std::chrono::steady_clock;

class Tier final : public bench::Store {
 public:
  explicit Tier(const fs::path& directory, Bytes limit = 4_GiB, cache::Opens opens = cache::Opens::whole)
      : tier_(cache::DiskTier::open(
                  host::system_disk(),
                  {.directory = directory, .limit = limit, .tells_evictions = [] { return false; }, .opens = opens},
                  now_)
                  .value()) {}
  void put(const std::string& key, const std::string& value) override {
    // As the cache does: the bytes are copied into a buffer that memory shares.
    put(key, Buffer::copy_of(value));
  }
  void put(const std::string& key, const Buffer& value) {
    removed_.clear();
    require(
        tier_
            ->put({.key = key, .generation = ++generation_, .created = now_, .expires = now_ + std::chrono::hours{1}},
                  value, removed_)
            .has_value(),
        "put");
  }
  std::size_t get(const std::string& key) override {
    const auto found = tier_->find(key, now_, {}, removed_);
    return found && *found ? (*found)->object.bytes().size() : 0;
  }
  [[nodiscard]] cache::DiskTier& tier() { return *tier_; }

 private:
  const WallTime now_{std::chrono::hours{1000}};
  std::unique_ptr<cache::DiskTier> tier_;
  std::uint64_t generation_ = 0;
  cache::Removals removed_;
};

struct Case {
  const char* name;
  std::function<std::unique_ptr<bench::Store>(const fs::path&)> open;
};
const std::vector<Case> cases{{"hotwell", [](const fs::path& where) { return std::make_unique<Tier>(where); }},
                              {"rocksdb", bench::open_rocksdb},
                              {"lmdb", bench::open_lmdb},
                              {"sqlite", bench::open_sqlite},
                              {"file", bench::open_files}};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }
double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  return all[all.size() / 2];
}
std::string name_of(std::size_t number) { return fmt::format("object-{:08}", number); }
std::string random_bytes(std::size_t size, std::mt19937_64& random) {
  std::string bytes(size, '\0');
  for (auto& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::string objects(const fs::path& directory, std::size_t size, std::size_t count, int rounds) {
  constexpr std::size_t turn = 1000;
  std::mt19937_64 random(1);
  const auto value = random_bytes(size, random);
  std::vector<std::vector<double>> puts(cases.size());
  std::vector<std::vector<double>> gets(cases.size());
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<bench::Store>> stores;
    const auto where = [&](std::size_t i) { return directory / fmt::format("{}-{}", cases[i].name, size); };
    for (std::size_t i = 0; i < cases.size(); ++i) stores.push_back(cases[i].open(where(i)));
    for (std::size_t from = 0; from < count; from += turn)
      for (std::size_t i = 0; i < cases.size(); ++i) {
        const auto begin = Clock::now();
        for (auto n = from; n < from + turn; ++n) stores[i]->put(name_of(n), value);
        puts[i].push_back(turn / seconds_since(begin));
      }
    for (std::size_t from = 0; from < 10 * turn; from += turn)
      for (auto& store : stores) {
        auto& all = gets[static_cast<std::size_t>(&store - stores.data())];
        for (std::size_t n = 0; n < turn; ++n) {
          const auto key = name_of(random() % count);
          const auto asked = Clock::now();
          require(store->get(key) == size, "the size of what was read");
          all.push_back(seconds_since(asked));
        }
      }
    stores.clear();
    for (std::size_t i = 0; i < cases.size(); ++i) fs::remove_all(where(i));
  }
  std::string json;
  for (std::size_t i = 0; i < cases.size(); ++i)
    json += fmt::format(R"({}"{}":{{"put_per_second":{:.0f},"get":{:.3g}}})", i == 0 ? "" : ",", cases[i].name,
                        median(puts[i]), median(gets[i]));
  return "{" + json + "}";
}

std::string fill(const fs::path& directory, int rounds) {
  const std::string value(64 << 10, 'v');
  const auto ready = Buffer::copy_of(value);
  constexpr std::size_t count = 16384;
  std::vector<double> tier;
  std::vector<double> plain;
  for (int round = 0; round < rounds; ++round) {
    {
      Tier store(directory / "fill");
      const auto begin = Clock::now();
      for (std::size_t i = 0; i < count; ++i) store.put(name_of(i), ready);
      tier.push_back(seconds_since(begin));
    }
    fs::remove_all(directory / "fill");
    const int fd = ::open((directory / "plain").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < count; ++i)
      require(::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size()), "write");
    plain.push_back(seconds_since(begin));
    ::close(fd);
    fs::remove(directory / "plain");
  }
  return fmt::format(R"({{"bytes":{},"hotwell":{:.3g},"plain":{:.3g}}})", count * value.size(), median(tier),
                     median(plain));
}

/// What the kernel has taken to be written of this process, without what was thrown away again before it was.
std::uint64_t bytes_dirtied() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::uint64_t written = 0;
  for (std::uint64_t value = 0; io >> name >> value;)
    if (name == "write_bytes:") written = value;
  return written;
}

/// A read-through cache over four times what it holds: what is absent is put, now and then something is replaced.
std::string churn(const fs::path& directory) {
  constexpr std::size_t keys = 60'000;
  std::mt19937_64 random(2);
  const auto bytes = random_bytes(64 << 10, random);
  std::uint64_t user = 0;
  std::uint64_t hits = 0;
  const auto before = bytes_dirtied();
  Tier store(directory / "churn", 256_MiB);
  constexpr std::size_t asks = 200'000;
  for (std::size_t i = 0; i < asks; ++i) {
    // By Zipf 0.8, roughly: the inverse of the integral of rank^-0.8.
    const auto uniform = static_cast<double>(random() >> 11) / static_cast<double>(1ULL << 53);
    const auto rank = std::min<std::size_t>(static_cast<std::size_t>(std::pow(uniform, 5.0) * keys), keys - 1);
    const auto key = name_of(rank);
    if (random() % 32 != 0 && store.get(key) != 0) {
      ++hits;
      continue;
    }
    const auto size = 1024 + rank * 7919 % (32 << 10);
    store.put(key, bytes.substr(0, size));
    user += key.size() + size;
  }
  const auto traffic = store.tier().traffic();
  require(store.tier().sync().has_value(), "sync");
  const auto written = bytes_dirtied() - before;
  fs::remove_all(directory / "churn");
  return fmt::format(
      R"({{"stored":{},"saved_from_eviction":{},"given_to_the_kernel":{},"dirtied":{},"amplification":{:.3f},"dirtied_amplification":{:.3f},"hit_ratio":{:.3f}}})",
      user, traffic.reinserted, traffic.written, written,
      static_cast<double>(traffic.written) / static_cast<double>(user),
      static_cast<double>(written) / static_cast<double>(user), static_cast<double>(hits) / asks);
}

/// Fills a store in a process of its own, which dies as if by kill -9. It runs this program anew: a forked copy would
/// lack the threads that RocksDB keeps for the whole process, and wait for them for ever.
void fill_and_die(const char* store, const fs::path& where, std::size_t count) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/proc/self/exe", "hotwell-bench-disk", "--fill-and-die", store, where.c_str(),
            std::to_string(count).c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "filling a store");
}

std::unique_ptr<Tier> open_serving(const fs::path& where) {
  return std::make_unique<Tier>(where, 1_GiB, cache::Opens::serving);
}

[[noreturn]] void fill_then_die(const std::string& name, const fs::path& where, std::size_t count) {
  const auto store = name == "rocksdb" ? bench::open_rocksdb(where) : open_serving(where);
  const std::string value(1024, 'v');
  for (std::size_t i = 0; i < count; ++i) store->put(name_of(i), value);
  ::kill(::getpid(), SIGKILL);
  std::abort();
}

std::string reopen(const fs::path& directory, int rounds) {
  constexpr std::size_t count = 880'000;  // what 1 GiB of regions takes, but for the one that is kept free
  const auto where = directory / "reopen";
  std::vector<double> opened, first, oldest, whole, rocks;
  double index = 0;
  for (int round = 0; round < rounds; ++round) {
    fill_and_die("hotwell", where, count);
    {
      const auto begin = Clock::now();
      const auto store = open_serving(where);
      opened.push_back(seconds_since(begin));
      require(store->get(name_of(count - 1000)) == 1024, "the first hit");
      first.push_back(seconds_since(begin));
      require(store->get(name_of(count / 50)) == 1024, "a hit of the oldest");
      oldest.push_back(seconds_since(begin));
      require(store->get("never stored") == 0, "a miss");
      whole.push_back(seconds_since(begin));
      const auto entries = store->tier().stats().entries;
      require(entries > count * 95 / 100, "the number of entries");
      index = static_cast<double>(store->tier().index_memory()) / static_cast<double>(entries);
    }
    fs::remove_all(where);
    fill_and_die("rocksdb", where, count);
    {
      const auto begin = Clock::now();
      const auto store = bench::open_rocksdb(where);
      require(store->get(name_of(count - 1000)) == 1024, "the first hit");
      rocks.push_back(seconds_since(begin));
    }
    fs::remove_all(where);
  }
  return fmt::format(
      R"({{"objects":{},"opened":{:.3g},"first_hit":{:.3g},"oldest_hit":{:.3g},"whole":{:.3g},"rocksdb":{:.3g},"index_bytes_an_entry":{:.3g}}})",
      count, median(opened), median(first), median(oldest), median(whole), median(rocks), index);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "hotwell-bench-disk DIRECTORY [ROUNDS] [PART...]\n");
    return 2;
  }
  if (argc == 5 && std::string_view(argv[1]) == "--fill-and-die") fill_then_die(argv[2], argv[3], std::stoul(argv[4]));
  const fs::path directory = argv[1];
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  fs::create_directories(directory);
  const std::vector<std::pair<std::string, std::function<std::string()>>> parts{
      {"objects",
       [&] {
         return fmt::format(R"({{"1024":{},"65536":{}}})", objects(directory, 1024, 100'000, rounds),
                            objects(directory, 64 << 10, 4'000, rounds));
       }},
      {"fill", [&] { return fill(directory, rounds); }},
      {"churn", [&] { return churn(directory); }},
      {"reopen", [&] { return reopen(directory, rounds); }}};
  std::string json;
  for (const auto& [name, measure] : parts)
    if (argc < 4 || std::find(argv + 3, argv + argc, name) != argv + argc)
      json += fmt::format("{}\"{}\":{}", json.empty() ? "" : ",", name, measure());
  fmt::print("{{{}}}\n", json);
  return 0;
}
