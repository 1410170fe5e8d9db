#include "base/digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h>  // the same functions with the widest vectors that the processor has
#else
#include <xxhash.h>
#endif

#include "base/assert.hpp"

namespace hotwell::base {

std::uint64_t xxh3_64(ByteView bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Xxh3::State {
  XXH3_state_t* running = XXH3_createState();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(running); }
};

Xxh3::Xxh3(std::uint64_t seed) : state_(std::make_unique<State>()) {
  HOTWELL_ASSERT(state_->running && XXH3_64bits_reset_withSeed(state_->running, seed) == XXH_OK);
}
Xxh3::~Xxh3() = default;

void Xxh3::add(ByteView bytes) noexcept { XXH3_64bits_update(state_->running, bytes.data(), bytes.size()); }
std::uint64_t Xxh3::value() const noexcept { return XXH3_64bits_digest(state_->running); }

std::string xxh3_128_hex(ByteView bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  HOTWELL_ASSERT(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(ByteView bytes) { HOTWELL_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1); }

void Sha256::add_field(std::string_view text) {
  add(fmt::format("{}:", text.size()));
  add(text);
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HOTWELL_ASSERT(EVP_DigestFinal_ex(state_->context, digest.data(), &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace hotwell::base
