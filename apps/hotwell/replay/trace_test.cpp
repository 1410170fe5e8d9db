#include "apps/hotwell/replay/trace.hpp"

#include <fstream>
#include <vector>

#include <gtest/gtest.h>
#include <boost/iostreams/copy.hpp>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filter/lzma.hpp>
#include <boost/iostreams/filtering_stream.hpp>

#include "tests/support/temp_dir.hpp"

namespace hotwell::replay {
namespace {

using namespace std::string_literals;

class Trace : public ::testing::Test {
 protected:
  std::filesystem::path file(std::string_view content, std::string_view name = "trace") {
    const auto path = directory_.path() / name;
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
    return path;
  }
  Result<std::vector<TraceRequest>> read(std::string_view content, std::string_view format) {
    std::vector<TraceRequest> all;
    auto done = read_trace(file(content), parse_trace_format(format).value(),
                           [&](const TraceRequest& request) { all.push_back(request); });
    if (!done) return std::unexpected(done.error());
    return all;
  }
  static std::vector<std::uint64_t> keys(const std::vector<TraceRequest>& requests) {
    std::vector<std::uint64_t> all;
    for (const auto& one : requests) all.push_back(one.key);
    return all;
  }
  /// What is said after the file's name.
  std::string mistake(std::string_view content, std::string_view format) {
    const auto refused = read(content, format);
    if (refused) return "none";
    EXPECT_EQ(refused.error().code, Code::corrupt_input);
    const auto& message = refused.error().message;
    const auto name = (directory_.path() / "trace").string();
    EXPECT_TRUE(message.starts_with(name)) << message;
    return message.substr(std::min(name.size(), message.size()));
  }

  test::TempDir directory_;
};

template <class Filter>
std::string packed(const std::string& content, Filter filter) {
  std::string out;
  boost::iostreams::filtering_ostream stream;
  stream.push(filter);
  stream.push(boost::iostreams::back_inserter(out));
  stream.write(content.data(), static_cast<std::streamsize>(content.size()));
  stream.reset();
  return out;
}

TEST_F(Trace, OracleGeneralIsLittleEndianRecords) {
  const auto record =
      "\x01\0\0\0"
      "\x07\0\0\0\0\0\0\x80"
      "\0\x02\0\0"
      "\xff\xff\xff\xff\xff\xff\xff\xff"s;
  const auto all = read(record + record, "oracleGeneral");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].key, 0x8000000000000007U);
  EXPECT_EQ((*all)[0].size, 512U);
  EXPECT_EQ(mistake(record + "abc", "oracleGeneral"), ", byte 24: expected a record of 24 bytes, got 3 and the end");
}

TEST_F(Trace, KeysAlone) {
  EXPECT_EQ(keys(read("\0\0\0\x05\x01\0\0\0"s, "u32be").value()), (std::vector<std::uint64_t>{5, 0x01000000}));
  EXPECT_EQ(keys(read("\0\0\0\0\0\0\x01\0"s, "u64be").value()), (std::vector<std::uint64_t>{256}));
  EXPECT_EQ(mistake("\0\0\0\x05\x01"s, "u32be"), ", byte 4: expected a record of 4 bytes, got 1 and the end");
}

TEST_F(Trace, ArcLinesAreRunsOfBlocks) {
  EXPECT_EQ(keys(read("10 3 0 0\n5 1 0 1\r\n\n", "arc").value()), (std::vector<std::uint64_t>{10, 11, 12, 5}));
  EXPECT_EQ(mistake("10 3 0 0\n5 x 0 1\n", "arc"),
            ", line 2: expected \"START COUNT ...\", two numbers, got \"5 x 0 1\"");
}

TEST_F(Trace, LirsLinesAreBlocksAndMarks) {
  EXPECT_EQ(keys(read("1\n*\n 2 \n1", "lirs").value()), (std::vector<std::uint64_t>{1, 2, 1}));
  EXPECT_EQ(mistake("1\nblock\n", "lirs"), ", line 2: expected a block number, or *, got \"block\"");
}

TEST_F(Trace, AccessLogsTellTargetAndBytes) {
  const auto all = read(
      "::1 - - [17/May/2015:10:05:03 +0000] \"GET /a?b=\\\"c HTTP/1.1\" 200 512 \"-\" \"Agent \\\"x\\\"\"\n"
      "::1 - bob [17/May/2015:10:05:04 +0000] \"GET /a?b=\\\"c HTTP/1.1\" 304 -\n"
      "::1 - - [17/May/2015:10:05:04 +0000] \"\\x16\\x03\" 400 7\n",
      "access-log");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ((*all)[0].key, (*all)[1].key);
  EXPECT_NE((*all)[0].key, (*all)[2].key);
  EXPECT_EQ((*all)[0].size, 512U);
  EXPECT_EQ((*all)[1].size, 0U);
  EXPECT_EQ(mistake("::1 - - no time", "access-log"),
            ", line 1: expected HOST ... [TIME] \"METHOD TARGET VERSION\" STATUS BYTES, got \"::1 - - no time\"");
  EXPECT_NE(mistake("::1 - - [t] \"GET / HTTP/1.1\" 200 many", "access-log"), "none");
}

TEST_F(Trace, ColumnsBetweenCommasTabsOrSpaces) {
  const auto commas = read("id,size,x\na b,5,\nc,7\n# a remark\na b,5\n", "columns:1,2");
  ASSERT_TRUE(commas);
  ASSERT_EQ(commas->size(), 3U);
  EXPECT_EQ((*commas)[0].key, (*commas)[2].key);
  EXPECT_EQ((*commas)[1].size, 7U);
  EXPECT_EQ(read("0\t9\t32768\n1\t9\t1\n", "columns:2,3")->at(0).size, 32768U);
  EXPECT_EQ(read("  1.5   name \n", "columns:2")->size(), 1U);
  EXPECT_EQ(mistake("a,1\nb\n", "columns:1,2"),
            ", line 2: expected a size in bytes in field 2, of 1 fields, got \"b\"");
  EXPECT_EQ(mistake("a\n", "columns:3"), ", line 1: expected a key in field 3, of 1 fields, got \"a\"");
}

TEST_F(Trace, ArchivesAreReadAsTheyAre) {
  std::string content;
  for (int i = 0; i < 50000; ++i) content += std::to_string(i % 777) + "\n";
  const auto plain = keys(read(content, "lirs").value());
  const auto gz = packed(content, boost::iostreams::gzip_compressor());
  const auto xz = packed(content, boost::iostreams::lzma_compressor());
  EXPECT_EQ(keys(read(gz, "lirs").value()), plain);
  EXPECT_EQ(keys(read(xz, "lirs").value()), plain);
  for (const auto& archive : {gz, xz}) {
    EXPECT_NE(mistake(archive.substr(0, archive.size() / 2), "lirs"), "none");
    auto broken = archive;
    broken[broken.size() / 2] = static_cast<char>(broken[broken.size() / 2] ^ 0x55);
    EXPECT_NE(mistake(broken, "lirs"), "none");
  }
}

TEST_F(Trace, AFileThatIsNotThereOrIsADirectoryIsSaid) {
  const auto none = [](const TraceRequest&) {};
  EXPECT_EQ(read_trace(directory_.path() / "absent", {}, none).error().code, Code::not_found);
  EXPECT_EQ(read_trace(directory_.path(), {}, none).error().code, Code::invalid_argument);
}

TEST_F(Trace, AnEmptyFileHasNoRequests) { EXPECT_TRUE(read("", "arc")->empty()); }

TEST(TraceFormat, IsNamedOrRefusedWithTheNames) {
  EXPECT_TRUE(parse_trace_format("columns:2,3")->has_sizes());
  EXPECT_FALSE(parse_trace_format("columns:2")->has_sizes());
  for (const auto* wrong : {"", "csv", "columns:", "columns:0", "columns:1,", "columns:1,x", "columns:1,2,3"}) {
    const auto refused = parse_trace_format(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_NE(refused.error().message.find("columns:KEY"), std::string::npos);
  }
}

}  // namespace
}  // namespace hotwell::replay
