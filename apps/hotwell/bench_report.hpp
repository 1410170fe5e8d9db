/// What a bench found, for people, for programs, and as a picture.
#pragma once

#include <string>

#include <boost/json/value.hpp>

#include "apps/hotwell/bench_run.hpp"

namespace hotwell::cli {

struct BenchRuns {
  std::string server;
  std::string what;  ///< "1000 calls a second for 10 s: get 95 %, put 5 %"
  std::size_t connections = 0;
  BenchTally tally;
};

/// Sorts the tally's latencies.
[[nodiscard]] std::string bench_text(BenchRuns& runs);
[[nodiscard]] boost::json::value bench_json(BenchRuns& runs);
/// Latency by percentile, both logarithmic: the tail is as wide as the rest.
[[nodiscard]] std::string bench_svg(BenchRuns& runs);

/// Of sorted values, by rank; 0 of none.
[[nodiscard]] double quantile(const std::vector<float>& sorted, double q);

}  // namespace hotwell::cli
