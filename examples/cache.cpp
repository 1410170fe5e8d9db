// A cache alone: memory over disk, found again after a restart, and one computation however many ask.
#include <iostream>

#include <hotwell/cache.hpp>

using namespace std::chrono_literals;
using namespace hotwell::literals;

int main() {
  hotwell::Cache cache{{.directory = "cache", .memory_limit = 100_MiB, .disk_limit = 5_GiB, .max_age = 24h * 7}};

  int hits_seen = 0;
  auto hits = cache.on<hotwell::CacheHit>([&](const hotwell::CacheHit&) { ++hits_seen; });

  const std::string bytes = "a thumbnail's bytes";
  auto set =
      cache.set("video_123", bytes, {.type = "processed-video", .ttl = 24h, .metadata = {{"resolution", "1080p"}}});
  if (!set) {
    std::cerr << to_string(set.error()) << '\n';
    return 1;
  }

  if (auto object = cache.get("video_123").value()) {
    std::cout << object->bytes().text() << ", " << object->metadata.at("resolution") << '\n';
  }

  auto made = cache.get_or_compute("report", [](hotwell::Sink& sink) { return sink.write("computed once"); });
  if (!made) {
    std::cerr << to_string(made.error()) << '\n';
    return 1;
  }
  std::cout << made->bytes().text() << '\n';

  auto page = cache.get_or_compute(
      "page", [](hotwell::Sink& sink) { return sink.write("rendered"); },
      {.store = {.type = "page", .ttl = 60s}, .wait = 2s, .negative_ttl = 5s, .stale_while_revalidate = 30s});
  if (!page) {
    std::cerr << to_string(page.error()) << '\n';
    return 1;
  }

  if (auto told = cache.explain("page"))
    for (const auto& sentence : told->story) std::clog << sentence << '\n';

  const hotwell::CacheStats stats = cache.stats();
  std::cout << stats.memory.hits << " hit in memory, " << hits_seen << " seen as it happened\n";
  return 0;
}
