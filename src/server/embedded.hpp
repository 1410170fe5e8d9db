/// Files that travel inside the binary: the page's sources, turned into bytes by hotwell_embed
/// (cmake/EmbedFiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace hotwell::server {

/// One embedded file. Everything points into the program's read-only data.
struct EmbeddedFile {
  std::string_view name;  ///< without its folder: "index.html"
  std::string_view content_type;
  std::string_view bytes;
  std::string_view etag;  ///< strong, in quotes; changes with the bytes
};

/// The page, in the order in which the build names its files.
[[nodiscard]] std::span<const EmbeddedFile> embedded_files();

}  // namespace hotwell::server
