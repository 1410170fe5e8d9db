#pragma once

#include <cstdint>
#include <string>

namespace hotwell::test {

/// The value that the victim stores at its n-th step: some are small, some large.
inline std::string victim_value(const std::string& key, std::uint64_t n) {
  const auto text = key + "/" + std::to_string(n) + "/";
  const std::size_t size = n % 5 == 0 ? 300000 : 100 + n % 5000;
  std::string value;
  while (value.size() < size) value += text;
  return value;
}

}  // namespace hotwell::test
