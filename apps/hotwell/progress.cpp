#include "apps/hotwell/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace hotwell::cli {

std::string progress_bar(double fraction) {
  constexpr int cells = 24;
  const int full = static_cast<int>(std::floor(std::clamp(fraction, 0.0, 1.0) * cells));
  return fmt::format("[{}{}] {:3.0f} %", std::string(static_cast<std::size_t>(full), '#'),
                     std::string(static_cast<std::size_t>(cells - full), '.'), std::clamp(fraction, 0.0, 1.0) * 100);
}

Progress::Progress(std::string label) : label_(std::move(label)), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (!shown_.empty()) std::fputs("\r\033[K", stderr);
}

void Progress::show(double fraction, std::string_view state) {
  if (!terminal_) return;
  std::string line = fmt::format("{} {}", label_, fraction > 0 ? progress_bar(fraction) : std::string(state));
  if (line == shown_) return;
  shown_ = std::move(line);
  std::fprintf(stderr, "\r\033[K%s", shown_.c_str());
  std::fflush(stderr);
}

}  // namespace hotwell::cli
