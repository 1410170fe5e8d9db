/// Signing in and out of a browser: the cookie that stands for a token.
#include <fmt/format.h>

#include "server/exchange.hpp"
#include "server/json_reader.hpp"
#include "server/routes.hpp"
#include "server/security.hpp"

namespace hotwell::server {
namespace {

constexpr std::uint64_t max_sign_in = 4096;

Result<std::string> token_of(std::string_view text) {
  const auto object = parse_json_object(text);
  if (!object) return std::unexpected(object.error());
  Result<std::string> token = fail(Code::invalid_argument, "\"token\" is missing");
  for (const auto& [name, value] : *object) {
    if (name != "token") return std::unexpected(unknown_member(std::string_view(name.data(), name.size()), "token"));
    token = read_string("token", value);
  }
  return token;
}

Answer with_cookie(std::string_view value, std::string_view attributes) {
  Answer answer(204);
  answer.field("Set-Cookie",
               fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict{}", Tokens::cookie_name, value, attributes));
  answer.field("Cache-Control", "no-store");
  return answer;
}

void sign_in(Exchange& exchange, const Tokens& tokens) {
  exchange.read_text(max_sign_in, [&exchange, &tokens](std::string text) {
    const auto token = token_of(text);
    if (!token) return exchange.fail(token.error());
    if (!tokens.knows(*token))
      return exchange.answer(Answer::problem(401, {Code::denied, "this is none of the server's tokens"}));
    exchange.answer(with_cookie(Tokens::session(*token), ""));
  });
}

}  // namespace

void add_session_routes(std::vector<Route>& routes, const Tokens& tokens) {
  routes.push_back({http::verb::post, "/v1/session", Gate::name, Route::Counted::no,
                    [&tokens](Exchange& exchange) { sign_in(exchange, tokens); }});
  routes.push_back({http::verb::delete_, "/v1/session", Gate::name, Route::Counted::no,
                    [](Exchange& exchange) { exchange.answer(with_cookie("", "; Max-Age=0")); }});
}

}  // namespace hotwell::server
