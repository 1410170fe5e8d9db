/// Where a result goes: standard output, or a file that is either absent or whole.
///
/// Invariants: an existing file is replaced only when asked for; until commit() nothing bears the final name; without
/// commit() nothing is left.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <hotwell/body.hpp>

#include "apps/hotwell/ending.hpp"

namespace hotwell::cli {

class Output {
 public:
  enum class Existing : std::uint8_t { keep, replace };

  [[nodiscard]] static Output standard();
  /// Ends: usage when the file exists and is to be kept; failed when it cannot be made.
  [[nodiscard]] static Outcome<Output> file(const std::filesystem::path& path, Existing existing);

  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();

  [[nodiscard]] Outcome<void> write(std::string_view bytes);
  /// The object's whole content. Precondition: it does not grow.
  [[nodiscard]] Outcome<void> write(const Body& body);
  /// Gives the file its name.
  [[nodiscard]] Outcome<void> commit();
  [[nodiscard]] std::uint64_t written() const { return written_; }
  /// Empty for standard output.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Output(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  FileHandle owned_;
  std::filesystem::path path_;        // empty: standard output
  std::filesystem::path unfinished_;  // empty: written in place (a device, a pipe)
  Existing existing_ = Existing::keep;
  std::uint64_t written_ = 0;
};

/// True for types whose content a terminal shows as it is.
[[nodiscard]] bool is_text(std::string_view content_type);
/// "jpg" of "image/jpeg", "bin" of what is not known.
[[nodiscard]] std::string_view extension_of(std::string_view content_type);

}  // namespace hotwell::cli
