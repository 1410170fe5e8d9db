#include "server/router.hpp"

#include <gtest/gtest.h>

namespace hotwell::server {
namespace {

Router make_router() {
  std::vector<Route> routes;
  const auto add = [&](http::verb method, std::string pattern) { routes.push_back({method, std::move(pattern)}); };
  add(http::verb::get, "/");
  add(http::verb::get, "/v1/cache/stats");
  add(http::verb::get, "/v1/cache/{key*}");
  add(http::verb::put, "/v1/cache/{key*}");
  add(http::verb::get, "/v1/jobs/{id}");
  add(http::verb::delete_, "/v1/jobs/{id}");
  add(http::verb::get, "/v1/jobs/{id}/result");
  return Router(std::move(routes));
}

TEST(Router, FindsTheFirstRouteThatMatches) {
  const auto router = make_router();
  struct Case {
    http::verb method;
    std::string_view path;
    std::string_view endpoint;  // empty: none
    std::vector<std::string_view> captures;
    std::string_view allow;
  };
  const Case cases[] = {
      {http::verb::get, "/", "GET /", {}, ""},
      {http::verb::head, "/", "GET /", {}, ""},
      {http::verb::get, "/v1/jobs/7", "GET /v1/jobs/{id}", {"7"}, ""},
      {http::verb::delete_, "/v1/jobs/7", "DELETE /v1/jobs/{id}", {"7"}, ""},
      {http::verb::get, "/v1/jobs/7/result", "GET /v1/jobs/{id}/result", {"7"}, ""},
      {http::verb::get, "/v1/cache/stats", "GET /v1/cache/stats", {}, ""},
      {http::verb::get, "/v1/cache/a/b%2Fc/", "GET /v1/cache/{key*}", {"a/b%2Fc/"}, ""},
      {http::verb::put, "/v1/cache/k", "PUT /v1/cache/{key*}", {"k"}, ""},
      {http::verb::get, "/v1/cache/", "GET /v1/cache/{key*}", {""}, ""},
      // Nothing there, or not with this method.
      {http::verb::get, "/v1", "", {}, ""},
      {http::verb::get, "/v1/jobs/", "", {}, ""},
      {http::verb::get, "/v1/jobs/7/", "", {}, ""},
      {http::verb::get, "/v1/jobs/7/result/x", "", {}, ""},
      {http::verb::get, "/v1/cache", "", {}, ""},
      {http::verb::get, "//", "", {}, ""},
      {http::verb::put, "/v1/cache/stats", "", {}, "GET, HEAD"},
      {http::verb::post, "/v1/jobs/7", "", {}, "GET, HEAD, DELETE"},
      {http::verb::unknown, "/v1/jobs/7", "", {}, "GET, HEAD, DELETE"},
  };
  for (const auto& c : cases) {
    const auto match = router.match(c.method, c.path);
    EXPECT_EQ(match.route != nullptr ? match.route->endpoint : "", c.endpoint) << c.path;
    EXPECT_TRUE(std::ranges::equal(match.captures, c.captures)) << c.path;
    EXPECT_EQ(match.allow, c.allow) << c.path;
  }
}

}  // namespace
}  // namespace hotwell::server
