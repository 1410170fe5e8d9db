/// /v1/events: what happens, as it happens.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/event_feed.hpp"
#include "server/exchange.hpp"
#include "server/routes.hpp"
#include "server/text.hpp"

namespace hotwell::server {
namespace {

Result<std::vector<std::string>> types_of(const Target& target) {
  std::vector<std::string> types;
  const auto* list = target.find("types");
  if (list == nullptr) return types;
  for (const auto name : split_list(*list)) {
    if (std::ranges::find(event_names(), name) == event_names().end())
      return fail(Code::invalid_argument,
                  fmt::format("there are no events called \"{}\"; there are {}", name, fmt::join(event_names(), ", ")));
    types.emplace_back(name);
  }
  return types;
}

// A browser that comes back says what it saw last. Nothing where the field is no number of ours.
std::optional<std::uint64_t> last_seen(const Request& request) {
  std::optional<std::uint64_t> number;
  request.for_each([&](std::string_view name, std::string_view value) {
    std::uint64_t parsed = 0;
    if (equals_ignoring_case(name, "Last-Event-ID") &&
        std::from_chars(value.data(), value.data() + value.size(), parsed).ec == std::errc{})
      number = parsed;
  });
  return number;
}

void get_events(Exchange& exchange, EventFeed& feed) {
  const auto types = types_of(exchange.target);
  if (!types) return exchange.fail(types.error());
  if (exchange.request().version() < 11)
    return exchange.fail({Code::invalid_argument, "events want HTTP/1.1: they never end"});
  Answer answer(200);
  answer.field("Content-Type", "text/event-stream").field("Cache-Control", "no-store");
  answer.field("X-Content-Type-Options", "nosniff");
  if (!exchange.is_head()) answer.follow = feed.listen(*types, last_seen(exchange.request()));
  exchange.answer(std::move(answer));
}

}  // namespace

void add_event_routes(std::vector<Route>& routes, EventFeed& feed) {
  routes.push_back({http::verb::get, "/v1/events", Gate::member, Route::Counted::no,
                    [&feed](Exchange& exchange) { get_events(exchange, feed); }});
}

}  // namespace hotwell::server
