// The offline check: what is whole is counted, what is damaged is named, and a cache in use is left alone.
#include "cache/verify.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <hotwell/cache.hpp>

#include "tests/support/temp_dir.hpp"

namespace hotwell::cache {
namespace {

namespace fs = std::filesystem;
using namespace hotwell::literals;

void damage(const fs::path& path, std::streamoff at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file.put('?');
}

TEST(Verify, CountsWhatIsWholeAndNamesWhatIsDamaged) {
  test::TempDir directory;
  {
    Cache cache{{.directory = directory.path() / "cache", .disk_limit = 64_MiB, .stream_over = 1_MiB}};
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(cache.set("small" + std::to_string(i), std::string(1000, 's')));
    ASSERT_TRUE(cache.erase("small9").value());
    ASSERT_TRUE(cache.set("large", std::string(3 << 20, 'l')));
    const auto refused = verify_directory(host::system_disk(), directory.path() / "cache");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unavailable);
  }
  auto found = verify_directory(host::system_disk(), directory.path() / "cache");
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_EQ(found->disk.objects, 9U);
  EXPECT_EQ(found->disk.bytes, 9000U);
  EXPECT_EQ(found->stream.objects, 1U);
  EXPECT_EQ(found->stream.bytes, 3U << 20);
  EXPECT_EQ(found->disk.damaged + found->stream.damaged, 0U);
  EXPECT_TRUE(found->findings.empty());

  for (const auto& entry : fs::recursive_directory_iterator(directory.path())) {
    if (entry.path().extension() == ".region") damage(entry.path(), 64 + 500);
    if (entry.path().extension() == ".data") damage(entry.path(), (2 << 20) + 5);
  }
  found = verify_directory(host::system_disk(), directory.path() / "cache");
  ASSERT_TRUE(found);
  // What was never sealed is found by scanning, and that passes over what is damaged.
  EXPECT_EQ(found->disk.objects, 8U);
  EXPECT_EQ(found->stream.damaged, 1U);
  ASSERT_EQ(found->findings.size(), 1U);
  EXPECT_NE(found->findings[0].find("chunk 2 of \"large\""), std::string::npos) << found->findings[0];
}

TEST(Verify, MakesNoCacheWhereThereIsNone) {
  test::TempDir directory;
  EXPECT_EQ(verify_directory(host::system_disk(), directory.path() / "cache").error().code, Code::not_found);
  EXPECT_FALSE(fs::exists(directory.path() / "cache"));
}

}  // namespace
}  // namespace hotwell::cache
