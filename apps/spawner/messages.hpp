/// Datagrams with descriptors, without a library: the spawner's own few lines of what host/fd.hpp does for everybody
/// else.
#pragma once

#include <string_view>
#include <vector>

namespace hotwell::spawner {

/// False where the other side is gone or does not read.
bool send(int socket, std::string_view bytes, const std::vector<int>& descriptors = {});

struct Received {
  enum class Kind { message, nothing, end } kind = Kind::nothing;
  std::string_view bytes;  ///< in a buffer that the next call reuses
  std::vector<int> descriptors;
};
/// Never blocks. The caller closes the descriptors.
[[nodiscard]] Received receive(int socket);

void close_all(const std::vector<int>& descriptors);

}  // namespace hotwell::spawner
