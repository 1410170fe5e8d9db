#include "cache/chronicle.hpp"

#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

constexpr std::size_t longest_reason = 256;  // of a key that is named as one

}  // namespace

void Chronicle::Page::note(std::string_view key, Step::What what, Level level) {
  note(base::xxh3_64(key), what, level);
}

void Chronicle::Page::note(std::uint64_t key_digest, Step::What what, Level level) {
  if (!kept_reason_ && !because_of_.empty())
    kept_reason_ = std::make_shared<const std::string>(because_of_.substr(0, longest_reason));
  chronicle_.add({key_digest, when_, kept_reason_, what, level});
}

void Chronicle::add(Line line) {
  const std::lock_guard lock(mutex_);
  if (lines_.size() < most) {
    lines_.push_back(std::move(line));
    return;
  }
  lines_[next_] = std::move(line);
  next_ = (next_ + 1) % most;
}

std::vector<Chronicle::Step> Chronicle::of(std::string_view key) const {
  const auto digest = base::xxh3_64(key);
  std::vector<Step> steps;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const auto& line = lines_[(next_ + i) % lines_.size()];
    if (line.key == digest)
      steps.push_back({line.what, line.when, line.level, line.because_of ? *line.because_of : std::string()});
  }
  return steps;
}

}  // namespace hotwell::cache
