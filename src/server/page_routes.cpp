/// The page at / and the files beside it, embedded in the binary.
#include "server/conditions.hpp"
#include "server/delivery.hpp"
#include "server/embedded.hpp"
#include "server/exchange.hpp"
#include "server/routes.hpp"

namespace hotwell::server {
namespace {

// Nothing but the page's own files, and nobody may frame it.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void serve_file(Exchange& exchange, const EmbeddedFile& file) {
  const bool unchanged = judge({{}, exchange.request().field(http::field::if_none_match), {}}, file.etag,
                               Access::reading) == Verdict::not_modified;
  Answer answer(unchanged ? 304 : 200);
  answer.field("ETag", file.etag).field("Cache-Control", "no-cache");
  if (!unchanged) {
    answer.field("Content-Type", file.content_type).field("X-Content-Type-Options", "nosniff");
    answer.field("Content-Security-Policy", page_policy).field("Referrer-Policy", "no-referrer");
    // The bytes live as long as the program: nobody has to own them.
    answer.parts.emplace_back(Buffer::wrap(nullptr, ByteView(file.bytes)));
  }
  exchange.answer(std::move(answer));
}

}  // namespace

void add_page_routes(std::vector<Route>& routes) {
  for (const auto& file : embedded_files()) {
    const auto add = [&](std::string path) {
      routes.push_back({http::verb::get, std::move(path), Gate::name, Route::Counted::no,
                        [&file](Exchange& exchange) { serve_file(exchange, file); }});
    };
    if (file.name == "index.html") add("/");
    add("/" + std::string(file.name));
  }
}

}  // namespace hotwell::server
