#include "cache/policy/policy.hpp"

#include <array>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cache/policy/fifo.hpp"
#include "cache/policy/lru.hpp"
#include "cache/policy/s3_fifo.hpp"
#include "cache/policy/sieve.hpp"
#include "cache/policy/w_tiny_lfu.hpp"

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

constexpr std::array known_policies{Known{"wtinylfu", make<WTinyLfu>}, Known{"s3fifo", make<S3Fifo>},
                                    Known{"sieve", make<Sieve>}, Known{"lru", make<Lru>}, Known{"fifo", make<Fifo>}};

}  // namespace

std::string_view policy_names() {
  static const std::string names = [] {
    std::array<std::string_view, known_policies.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all.at(i) = known_policies.at(i).name;
    return fmt::format("{}", fmt::join(all, ", "));
  }();
  return names;
}

Result<std::unique_ptr<EvictionPolicy>> make_policy(std::string_view name) {
  if (name == "default") name = default_policy;
  for (const auto& known : known_policies)
    if (known.name == name) return known.make();
  return fail(Code::invalid_argument,
              fmt::format("cache policy: expected default or one of {}, got \"{}\"", policy_names(), name));
}

}  // namespace hotwell::cache
