/// The tiered cache's life: opening the tiers, what the background thread does, the knobs, and the end.
#include <limits>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "cache/directory.hpp"
#include "cache/tiered_cache.hpp"
#include "host/thread.hpp"

namespace hotwell {

using namespace cache;

namespace {

constexpr double most_jitter = 0.9;

}  // namespace

Cache::Impl::Impl(CacheOptions options, const Seams& seams)
    : options_(std::move(options)),
      clock_(seams.clock),
      disk_(seams.disk),
      max_age_(options_.max_age.count()),
      ttl_jitter_(options_.ttl_jitter),
      promote_after_(options_.promote_after),
      stream_over_(options_.stream_over.count),
      memory_limit_(options_.memory_limit.count),
      stream_limit_given_(options_.stream_limit.has_value()),
      opened_(clock_.now()),
      hot_saved_(opened_) {}

Result<std::unique_ptr<Cache::Impl>> Cache::Impl::open(CacheOptions options) {
  return open(std::move(options), {host::system_clock(), host::system_disk(), std::chrono::seconds{1}, Opens::serving});
}

Result<std::unique_ptr<Cache::Impl>> Cache::Impl::open(CacheOptions options, const Seams& seams) {
  if (!options.directory.empty()) {
    std::error_code error;
    options.directory = std::filesystem::absolute(options.directory, error);
    if (error) return system_fail(error.value(), "finding the cache's directory");
  }
  if (options.max_age <= Duration::zero())
    return fail(Code::invalid_argument, "cache max_age: expected more than zero");
  if (!(options.ttl_jitter >= 0 && options.ttl_jitter <= most_jitter))
    return fail(Code::invalid_argument,
                fmt::format("cache ttl_jitter: expected 0 to {}, got {}", most_jitter, options.ttl_jitter));
  auto impl = std::unique_ptr<Impl>(new Impl(std::move(options), seams));
  if (auto started = impl->start(seams.opens); !started) return std::unexpected(started.error());
  if (seams.sweep_every) {
    impl->sweep_every(*seams.sweep_every);
    impl->warm_from_last_run();
  }
  return impl;
}

Result<void> Cache::Impl::start(Opens opens) {
  auto policy = make_policy(options_.policy);
  if (!policy) return std::unexpected(policy.error());
  memory_ = std::make_unique<MemoryTier>(options_.memory_limit, std::move(*policy));
  if (!options_.directory.empty()) {
    auto claim = claim_directory(disk_, options_.directory);
    if (!claim) return std::unexpected(claim.error());
    claim_ = std::move(*claim);
    if (auto opened = open_tiers(opens); !opened) return opened;
  }
  thread_ = host::quiet_thread("hotwell-cache", [this] { background_.run(); });
  return {};
}

Result<void> Cache::Impl::open_tiers(Opens opens) {
  const auto now = clock_.wall();
  auto disk =
      DiskTier::open(disk_,
                     {.directory = disk_directory(options_.directory),
                      .limit = options_.disk_limit,
                      .tells_evictions = [this] { return events_.any<CacheEviction>() || events_.any<CacheExpiry>(); },
                      .opens = opens},
                     now);
  if (!disk) return std::unexpected(disk.error());
  disk_tier_ = std::move(*disk);
  auto stream = StreamTier::open(
      disk_,
      {.directory = stream_directory(options_.directory),
       .limit = options_.stream_limit.value_or(Bytes{std::numeric_limits<std::uint64_t>::max()}),
       .used_above = [this](std::string_view key) { return memory_->generation(key, clock_.wall()).has_value(); }},
      now);
  if (!stream) return std::unexpected(stream.error());
  stream_ = std::move(*stream);
  doubles_ = stream_->stats().entries;
  last_generation_ = recovery().last_generation;
  Removals untold;  // nobody listens yet
  fit_stream_limit(untold);
  return disk_tier_->whole() ? settle_doubles() : Result<void>{};
}

Result<void> Cache::Impl::settle_doubles() {
  auto seen = doubles_.load(std::memory_order_acquire);
  Removals untold;
  Result<void> done;
  stream_->for_each(clock_.wall(), [&](const Object& one) {
    const std::lock_guard lock(stripe(one.key));
    const auto now = clock_.wall();
    const auto large = stream_->generation(one.key, now);
    const auto small = disk_tier_->generation(one.key, now);
    if (!small || !large) return true;
    Tier& older = *small < *large ? static_cast<Tier&>(*disk_tier_) : *stream_;
    if (auto erased = older.erase(one.key, now, untold); !erased) done = std::unexpected(erased.error());
    return done.has_value();
  });
  if (done) doubles_.compare_exchange_strong(seen, 0);
  return done;
}

void Cache::Impl::fit_stream_limit(Removals& removed) {
  if (stream_limit_given_.load(std::memory_order_relaxed)) return;
  const auto space = disk_.space(options_.directory);
  if (!space) return;
  // On a file system that is fuller than that, a tenth of what is left.
  const auto tenth = space->size.count / 10;
  const auto room = space->free.count > tenth ? space->free.count - tenth : 0;
  stream_->set_limit(stream_->stats().size + Bytes{std::max(room, space->free.count / 10)}, removed);
}

Cache::Impl::~Impl() {
  if (refresher_) {
    refresher_->stop();
    refresher_->join();
  }
  if (!thread_.joinable()) return;
  // Look-ups that wait are answered first; then nothing is left to run.
  boost::asio::post(background_, [this] {
    closing_ = true;
    next_sweep_.cancel();
    working_.reset();
  });
  thread_.join();
  save_hot_keys();
}

void Cache::Impl::register_knobs(Knobs& knobs) {
  constexpr double tebibyte = 1ULL << 40;
  const auto limit_knob = [&](std::string name, std::string description, Bytes now, Tier& tier) {
    const auto value = static_cast<double>(now.count);
    knobs.add({.name = std::move(name),
               .description = std::move(description),
               .unit = "bytes",
               .min = 0,
               .max = std::max(1024 * tebibyte, value),
               .value = value},
              [this, &tier](double bytes) -> Result<void> {
                Removals removed;
                if (&tier == stream_.get()) stream_limit_given_ = true;
                if (&tier == memory_.get()) memory_limit_ = static_cast<std::uint64_t>(bytes);
                tier.set_limit({static_cast<std::uint64_t>(bytes)}, removed);
                tell(removed);
                return {};
              });
  };
  limit_knob("cache.memory_limit", "What the memory tier may take", options_.memory_limit, *memory_);
  if (stream_) {
    limit_knob("cache.disk_limit", "What the disk tier may take", options_.disk_limit, *disk_tier_);
    limit_knob("cache.stream_limit", "What large objects on disk may take", stream_->limit(), *stream_);
  }
  const double promote_after = options_.promote_after;
  knobs.add({.name = "cache.promote_after",
             .description = "More hits than this on disk bring an object into memory",
             .min = 0,
             .max = std::max(1e6, promote_after),
             .value = promote_after},
            [this](double hits) -> Result<void> {
              promote_after_ = static_cast<unsigned>(hits);
              return {};
            });
  const double max_age = std::chrono::duration<double>(options_.max_age).count();
  knobs.add({.name = "cache.max_age",
             .description = "How long entries live that name no time of their own",
             .unit = "seconds",
             .min = std::min(1.0, max_age),
             .max = std::max(86400.0 * 3650, max_age),
             .value = max_age},
            [this](double seconds) -> Result<void> {
              max_age_ = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)).count();
              return {};
            });
  knobs.add({.name = "cache.ttl_jitter",
             .description = "The part of its time by which an entry may expire sooner, so that not all do at once",
             .min = 0,
             .max = most_jitter,
             .value = options_.ttl_jitter},
            [this](double part) -> Result<void> {
              ttl_jitter_ = part;
              return {};
            });
}

void Cache::Impl::sweep() {
  Removals removed;
  memory_->sweep(clock_.wall(), removed);
  if (stream_) {
    if (doubles_.load(std::memory_order_acquire) != 0 && disk_tier_->whole())
      if (auto settled = settle_doubles(); !settled)
        base::log().warn("the cache keeps two objects of one key: {}", to_string(settled.error()));
    disk_tier_->sweep(clock_.wall(), removed);
    stream_->sweep(clock_.wall(), removed);
    fit_stream_limit(removed);
  }
  tell(removed);
}

Result<void> Cache::Impl::sync() {
  if (!stream_) return {};
  if (auto done = disk_tier_->sync(); !done) return done;
  return stream_->sync();
}

Recovery Cache::Impl::recovery() const { return stream_ ? disk_tier_->recovery() + stream_->recovery() : Recovery{}; }

void Cache::Impl::sweep_every(Duration period) {
  boost::asio::post(background_, [this, period] {
    if (closing_) return;
    next_sweep_.expires_after(period);
    next_sweep_.async_wait([this, period](boost::system::error_code stopped) {
      if (stopped) return;
      sweep();
      tend_warmth();
      sweep_every(period);
    });
  });
}

}  // namespace hotwell
