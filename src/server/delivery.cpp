#include "server/delivery.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "server/range.hpp"
#include "server/text.hpp"

namespace hotwell::server {
namespace {

constexpr auto everything = Growing::everything;
constexpr std::size_t common_fields = 448;  // what the fields of most answers take

// What is there of an object's content at this moment.
struct Content {
  std::shared_ptr<Growing> growing;   // null for stored objects
  std::optional<std::uint64_t> size;  // absent while it grows
};

Content content_of(const Object& object) {
  const auto* growing = std::get_if<std::shared_ptr<Growing>>(&object.body);
  if (growing == nullptr) return {nullptr, object.size()};
  if ((*growing)->state() != Growing::State::sealed) return {*growing, std::nullopt};
  return {*growing, (*growing)->watermark()};
}

Part part_of(const Object& object, ByteRange range) {
  if (const auto* buffer = std::get_if<Buffer>(&object.body))
    return buffer->slice(static_cast<std::size_t>(range.offset), static_cast<std::size_t>(range.length));
  if (const auto* slice = std::get_if<FileSlice>(&object.body))
    return FilePart{object, slice->file->get(), slice->offset + range.offset, range.length, slice->offset};
  const auto& growing = std::get<std::shared_ptr<Growing>>(object.body);
  return FilePart{object, growing->fd(), range.offset, range.length, std::nullopt};
}

std::string_view content_type_of(const Object& object, std::string& own) {
  if (const auto* growing = std::get_if<std::shared_ptr<Growing>>(&object.body)) own = (*growing)->content_type();
  return own.empty() ? object.content_type : std::string_view(own);
}

Answer described(unsigned status, const Delivery& delivery) {
  const Object& object = delivery.object;
  Answer answer(status);
  answer.reserve(common_fields);
  answer.field("ETag", object.etag());
  answer.field("Cache-Control", "no-cache");
  answer.field("Cache-Status", delivery.cache_status);
  answer.field("Server-Timing", delivery.server_timing);
  if (object.created != WallTime{}) {
    const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - object.created).count();
    answer.field("Age", fmt::format_int(std::max<std::int64_t>(age, 0)).c_str());
  }
  return answer;
}

// Only for answers that carry bytes: a stored page must not act for whoever looks at it.
Answer carrying(unsigned status, const Delivery& delivery) {
  const Object& object = delivery.object;
  auto answer = described(status, delivery);
  answer.field("Accept-Ranges", "bytes");
  answer.field("X-Content-Type-Options", "nosniff");
  answer.field("Content-Security-Policy", "sandbox");
  if (!object.type.empty()) answer.field("X-Hotwell-Type", object.type);
  for (const auto& [name, value] : object.metadata)
    if (is_token(name)) answer.field("X-Hotwell-Meta-" + name, value);
  return answer;
}

std::string make_boundary() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("hotwell-{:016x}{:016x}", random(), random());
}

Answer multipart(const Delivery& delivery, std::string_view content_type, const std::vector<ByteRange>& ranges,
                 std::uint64_t size) {
  const auto boundary = make_boundary();
  auto answer = carrying(206, delivery);
  answer.field("Content-Type", "multipart/byteranges; boundary=" + boundary);
  std::string_view before = "";
  for (const auto range : ranges) {
    // The type goes through field(), which lets nothing end the line early.
    Answer part(206);
    part.field("Content-Type", content_type).field("Content-Range", content_range(range, size));
    answer.parts.emplace_back(fmt::format("{}--{}\r\n{}\r\n", before, boundary, part.fields()));
    answer.parts.emplace_back(part_of(delivery.object, range));
    before = "\r\n";
  }
  answer.parts.emplace_back(fmt::format("\r\n--{}--\r\n", boundary));
  return answer;
}

Answer whole(const Delivery& delivery, std::string_view content_type, const Content& content) {
  auto answer = carrying(200, delivery);
  answer.field("Content-Type", content_type);
  if (!content.size) {
    answer.follow = follow_growing(content.growing);
  } else if (*content.size > 0) {
    answer.parts.emplace_back(part_of(delivery.object, {0, *content.size}));
  }
  return answer;
}

Answer single(const Delivery& delivery, std::string_view content_type, ByteRange range,
              std::optional<std::uint64_t> size) {
  auto answer = carrying(206, delivery);
  answer.field("Content-Type", content_type).field("Content-Range", content_range(range, size));
  answer.parts.emplace_back(part_of(delivery.object, range));
  return answer;
}

// The ranges that the request asks for, where they are to be honoured.
std::vector<RangeSpec> wanted_ranges(const Exchange& exchange, std::string_view etag) {
  const auto& request = exchange.request();
  if (request.method() != http::verb::get || request.count(http::field::range) != 1) return {};
  if (!range_applies(conditions_of(request), etag)) return {};
  return parse_range(request.field(http::field::range)).value_or(std::vector<RangeSpec>{});
}

bool follows_from_start(const std::vector<RangeSpec>& specs) {
  return specs.empty() || (specs.size() == 1 && specs[0].first == 0U && !specs[0].last);
}

// How many bytes of a growing object have to be final before its answer can begin.
std::uint64_t needed(const Exchange& exchange, const std::vector<RangeSpec>& specs) {
  if (exchange.is_head() || exchange.request().version() < 11) return everything;
  if (follows_from_start(specs)) return 0;
  const bool closed = specs.size() == 1 && specs[0].first && specs[0].last && *specs[0].last < everything;
  return closed ? *specs[0].last + 1 : everything;
}

void deliver_now(Exchange& exchange, const Delivery& delivery, const std::vector<RangeSpec>& specs) {
  const auto content = content_of(delivery.object);
  std::string own_type;
  const auto type = content_type_of(delivery.object, own_type);
  if (content.growing && content.growing->state() == Growing::State::abandoned) {
    const auto error = content.growing->error();
    auto answer = Answer::problem(error);
    answer.job_end = error.code;
    return exchange.answer(std::move(answer));
  }
  if (!content.size) {
    if (follows_from_start(specs)) return exchange.answer(whole(delivery, type, content));
    const auto first = *specs[0].first;
    return exchange.answer(single(delivery, type, {first, *specs[0].last - first + 1}, std::nullopt));
  }
  const auto ranges = specs.empty() ? RangeAnswer{} : resolve_range(specs, *content.size);
  switch (ranges.kind) {
    case RangeAnswer::Kind::whole: return exchange.answer(whole(delivery, type, content));
    case RangeAnswer::Kind::parts:
      return exchange.answer(ranges.ranges.size() == 1 ? single(delivery, type, ranges.ranges[0], content.size)
                                                       : multipart(delivery, type, ranges.ranges, *content.size));
    case RangeAnswer::Kind::unsatisfiable: {
      auto answer = Answer::problem(
          416, {Code::invalid_argument, fmt::format("the object has {} bytes: nothing lies in \"{}\"", *content.size,
                                                    exchange.request().field(http::field::range))});
      answer.field("Content-Range", fmt::format("bytes */{}", *content.size));
      return exchange.answer(std::move(answer));
    }
  }
}

void deliver_when(Exchange& exchange, std::shared_ptr<Delivery> delivery, std::vector<RangeSpec> specs,
                  std::uint64_t bytes) {
  const auto content = content_of(delivery->object);
  if (content.size || !content.growing || content.growing->state() == Growing::State::abandoned ||
      content.growing->watermark() >= bytes) {
    if (bytes != 0 && content.growing && content.growing->state() != Growing::State::abandoned) {
      const auto reader = content.growing->reader(bytes == everything ? 0 : specs[0].first.value_or(0));
      if (!reader)
        return exchange.fail({Code::too_large, "the result is more than is kept, and its beginning is gone already"});
      delivery->object.body = reader;
    }
    return deliver_now(exchange, *delivery, specs);
  }
  const auto growing = content.growing;
  growing->on_change(growing->watermark(),
                     exchange.bring_home<>([&exchange, delivery, specs = std::move(specs), bytes] {
                       deliver_when(exchange, delivery, specs, bytes);
                     }));
}

}  // namespace

Conditions conditions_of(const Request& request) {
  return {request.field(http::field::if_match), request.field(http::field::if_none_match),
          request.field(http::field::if_range)};
}

std::string timing(std::string_view name, Duration duration) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return fmt::format("{};dur={}.{:03}", name, microseconds / 1000, microseconds % 1000);
}

std::string_view hit_status(Level level) {
  switch (level) {
    case Level::memory: return "hotwell; hit; detail=memory";
    case Level::disk: return "hotwell; hit; detail=disk";
    case Level::stream: return "hotwell; hit; detail=stream";
    case Level::remote: return "hotwell; hit; detail=remote";
  }
  return "hotwell; hit";
}

std::string_view cache_status_of(const Fetched& fetched) {
  switch (fetched.from) {
    case Fetched::From::hit: return hit_status(fetched.object.level);
    case Fetched::From::miss: return fetched.stored ? "hotwell; fwd=miss; stored" : "hotwell; fwd=miss";
    case Fetched::From::collapsed: return "hotwell; fwd=miss; collapsed";
  }
  return {};
}

void deliver(Exchange& exchange, Delivery delivery) {
  const auto etag = delivery.object.etag();
  switch (judge(conditions_of(exchange.request()), etag, Access::reading)) {
    case Verdict::proceed: break;
    case Verdict::not_modified: return exchange.answer(described(304, delivery));
    case Verdict::precondition_failed:
      return exchange.answer(Answer::problem(
          412,
          {Code::invalid_argument, fmt::format("the object's entity tag is {}, which If-Match does not list", etag)}));
  }
  auto specs = wanted_ranges(exchange, etag);
  if (delivery.object.size()) return deliver_now(exchange, delivery, specs);
  const auto bytes = needed(exchange, specs);
  // Who waits before it reads must not hold up what is waited for.
  if (bytes != 0) std::get<std::shared_ptr<Growing>>(delivery.object.body)->passed(everything);
  deliver_when(exchange, std::make_shared<Delivery>(std::move(delivery)), std::move(specs), bytes);
}

void deliver(Exchange& exchange, Result<Fetched> fetched) {
  if (!fetched) {
    auto answer = Answer::problem(fetched.error());
    // A refusal is no job's end: nothing was started.
    if (info(fetched.error().code).retry != Retry::by_caller) answer.job_end = fetched.error().code;
    return exchange.answer(std::move(answer));
  }
  const auto timings = fetched->from == Fetched::From::hit
                           ? timing("read", exchange.elapsed())
                           : timing("queue", fetched->queued) + ", " + timing("run", fetched->ran);
  const auto status = cache_status_of(*fetched);
  deliver(exchange, {std::move(fetched->object), status, timings});
}

}  // namespace hotwell::server
