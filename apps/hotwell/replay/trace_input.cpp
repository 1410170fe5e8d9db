#include "apps/hotwell/replay/trace_input.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filter/lzma.hpp>
#include <boost/iostreams/filtering_streambuf.hpp>

namespace hotwell::replay {

namespace io = boost::iostreams;

namespace {

constexpr std::size_t longest_line = 1 << 20;
constexpr std::string_view gzip_magic("\x1f\x8b", 2);
constexpr std::string_view xz_magic(
    "\xfd"
    "7zXZ\0",
    6);

}  // namespace

struct TraceInput::Streams {
  std::string name;
  std::ifstream file;
  io::filtering_streambuf<io::input> unpacked;
  std::uint64_t offset = 0;

  /// The archive's checksum and end are only looked at when it is read to its end.
  template <class Read>
  auto guarded(Read&& read) -> Result<decltype(read())> {
    try {
      return read();
    } catch (const std::exception& error) {
      if (file.bad()) return system_fail(EIO, fmt::format("reading {}", name));
      return fail(Code::corrupt_input,
                  fmt::format("{}: the archive is broken or cut off behind byte {} of its content", name, offset));
    }
  }
};

TraceInput::TraceInput(std::unique_ptr<Streams> streams) : streams_(std::move(streams)) {}
TraceInput::TraceInput(TraceInput&&) noexcept = default;
TraceInput::~TraceInput() {
  if (!streams_) return;
  try {
    streams_->unpacked.reset();
  } catch (const std::exception&) {
    // An archive that was not read to its end says so here; whoever stopped knows.
  }
}

Result<TraceInput> TraceInput::open(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    return fail(Code::invalid_argument, fmt::format("{} is a directory, expected a trace", file.string()));
  auto streams = std::make_unique<Streams>();
  streams->name = file.string();
  errno = 0;
  streams->file.open(file, std::ios::binary);
  if (!streams->file) return system_fail(errno, fmt::format("opening {}", file.string()));
  std::array<char, 6> first{};
  streams->file.read(first.data(), first.size());
  const std::string_view magic(first.data(), static_cast<std::size_t>(streams->file.gcount()));
  streams->file.clear();
  streams->file.seekg(0);
  if (magic.starts_with(gzip_magic)) streams->unpacked.push(io::gzip_decompressor());
  if (magic.starts_with(xz_magic)) streams->unpacked.push(io::lzma_decompressor());
  streams->unpacked.push(streams->file, 1 << 16);
  return TraceInput(std::move(streams));
}

Result<std::size_t> TraceInput::read(char* into, std::size_t size) {
  return streams_->guarded([&] {
    const auto count = static_cast<std::size_t>(streams_->unpacked.sgetn(into, static_cast<std::streamsize>(size)));
    streams_->offset += count;
    return count;
  });
}

Result<bool> TraceInput::read_line(std::string& line) {
  line.clear();
  bool too_long = false;
  auto there = streams_->guarded([&] {
    constexpr auto end = std::streambuf::traits_type::eof();
    int c = streams_->unpacked.sbumpc();
    if (c == end) return false;
    for (; c != end && c != '\n'; c = streams_->unpacked.sbumpc()) {
      ++streams_->offset;
      if (line.size() == longest_line) {
        too_long = true;
        break;
      }
      line += static_cast<char>(c);
    }
    if (c == '\n') ++streams_->offset;
    return true;
  });
  if (too_long) return fail(Code::corrupt_input, "a line is longer than 1 MiB: this is no trace in text");
  if (there && line.ends_with('\r')) line.pop_back();
  return there;
}

std::uint64_t TraceInput::offset() const { return streams_->offset; }

}  // namespace hotwell::replay
