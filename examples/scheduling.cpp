// Who is next, and how an attempt is stopped.
#include <iostream>
#include <latch>
#include <thread>

#include <hotwell/pool.hpp>

using namespace std::chrono_literals;

int main() {
  hotwell::WorkerPool pool{
      {.max_workers = 1, .weights = {8, 3, 1}, .queue_limit = 1000, .scheduling = hotwell::Scheduling::fair}};

  std::vector<std::string> order;
  const auto render = [&](std::string tenant, int page) {
    auto done = [&order, name = tenant + std::to_string(page)](std::stop_token) { order.push_back(name); };
    return pool.submit(done, {.tenant = std::move(tenant)});
  };

  // The only worker is busy until all have been handed in.
  std::latch open{1};
  auto gate = pool.submit([&](std::stop_token) { open.wait(); });
  std::vector<std::future<hotwell::Result<void>>> pages;
  for (int page = 1; page <= 4; ++page) pages.push_back(render("big", page));
  for (int page = 1; page <= 2; ++page) pages.push_back(render("small", page));
  auto last = pool.submit([](std::stop_token) {}, {.priority = hotwell::Priority::low});
  open.count_down();
  for (auto& page : pages) page.get().value();
  last.get().value();

  std::cout << order.size() << " pages\n";

  auto slow = pool.submit(
      [](std::stop_token stop) {
        while (!stop.stop_requested()) std::this_thread::yield();
      },
      {.retries = 0, .timeout = 50ms});
  std::cout << to_string(slow.get().error()) << '\n';
}
