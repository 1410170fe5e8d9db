#include "host/programs.hpp"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

namespace hotwell::host {

Result<std::string> find_program(std::string_view name, std::string_view given, const char* environment_variable) {
  std::vector<std::string> places;
  const char* from_environment = std::getenv(environment_variable);
  if (!given.empty()) {
    places.emplace_back(given);
  } else if (from_environment && *from_environment) {
    places.emplace_back(from_environment);
  } else {
    std::error_code error;
    if (const auto self = std::filesystem::read_symlink("/proc/self/exe", error); !error) {
      places.push_back((self.parent_path() / name).string());
      places.push_back((self.parent_path().parent_path() / "libexec/hotwell" / name).string());
    }
    places.push_back((std::filesystem::path(HOTWELL_LIBEXEC_DIR) / name).string());
  }
  for (const auto& place : places)
    if (::access(place.c_str(), X_OK) == 0) return place;
  return fail(Code::unavailable, fmt::format("the helper {} is not there; looked at {} (set {} to its path)", name,
                                             fmt::join(places, ", "), environment_variable));
}

}  // namespace hotwell::host
