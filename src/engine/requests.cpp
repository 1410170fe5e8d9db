#include "engine/requests.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/asio/post.hpp>

#include "cache/tiered_cache.hpp"
#include "pool/job_id.hpp"

namespace hotwell::engine {
namespace {

/// One asker of bytes, answered once. Engine's thread alone.
class ByteAsker : public std::enable_shared_from_this<ByteAsker> {
 public:
  explicit ByteAsker(Requests::Done done) : done_(std::move(done)) {}

  void ask(Ask ask, std::string job_id, Computations& computations) {
    if (left_) return;
    stored_ = ask.shared;
    seat_ = computations.ask(std::move(ask), std::move(job_id), asker());
  }
  bool watch(const std::string& flight, Computations& computations) {
    if (!computations.watch(flight, asker())) return false;
    staying_ = shared_from_this();
    return true;
  }
  void leave() {
    left_ = true;
    seat_.reset();
  }

 private:
  Asker asker() {
    Asker asker;
    asker.growing = [weak = weak_from_this()](const Object& object, const Progress& progress) {
      if (const auto self = weak.lock()) self->answer(object, progress);
    };
    asker.ended = [weak = weak_from_this()](const Result<Object>& result, const Progress& progress) {
      const auto self = weak.lock();
      if (!self) return;
      if (result) {
        self->answer(*result, progress);
      } else if (auto done = std::exchange(self->done_, nullptr)) {
        done(std::unexpected(result.error()));
      }
      self->staying_.reset();
    };
    return asker;
  }

  void answer(const Object& object, const Progress& progress) {
    const auto done = std::exchange(done_, nullptr);
    if (!done) return;
    using From = Fetched::From;
    const From from = progress.found ? From::hit : seat_ && seat_->leads() ? From::miss : From::collapsed;
    done(Fetched{object, from, stored_ && from == From::miss, progress.queued, progress.ran});
  }

  Requests::Done done_;
  std::shared_ptr<Computations::Seat> seat_;
  std::shared_ptr<ByteAsker> staying_;  // a watcher keeps itself until the end, since nobody else does
  bool stored_ = false;
  bool left_ = false;
};

/// What the asker holds: letting go of it leaves, on the engine's thread.
class Leaving final : public Waiting {
 public:
  Leaving(std::shared_ptr<ByteAsker> asker, boost::asio::any_io_executor thread)
      : asker_(std::move(asker)), thread_(std::move(thread)) {}
  ~Leaving() override {
    boost::asio::post(thread_, [asker = std::move(asker_)] { asker->leave(); });
  }

 private:
  std::shared_ptr<ByteAsker> asker_;
  boost::asio::any_io_executor thread_;
};

constexpr std::size_t tenant_limit = 255;

}  // namespace

Result<Ask> Requests::prepare(JobRequest request) const {
  const auto operation = operations_.find(request.operation);
  if (operation == operations_.end()) {
    std::vector<std::string_view> names;
    for (const auto& [name, known] : operations_) names.push_back(name);
    return fail(Code::not_found, fmt::format("there is no operation \"{}\"; there are: {}", request.operation,
                                             names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }
  if (request.tenant.size() > tenant_limit)
    return fail(Code::invalid_argument,
                fmt::format("\"tenant\" has {} bytes, at most {} are possible", request.tenant.size(), tenant_limit));
  if (request.tenant.empty()) request.tenant = operation->second.tenant;
  auto params = canonicalize(operation->second, request.params);
  if (!params) return std::unexpected(params.error());
  auto input = inputs_.resolve(request.input, cache_);
  if (!input) return std::unexpected(input.error());
  if (!input->file && operation->second.input == InputRule::required)
    return fail(Code::invalid_argument, fmt::format("{} needs an input", request.operation));
  Ask ask{.operation = &operation->second, .params = std::move(*params), .input = std::move(*input)};
  ask.key = result_key(*ask.operation, ask.params, ask.input.identity);
  ask.shared = ask.operation->cached && !ask.input.settling;
  ask.request = std::move(request);
  return ask;
}

std::optional<Object> Requests::remembered(const Ask& ask) const {
  if (!ask.shared) return std::nullopt;
  return cache_.impl().try_lookup(ask.key);
}

std::shared_ptr<Waiting> Requests::fetch(JobRequest request, Done done, Computations& computations,
                                         boost::asio::any_io_executor engine_thread) const {
  auto ask = prepare(std::move(request));
  if (!ask) {
    done(std::unexpected(ask.error()));
    return nullptr;
  }
  if (auto object = remembered(*ask)) {
    done(Fetched{.object = std::move(*object)});
    return nullptr;
  }
  auto asker = std::make_shared<ByteAsker>(std::move(done));
  boost::asio::post(engine_thread, [asker, &computations, ask = std::move(*ask)]() mutable {
    asker->ask(std::move(ask), pool::to_job_id(pool::next_job_number()), computations);
  });
  return std::make_shared<Leaving>(std::move(asker), std::move(engine_thread));
}

bool watch_bytes(const std::string& flight, Requests::Done done, Computations& computations) {
  return std::make_shared<ByteAsker>(std::move(done))->watch(flight, computations);
}

}  // namespace hotwell::engine
