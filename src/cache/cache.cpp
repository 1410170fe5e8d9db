#include <hotwell/cache.hpp>

#include <boost/asio/post.hpp>

#include "cache/tiered_cache.hpp"

namespace hotwell {
namespace {

std::unique_ptr<Cache::Impl> open_or_throw(CacheOptions options) {
  auto impl = Cache::Impl::open(std::move(options));
  if (!impl) throw Failure(impl.error());
  return std::move(*impl);
}

}  // namespace

Cache::Cache(CacheOptions options) : impl_(open_or_throw(std::move(options))) {}
Cache::Cache(std::unique_ptr<Impl> impl, std::in_place_t) : impl_(std::move(impl)) {}
Cache::~Cache() = default;

Result<std::unique_ptr<Cache>> Cache::open(CacheOptions options) {
  auto impl = Impl::open(std::move(options));
  if (!impl) return std::unexpected(impl.error());
  return std::unique_ptr<Cache>(new Cache(std::move(*impl), std::in_place));
}

Result<void> Cache::set(std::string_view key, ByteView bytes, SetOptions options) {
  return impl_->set(key, bytes, std::move(options));
}
Result<std::optional<Object>> Cache::get(std::string_view key) { return impl_->get(key); }
std::optional<Object> Cache::try_get(std::string_view key) { return impl_->try_get(key); }
Result<bool> Cache::erase(std::string_view key) { return impl_->erase(key); }
Result<void> Cache::clear() { return impl_->clear(); }
bool Cache::contains(std::string_view key) const { return impl_->contains(key); }
Result<bool> Cache::touch(std::string_view key, Duration ttl) { return impl_->touch(key, ttl); }
void Cache::for_each(const std::function<bool(const Object&)>& visit) const { impl_->for_each(visit); }
Warmed Cache::warm(std::span<const std::string> keys) { return impl_->warm(keys); }
Result<std::unique_ptr<Sink>> Cache::begin(std::string_view key, SetOptions options) {
  return impl_->begin(key, std::move(options));
}
Result<Object> Cache::get_or_compute(std::string_view key, std::function<Result<void>(Sink&)> compute,
                                     ComputeOptions options) {
  return impl_->get_or_compute(key, std::move(compute), std::move(options));
}
CacheStats Cache::stats() const { return impl_->stats(); }
Result<CacheExplanation> Cache::explain(std::string_view key) { return impl_->explain(key); }
CacheEvents& Cache::events() { return impl_->events(); }
void Cache::register_knobs(Knobs& knobs) { impl_->register_knobs(knobs); }
const CacheOptions& Cache::options() const { return impl_->options(); }

void Cache::get_later(std::string key, std::function<void(Result<std::optional<Object>>)> done) {
  boost::asio::post(impl_->background(),
                    [this, key = std::move(key), done = std::move(done)] { done(impl_->get(key)); });
}
boost::asio::any_io_executor Cache::background() { return impl_->background().get_executor(); }

}  // namespace hotwell
