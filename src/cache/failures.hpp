/// Failures of computations that are remembered on request, so that whoever asks again soon is told the same instead of
/// trying the same. In memory alone: a restart forgets them.
/// Invariant: at most `most` at a time; beyond that the one goes that would be forgotten first.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell::cache {

/// Threads: any. While nothing is remembered, find() and forget() cost a load and a branch.
class Failures {
 public:
  static constexpr std::size_t most = 10'000;

  void remember(std::string_view key, Error error, WallTime until);
  [[nodiscard]] std::optional<Error> find(std::string_view key, WallTime now);
  void forget(std::string_view key);
  void clear();

 private:
  struct Failure {
    Error error;
    std::multimap<WallTime, std::string>::iterator end;
  };
  void remove(std::unordered_map<std::string, Failure>::iterator at);

  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, Failure> failures_;
  std::multimap<WallTime, std::string> ends_;
};

}  // namespace hotwell::cache
