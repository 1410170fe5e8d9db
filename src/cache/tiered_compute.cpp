/// Computing what is absent: once, however many ask; stale objects anew behind the back of those who ask; failures
/// remembered where that was asked for.
#include <future>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "cache/keys.hpp"
#include "cache/tiered_cache.hpp"

namespace hotwell {

using namespace cache;

namespace {

/// The sum, or the longest duration where that is beyond.
Duration longer_by(Duration ttl, Duration more) { return ttl > Duration::max() - more ? Duration::max() : ttl + more; }

}  // namespace

Result<Object> Cache::Impl::get_or_compute(std::string_view key, Compute compute, ComputeOptions options) {
  if (auto good = check_user_key(key); !good) return std::unexpected(good.error());
  if (options.negative_ttl < Duration::zero() || options.stale_while_revalidate < Duration::zero() ||
      (options.wait && *options.wait < Duration::zero()))
    return fail(Code::invalid_argument, "get_or_compute: expected times that are not negative");
  auto there = find(key, Check::whole, Asker::first, options.store.type);
  if (!there) return std::unexpected(there.error());
  if (*there) {
    if (is_stale(**there, options)) revalidate(key, std::move(compute), std::move(options));
    return std::move(**there);
  }
  if (auto failure = failures_.find(key, clock_.wall())) return std::unexpected(std::move(*failure));

  const auto ended = std::make_shared<std::promise<Result<Object>>>();
  auto end = ended->get_future();
  const auto joined = flights_.join(
      key, {.on_growing = {}, .on_end = [ended](const Result<Object>& result) { ended->set_value(result); }});
  if (joined.leader) {
    compute_as_leader(*joined.flight, compute, options);
  } else if (options.wait && end.wait_for(*options.wait) != std::future_status::ready) {
    joined.flight->leave(joined.seat);
    return fail(Code::timeout, fmt::format("\"{}\" is still being computed after {}", key, to_string(*options.wait)));
  }
  return end.get();
}

void Cache::Impl::revalidate(std::string_view key, Compute compute, ComputeOptions options) {
  if (failures_.find(key, clock_.wall())) return;
  const auto joined = flights_.join(key);
  if (!joined.leader) return joined.flight->leave(joined.seat);
  const std::lock_guard lock(refreshing_);
  if (!refresher_) refresher_.emplace(1);
  boost::asio::post(*refresher_, [this, flight = joined.flight, compute = std::move(compute),
                                  options = std::move(options)] { compute_as_leader(*flight, compute, options); });
}

bool Cache::Impl::is_stale(const Object& object, const ComputeOptions& options) const {
  return options.stale_while_revalidate > Duration::zero() &&
         object.expires - clock_.wall() <= options.stale_while_revalidate;
}

void Cache::Impl::compute_as_leader(Flight& flight, const Compute& compute, const ComputeOptions& options) {
  const auto caught = [&](Sink& sink) -> Result<void> {
    try {
      return compute(sink);
    } catch (const std::exception& thrown) {
      return fail(Code::failed, fmt::format("the computation threw: {}", thrown.what()));
    } catch (...) {
      return fail(Code::failed, "the computation threw something that is no std::exception");
    }
  };
  flight.complete(compute_now(flight, caught, options));
}

Result<Object> Cache::Impl::compute_now(Flight& flight, const Compute& compute, const ComputeOptions& options) {
  const auto& key = flight.key();
  // The flight before this one may have ended since the first look.
  if (auto there = find(key, Check::whole, Asker::again); there && *there && !is_stale(**there, options))
    return std::move(**there);
  auto store = options.store;
  store.ttl =
      longer_by(store.ttl.value_or(Duration{max_age_.load(std::memory_order_relaxed)}), options.stale_while_revalidate);
  auto writer = begin_at(key, std::move(store));
  if (!writer) return std::unexpected(writer.error());
  flight.publish((*writer)->growing());
  const auto computed = compute(**writer);
  if (!computed) {
    (*writer)->abandon(computed.error());
    if (options.negative_ttl > Duration::zero())
      failures_.remember(key, computed.error(),
                         clock_.wall() + std::chrono::duration_cast<WallTime::duration>(options.negative_ttl));
    return std::unexpected(computed.error());
  }
  const auto growing = (*writer)->growing();
  if (growing->state() == Growing::State::growing)
    if (auto sealed = (*writer)->seal(growing->watermark()); !sealed) return std::unexpected(sealed.error());
  if (growing->state() == Growing::State::abandoned) return std::unexpected(growing->error());
  return (*writer)->object();
}

}  // namespace hotwell
