/// A cache over a simulated disk and a clock that stands still, for the tests of the whole cache.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "cache/tiered_cache.hpp"
#include "sim/clock.hpp"
#include "sim/disk.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::test {

using namespace hotwell::literals;

class CacheTest : public ::testing::Test {
 protected:
  CacheOptions options() {
    return {
        .directory = directory_.path() / "cache", .memory_limit = 4_MiB, .disk_limit = 64_MiB, .stream_over = 1_MiB};
  }
  void open(CacheOptions options) {
    impl_.reset();
    auto opened = Cache::Impl::open(std::move(options), {clock_, disk_, {}});
    ASSERT_TRUE(opened) << to_string(opened.error());
    impl_ = std::move(*opened);
  }
  void open() { open(options()); }
  std::optional<std::string> get(std::string_view key) {
    auto object = impl_->get(key);
    EXPECT_TRUE(object.has_value());
    return object && *object ? std::optional(std::string((*object)->bytes().text())) : std::nullopt;
  }
  std::optional<Level> level(std::string_view key) {
    auto object = impl_->get(key);
    return object && *object ? std::optional((*object)->level) : std::nullopt;
  }
  /// Pushes everything else out of memory.
  void flood_memory() {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(impl_->set("flood" + std::to_string(i), std::string(900 << 10, 'f'), {}));
  }

  test::TempDir directory_;
  sim::FakeClock clock_;
  sim::LossyDisk disk_{{}, 1};
  std::unique_ptr<Cache::Impl> impl_;
};

}  // namespace hotwell::test
