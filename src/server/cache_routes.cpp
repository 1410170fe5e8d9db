/// /v1/cache: objects by key, what the tiers hold, and clearing them.
#include <charconv>

#include <hotwell/engine.hpp>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "cache/tiered_cache.hpp"
#include "server/delivery.hpp"
#include "server/json_reader.hpp"
#include "server/json_writer.hpp"
#include "server/routes.hpp"
#include "server/text.hpp"

namespace hotwell::server {
namespace {

constexpr std::string_view metadata_prefix = "x-hotwell-meta-";

Error absent(std::string_view key) { return {Code::not_found, fmt::format("there is no object \"{}\"", key)}; }

std::string read_timing(const Exchange& exchange) { return timing("read", exchange.elapsed()); }

void deliver_hit(Exchange& exchange, Object object) {
  const auto status = hit_status(object.level);
  deliver(exchange, {std::move(object), status, read_timing(exchange)});
}

// Asks every tier on the cache's own thread.
void look_up(Exchange& exchange, std::string key, std::function<void(Result<std::optional<Object>>)> then) {
  auto& cache = exchange.engine().cache().impl();
  boost::asio::post(cache.background(), [&cache, key = std::move(key),
                                         home = exchange.bring_home<Result<std::optional<Object>>>(std::move(then))] {
    home(cache.lookup(key));
  });
}

void get_object(Exchange& exchange) {
  const auto& key = exchange.captures[0];
  if (auto object = exchange.engine().cache().impl().try_lookup(key)) return deliver_hit(exchange, std::move(*object));
  look_up(exchange, key, [&exchange](Result<std::optional<Object>> found) {
    if (!found) return exchange.fail(found.error());
    if (*found) return deliver_hit(exchange, std::move(**found));
    auto answer = Answer::problem(absent(exchange.captures[0]));
    answer.field("Cache-Status", "hotwell; fwd=miss").field("Server-Timing", read_timing(exchange));
    exchange.answer(std::move(answer));
  });
}

// RFC 9111: the first max-age of the field, absent or malformed: none.
std::optional<Duration> max_age_of(const Request& request) {
  for (const auto directive : split_list(request.field(http::field::cache_control))) {
    constexpr std::string_view name = "max-age=";
    if (directive.size() <= name.size() || !equals_ignoring_case(directive.substr(0, name.size()), name)) continue;
    auto digits = directive.substr(name.size());
    if (digits.size() > 1 && digits.front() == '"' && digits.back() == '"')
      digits = digits.substr(1, digits.size() - 2);
    std::uint32_t seconds = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    if (end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
    // A number that is too large is taken as one that is very large.
    if (error == std::errc::result_out_of_range) return std::chrono::seconds{1LL << 31};
    if (error != std::errc() || seconds == 0) return std::nullopt;
    return std::chrono::seconds{seconds};
  }
  return std::nullopt;
}

Result<SetOptions> options_of(const Exchange& exchange) {
  SetOptions options;
  for (const auto& [name, value] : exchange.target.query) {
    if (name == "type") {
      options.type = value;
    } else if (name == "ttl") {
      const auto number = parse_number(name, value);
      if (!number) return std::unexpected(number.error());
      const auto ttl = seconds_of(name, *number);
      if (!ttl) return std::unexpected(ttl.error());
      if (*ttl == Duration::zero()) return fail(Code::invalid_argument, "\"ttl\" must be more than 0 seconds");
      options.ttl = *ttl;
    } else {
      return std::unexpected(unknown_member(name, "ttl or type"));
    }
  }
  const auto& request = exchange.request();
  if (!options.ttl) options.ttl = max_age_of(request);
  if (const auto type = request.field(http::field::content_type); !type.empty()) options.content_type = type;
  request.for_each([&](std::string_view name, std::string_view value) {
    if (name.size() > metadata_prefix.size() &&
        equals_ignoring_case(name.substr(0, metadata_prefix.size()), metadata_prefix))
      options.metadata[to_lower(name.substr(metadata_prefix.size()))] = value;
  });
  return options;
}

// What the request demands of the object, for the moment at which it is replaced or erased. Empty: nothing.
Cache::Impl::Precondition precondition_of(const Request& request) {
  const auto conditions = conditions_of(request);
  if (conditions.if_match.empty() && conditions.if_none_match.empty()) return {};
  return [if_match = std::string(conditions.if_match),
          if_none_match = std::string(conditions.if_none_match)](std::optional<std::uint64_t> generation) {
    Object present;
    present.generation = generation.value_or(0);
    return judge({if_match, if_none_match, {}}, generation ? present.etag() : std::string(), Access::writing) ==
           Verdict::proceed;
  };
}

// The conditions held when the request came, but do no longer.
Answer overtaken(const Error& error) { return Answer::problem(412, {Code::invalid_argument, error.message}); }

void answer_stored(Exchange& exchange, bool replaces, const Result<Object>& stored) {
  if (!stored && stored.error().code == Code::cancelled) return exchange.answer(overtaken(stored.error()));
  if (!stored) return exchange.fail(stored.error());
  Answer answer(replaces ? 204 : 201);
  answer.field("ETag", stored->etag());
  exchange.answer(std::move(answer));
}

// Small bodies are collected and stored at once on the cache's thread; larger ones are written through as they come.
// What is stored becomes visible as a whole at the end.
class ObjectReceiver final : public Receiver {
 public:
  ObjectReceiver(Cache::Impl& cache, std::string key, SetOptions options, Cache::Impl::Precondition precondition)
      : cache_(cache),
        key_(std::move(key)),
        options_(std::move(options)),
        precondition_(std::move(precondition)),
        replaces_(cache.contains(key_)) {}

  Result<void> write(ByteView bytes) override {
    size_ += bytes.size();
    if (writer_) return writer_->write(bytes);
    if (size_ <= collected_at_most) {
      collected_.append(bytes.text());
      return {};
    }
    auto writer = cache_.begin(key_, options_, precondition_);
    if (!writer) return std::unexpected(writer.error());
    writer_ = std::move(*writer);
    if (auto written = writer_->write(collected_); !written) return written;
    collected_ = {};
    return writer_->write(bytes);
  }

  void finish(Exchange& exchange) override {
    boost::asio::post(
        cache_.background(),
        [&cache = cache_, key = key_, options = options_, precondition = precondition_, size = size_,
         collected = std::move(collected_), writer = std::shared_ptr(std::move(writer_)),
         home = exchange.bring_home<Result<Object>>([&exchange, replaces = replaces_](const Result<Object>& stored) {
           answer_stored(exchange, replaces, stored);
         })] {
          if (!writer) return home(cache.store(key, collected, options, precondition));
          if (auto sealed = writer->seal(size); !sealed) return home(std::unexpected(sealed.error()));
          home(writer->object());
        });
  }

 private:
  static constexpr std::uint64_t collected_at_most = 256 << 10;
  Cache::Impl& cache_;
  const std::string key_;
  const SetOptions options_;
  const Cache::Impl::Precondition precondition_;
  const bool replaces_;
  std::string collected_;
  std::unique_ptr<cache::CacheWriter> writer_;
  std::uint64_t size_ = 0;
};

void store(Exchange& exchange, SetOptions options) {
  auto& cache = exchange.engine().cache().impl();
  const auto& key = exchange.captures[0];
  auto receiver = std::make_unique<ObjectReceiver>(cache, key, std::move(options), precondition_of(exchange.request()));
  if (!exchange.has_body()) return receiver->finish(exchange);
  exchange.receive(exchange.engine().config().server.max_body.count, std::move(receiver));
}

// The object's tag as it stands now, against the request's conditions.
void when_conditions_hold(Exchange& exchange, std::function<void()> then) {
  const auto conditions = conditions_of(exchange.request());
  if (conditions.if_match.empty() && conditions.if_none_match.empty()) return then();
  look_up(exchange, exchange.captures[0], [&exchange, then = std::move(then)](Result<std::optional<Object>> found) {
    if (!found) return exchange.fail(found.error());
    const auto etag = *found ? (*found)->etag() : std::string{};
    if (judge(conditions_of(exchange.request()), etag, Access::writing) == Verdict::proceed) return then();
    exchange.answer(
        Answer::problem(412, {Code::invalid_argument, *found ? fmt::format("the object's entity tag is {}", etag)
                                                             : absent(exchange.captures[0]).message}));
  });
}

void put_object(Exchange& exchange) {
  auto options = options_of(exchange);
  if (!options) return exchange.fail(options.error());
  if (const auto coding = exchange.request().field(http::field::content_encoding);
      !coding.empty() && !equals_ignoring_case(coding, "identity"))
    return exchange.answer(Answer::problem(
        415, {Code::invalid_argument,
              fmt::format("an object is stored as it comes: expected no Content-Encoding, got \"{}\"", coding)}));
  if (exchange.request().has(http::field::content_range))
    return exchange.fail({Code::invalid_argument, "an object is stored whole: Content-Range is not taken"});
  when_conditions_hold(exchange, [&exchange, options = std::move(*options)] { store(exchange, options); });
}

void delete_object(Exchange& exchange) {
  when_conditions_hold(exchange, [&exchange] {
    auto& cache = exchange.engine().cache().impl();
    boost::asio::post(cache.background(),
                      [&cache, key = exchange.captures[0], precondition = precondition_of(exchange.request()),
                       home = exchange.bring_home<Result<bool>>([&exchange](Result<bool> erased) {
                         if (!erased && erased.error().code == Code::cancelled)
                           return exchange.answer(overtaken(erased.error()));
                         if (!erased) return exchange.fail(erased.error());
                         if (!*erased) return exchange.fail(absent(exchange.captures[0]));
                         exchange.answer(Answer(204));
                       })] { home(cache.erase(key, precondition)); });
  });
}

void get_stats(Exchange& exchange) {
  const auto stats = exchange.engine().cache().stats();
  JsonWriter json;
  json.begin_object();
  const auto tier = [&](std::string_view name, const CacheStats::Tier& of) {
    json.key(name).begin_object();
    json.member("entries", of.entries).member("size", of.size.count).member("utilization", of.utilization);
    json.member("hits", of.hits).member("misses", of.misses).member("hit_rate", of.hit_rate);
    json.member("served", of.served.count).end_object();
  };
  tier("memory", stats.memory);
  tier("disk", stats.disk);
  tier("stream", stats.stream);
  tier("total", stats.total);
  json.key("types").begin_object();
  for (const auto& [name, of] : stats.types) {
    json.key(name).begin_object().member("sets", of.sets).member("stored", of.stored.count);
    json.member("hits", of.hits).member("misses", of.misses).member("served", of.served.count).end_object();
  }
  json.end_object().key("first_minute");
  if (const auto& first = stats.first_minute) {
    json.begin_object().member("hits", first->hits).member("misses", first->misses);
    json.member("warmed", first->warmed).end_object();
  } else {
    json.null();
  }
  json.end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void clear(Exchange& exchange) {
  auto& cache = exchange.engine().cache();
  boost::asio::post(cache.impl().background(),
                    [&cache, home = exchange.bring_home<Result<void>>([&exchange](Result<void> cleared) {
                      if (!cleared) return exchange.fail(cleared.error());
                      exchange.answer(Answer(204));
                    })] { home(cache.clear()); });
}

Result<std::vector<std::string>> keys_of(std::string_view text) {
  auto body = parse_json_object(text);
  if (!body) return std::unexpected(body.error());
  std::vector<std::string> keys;
  for (const auto& member : *body) {
    if (member.key() != "keys") return std::unexpected(unknown_member(member.key(), "keys"));
    if (!member.value().is_array()) return fail(Code::invalid_argument, "\"keys\" must be an array of strings");
    for (const auto& one : member.value().get_array()) {
      auto key = read_string("keys", one);
      if (!key) return std::unexpected(key.error());
      keys.push_back(std::move(*key));
    }
  }
  return keys;
}

void warm(Exchange& exchange) {
  constexpr std::uint64_t longest = 16 << 20;
  exchange.read_text(longest, [&exchange](const std::string& text) {
    auto keys = keys_of(text);
    if (!keys) return exchange.fail(keys.error());
    auto& cache = exchange.engine().cache();
    boost::asio::post(cache.impl().background(),
                      [&cache, keys = std::move(*keys), home = exchange.bring_home<Warmed>([&exchange](Warmed warmed) {
                        JsonWriter json;
                        json.begin_object();
                        json.member("warmed", warmed.warmed).member("already", warmed.already);
                        json.member("absent", warmed.absent).member("no_room", warmed.no_room);
                        json.end_object();
                        exchange.answer(Answer::json(200, json.take()));
                      })] { home(cache.warm(keys)); });
  });
}

}  // namespace

void add_cache_routes(std::vector<Route>& routes) {
  const auto add = [&](http::verb method, std::string pattern, void (*handler)(Exchange&)) {
    routes.push_back({method, std::move(pattern), Gate::member, Route::Counted::yes, handler});
  };
  add(http::verb::get, "/v1/cache/stats", get_stats);
  add(http::verb::post, "/v1/cache/clear", clear);
  add(http::verb::post, "/v1/cache/warm", warm);
  add(http::verb::get, "/v1/cache/{key*}", get_object);
  add(http::verb::put, "/v1/cache/{key*}", put_object);
  add(http::verb::delete_, "/v1/cache/{key*}", delete_object);
}

}  // namespace hotwell::server
