/// Routes: which handler answers which method and path, and what a request has to show to get there.
/// Immutable once made. Threads: any.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "server/request.hpp"

namespace hotwell::server {

class Exchange;

/// What a route asks of a request.
enum class Gate : std::uint8_t {
  none,    ///< the probes
  name,    ///< a Host and Origin that this server answers to
  member,  ///< that, and a token where tokens are set
};

struct Route {
  http::verb method;
  /// Segments; "{name}" captures one, a last "{name*}" the rest of the path, slashes and all.
  std::string pattern;
  Gate gate = Gate::member;
  /// Whether requests are counted by the monitor: those to jobs, media and cache.
  enum class Counted : std::uint8_t { no, yes } counted = Counted::no;
  std::function<void(Exchange&)> handler;
  std::string endpoint = {};  ///< filled in by the router: "GET /v1/jobs/{id}"
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  using Captures = boost::container::small_vector<std::string_view, 2>;
  struct Match {
    const Route* route = nullptr;  ///< null: no such path, or not with this method
    Captures captures;             ///< still encoded
    std::string allow;             ///< the methods that the path has, where the method was wrong
  };
  /// The first route that matches in the order given. HEAD is answered by GET's routes.
  [[nodiscard]] Match match(http::verb method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace hotwell::server
