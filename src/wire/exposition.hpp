/// Writes the Prometheus text exposition format 0.0.4: values in, text out.
///
/// Invariants: a family's HELP and TYPE stand once, before its samples, which stand together; names are legal;
/// counters end in _total and nothing else does; labels and help are escaped.
/// Source: prometheus.io, "Exposition formats"; "Metric and label naming".
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hotwell::wire {

class Exposition {
 public:
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

  /// `expected`: how long the text may become, where that is known; longer is allowed.
  explicit Exposition(std::size_t expected = 0) { text_.reserve(expected); }

  enum class Type : std::uint8_t { counter, gauge, histogram };
  struct Label {
    std::string_view name;
    std::string_view value;  ///< UTF-8
  };
  using Labels = std::initializer_list<Label>;

  /// Begins a family. Precondition: the name is legal, new, and fits its type.
  void family(std::string_view name, Type type, std::string_view help);
  /// One sample of the family that was begun last, a counter or a gauge.
  void sample(double value, Labels labels = {});
  void sample(std::uint64_t value, Labels labels = {});
  template <std::integral N>
  void sample(N value, Labels labels = {}) {
    sample(static_cast<std::uint64_t>(value), labels);
  }
  /// A family of one sample.
  template <class N>
  void single(std::string_view name, Type type, std::string_view help, N value) {
    family(name, type, help);
    sample(value);
  }

  struct Bucket {
    double up_to;         ///< inclusive
    std::uint64_t count;  ///< of all values up to it, smaller ones too
  };
  /// One sample of a histogram family; the bucket of all is added. Precondition: `buckets` ascend in both.
  void histogram(std::span<const Bucket> buckets, double sum, std::uint64_t count, Labels labels = {});

  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  void begin_line(std::string_view suffix);
  void append(Labels labels);
  void append(double value);
  void append(std::uint64_t value);

  std::string text_;
  std::string name_;
  Type type_ = Type::gauge;
  std::set<std::string, std::less<>> names_;
  std::vector<double> edges_;            ///< of the histogram that was written last
  std::vector<std::string> edge_texts_;  ///< "0.5\"} ": the same ones serve a whole family
};

}  // namespace hotwell::wire
