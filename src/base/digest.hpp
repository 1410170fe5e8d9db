/// Digests. XXH3 for look-ups and checksums (not against an adversary), SHA-256 for identities.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <hotwell/body.hpp>

namespace hotwell::base {

[[nodiscard]] std::uint64_t xxh3_64(ByteView bytes) noexcept;
/// Who does not know the seed cannot make bytes that have a given digest.
[[nodiscard]] std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed) noexcept;
/// 32 lower-case hexadecimal digits of XXH3-128.
[[nodiscard]] std::string xxh3_128_hex(ByteView bytes);

/// xxh3_64(bytes, seed) of what was added so far, fed in pieces.
class Xxh3 {
 public:
  explicit Xxh3(std::uint64_t seed);
  ~Xxh3();
  Xxh3(const Xxh3&) = delete;
  Xxh3& operator=(const Xxh3&) = delete;

  void add(ByteView bytes) noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of what was added so far, fed in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(ByteView bytes);
  /// Adds `text` with its length before it, so that no two sequences of fields collide.
  void add_field(std::string_view text);
  /// 64 lower-case hexadecimal digits. Ends the digest.
  [[nodiscard]] std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hotwell::base
