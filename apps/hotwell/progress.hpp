/// A progress bar on standard error, where that is a terminal; nothing otherwise.
#pragma once

#include <string>
#include <string_view>

namespace hotwell::cli {

class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `state` is shown until there is a fraction (0..1) to show.
  void show(double fraction, std::string_view state);

 private:
  std::string label_;
  std::string shown_;
  bool terminal_;
};

/// The bar itself: 24 cells and a percentage.
[[nodiscard]] std::string progress_bar(double fraction);

}  // namespace hotwell::cli
