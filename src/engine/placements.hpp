/// Placements: why a job went to the worker it went to, told from what its workers did before.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_map>

namespace hotwell::engine {

/// Threads: the engine's alone. Bounded by the workers that live.
class Placements {
 public:
  /// Notes that the worker starts a job over this input ("" for none), and answers why it was chosen.
  [[nodiscard]] std::string_view place(const std::string& worker, std::string_view input_identity) {
    const auto [found, is_new] = recent_.try_emplace(worker);
    auto& inputs = found->second;
    const auto held = std::find(inputs.begin(), inputs.end() - 1, input_identity);
    const bool holds = !input_identity.empty() && *held == input_identity;
    if (!input_identity.empty()) {
      std::rotate(inputs.begin(), held, held + 1);
      if (!holds) inputs.front() = input_identity;
    }
    if (is_new) return "the first job of a worker that had just started";
    return holds ? "an idle worker that still held the input open" : "an idle worker, warm from other jobs";
  }
  void forget(const std::string& worker) { recent_.erase(worker); }

 private:
  std::unordered_map<std::string, std::array<std::string, 4>> recent_;  // newest first, as many as the plan minds
};

}  // namespace hotwell::engine
