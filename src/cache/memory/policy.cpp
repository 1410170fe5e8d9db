#include "cache/memory/policy.hpp"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cache/memory/lru.hpp"

namespace hotwell::cache {
namespace {

struct Known {
  std::string_view name;
  std::unique_ptr<EvictionPolicy> (*make)();
};

template <class Policy>
std::unique_ptr<EvictionPolicy> make() {
  return std::make_unique<Policy>();
}

constexpr std::array known{Known{"lru", make<Lru>}};

}  // namespace

Result<std::unique_ptr<EvictionPolicy>> make_policy(std::string_view name) {
  std::array<std::string_view, known.size()> names;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known.at(i).name == name) return known.at(i).make();
    names.at(i) = known.at(i).name;
  }
  return fail(Code::invalid_argument,
              fmt::format("cache policy: expected one of {}, got \"{}\"", fmt::join(names, ", "), name));
}

}  // namespace hotwell::cache
