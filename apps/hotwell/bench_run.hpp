/// Sends a plan's calls at their times over many connections, whatever the answers do (an open loop).
///
/// Invariants: a call's latency counts from the time it was meant to be sent, so that a stalled server cannot hide its
/// stall by not being asked (no coordinated omission); every call of the plan is counted exactly once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apps/hotwell/bench_plan.hpp"
#include "apps/hotwell/client.hpp"

namespace hotwell::cli {

struct BenchTally {
  struct Kind {
    std::vector<float> latencies;  ///< seconds, from the time meant
    std::uint64_t errors = 0;      ///< no answer, a status of 500 or more, or a 429
    std::uint64_t hits = 0;        ///< GETs that were answered with 200
    std::uint64_t misses = 0;      ///< GETs that were answered with 404
    std::uint64_t bytes = 0;       ///< bodies, both ways
  };
  std::array<Kind, call_kinds> kinds;
  std::map<unsigned, std::uint64_t> statuses;  ///< 0: no answer
  std::uint64_t planned = 0;
  std::uint64_t waited = 0;      ///< calls that found every connection busy at their time
  std::uint64_t unfinished = 0;  ///< given up at the end; counted as errors too
  double latest = 0;             ///< seconds between a call's time and its sending, at most
  double seconds = 0;            ///< from the first call's time to the last answer
};

struct BenchOptions {
  std::size_t connections = 64;
  std::string token;
  std::string media;        ///< "thumbnail/clip.mp4?width={n}"
  std::string job;          ///< the body of a POST /v1/jobs, "{n}" in it
  bool fill_misses = true;  ///< a GET that misses is followed by a PUT, as by a service that uses the cache
  Duration patience = std::chrono::seconds{30};  ///< with what is unanswered after the last call
};

/// Blocks until all is answered or given up; an interrupt ends the plan early.
/// Ends: no_server where the address leads nowhere.
[[nodiscard]] Outcome<BenchTally> run_bench(const ServerAddress& server, const BenchOptions& options,
                                            CallSource& source);

}  // namespace hotwell::cli
