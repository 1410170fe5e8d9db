/// Little-endian fields in a run of bytes: `Writer` appends them, `Reader` takes them off the front.
/// A Reader never looks beyond its bytes: the first field that does not fit makes it bad, and from then on every
/// field is zero or empty. Header only and without other libraries, so that the spawner can use it too.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hotwell::wire {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <std::unsigned_integral T>
  void number(T value) {
    char bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<char>((value >> (8 * i)) & 0xff);
    out_.append(bytes, sizeof(T));
  }
  /// A 32-bit length and the bytes. Precondition: shorter than 4 GiB.
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  [[nodiscard]] T number() {
    const std::string_view bytes = take(sizeof(T));
    T value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
      value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | static_cast<unsigned char>(bytes[i]));
    return value;
  }
  /// A view into the bytes that were handed in.
  [[nodiscard]] std::string_view text() { return take(number<std::uint32_t>()); }

  [[nodiscard]] bool ok() const { return ok_; }

 private:
  [[nodiscard]] std::string_view take(std::size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace hotwell::wire
