#include "server/router.hpp"

#include <algorithm>

namespace hotwell::server {
namespace {

std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);  // the slash
  const auto segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

bool matches(std::string_view pattern, std::string_view path, Router::Captures& captures) {
  captures.clear();
  while (!pattern.empty()) {
    if (path.empty()) return false;
    const auto expected = take_segment(pattern);
    if (expected.ends_with("*}")) {
      captures.push_back(path.substr(1));
      return true;
    }
    const auto segment = take_segment(path);
    if (expected.starts_with('{') && !segment.empty()) {
      captures.push_back(segment);
    } else if (expected != segment) {
      return false;
    }
  }
  return path.empty();
}

std::string method_name(http::verb method) {
  const auto name = http::to_string(method);
  return {name.data(), name.size()};
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (auto& route : routes_) route.endpoint = method_name(route.method) + " " + route.pattern;
}

Router::Match Router::match(http::verb method, std::string_view path) const {
  const auto wanted = method == http::verb::head ? http::verb::get : method;
  Match match;
  std::string_view literal;  // the pattern whose methods a wrong method is told
  for (const auto& route : routes_) {
    if (!matches(route.pattern, path, match.captures)) continue;
    if (literal.empty()) literal = route.pattern;
    if (route.pattern != literal) break;  // a more special pattern hides the general ones behind it
    if (route.method == wanted) {
      match.route = &route;
      match.allow.clear();
      return match;
    }
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += method_name(route.method);
    if (route.method == http::verb::get) match.allow += ", HEAD";
  }
  match.captures.clear();
  return match;
}

}  // namespace hotwell::server
