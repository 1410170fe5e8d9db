// A monitor alone: requests counted exactly, percentiles of a rolling window, and alerts.
#include <iostream>

#include <hotwell/monitor.hpp>

using namespace std::chrono_literals;

int main() {
  hotwell::Monitor monitor{
      {.window = 60s, .thresholds = {.cpu = 80, .memory = 85, .error_rate = 5, .queue_depth = 100}}};

  auto alerts = monitor.on<hotwell::Alert>(
      [](const hotwell::Alert& a) { std::cerr << a.type << " at " << a.value << ", over " << a.threshold << '\n'; });
  monitor.start();

  monitor.track_request(42ms, true, "GET /video");
  {
    auto timing = monitor.time("render");  // until the end of its scope
    timing.failed();
  }

  const hotwell::Metrics metrics = monitor.metrics();
  std::cout << metrics.requests.total << " requests, " << metrics.requests.failed << " failed, the longest took "
            << hotwell::to_string(metrics.latency.max) << '\n';

  const std::string json = hotwell::to_json(metrics);  // the body of GET /performance/metrics
  std::cout << (json.find("\"errorRate\"") != std::string::npos ? "and as JSON\n" : "but not as JSON\n");
  return 0;
}
