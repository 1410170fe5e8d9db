#include "cache/attempt.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "cache/stream/manifest.hpp"

namespace hotwell::cache {

Attempt::Attempt(std::unique_ptr<Draft> draft, Details details, Level level, Commit commit, Tell tell)
    : draft_(std::move(draft)),
      level_(level),
      commit_(std::move(commit)),
      tell_(std::move(tell)),
      growth_(std::make_shared<Growth>(details.generation, draft_->file(), details.content_type)),
      details_(std::move(details)) {}

Attempt::~Attempt() {
  if (draft_) abandon({Code::cancelled, "the attempt was given up before its end"});
}

Result<void> Attempt::run(const std::function<Result<void>(Removals&)>& step) {
  HOTWELL_ASSERT(growth_->state() != Growing::State::sealed && "a sealed object never changes");
  if (!draft_) return std::unexpected(growth_->error());
  Removals removed;
  auto done = step(removed);
  if (!removed.empty()) tell_(std::move(removed));
  if (!done) abandon(done.error());
  return done;
}

Result<void> Attempt::write(ByteView bytes) {
  return run([&](Removals& removed) -> Result<void> {
    if (auto room = make_room(written_ + bytes.size(), removed); !room) return room;
    if (auto written = draft_->write(written_, bytes, removed); !written) return written;
    written_ += bytes.size();
    if (written_ <= growth_->watermark()) return {};
    if (auto counted = draft_->advance(written_, removed); !counted) return counted;
    growth_->advance(written_);
    return {};
  });
}

Result<void> Attempt::advance(std::uint64_t n) {
  return run([&](Removals& removed) -> Result<void> {
    if (auto room = make_room(n, removed); !room) return room;
    if (auto counted = draft_->advance(n, removed); !counted) return counted;
    growth_->advance(n);
    return {};
  });
}

Result<void> Attempt::make_room(std::uint64_t n, Removals& removed) {
  auto room = draft_->reserve(n, removed);
  if (room || (room.error().code != Code::too_large && room.error().code != Code::overloaded)) return room;
  const auto begin = growth_->begin();
  const auto shed = growth_->shed(chunk_size);
  if (shed == begin) return room;
  if (auto gone = draft_->let_go(shed); !gone) return gone;
  return draft_->reserve(n, removed);
}

bool Attempt::has_room(std::function<void()> wake) {
  if (!draft_) return true;
  Removals removed;
  const auto room = make_room(growth_->watermark() + most_moved, removed);
  if (!removed.empty()) tell_(std::move(removed));
  return room || !growth_->on_passed(chunk_size, std::move(wake));
}

void Attempt::set_content_type(std::string content_type) {
  growth_->set_content_type(content_type);
  const std::lock_guard lock(mutex_);
  details_.content_type = std::move(content_type);
}

Result<void> Attempt::seal(std::uint64_t size) {
  return run([&](Removals& removed) -> Result<void> {
    if (size < growth_->watermark())
      return fail(Code::io, "a result was sealed shorter than what had been announced as final");
    if (auto room = make_room(size, removed); !room) return room;
    if (auto finished = draft_->finish(size, removed); !finished) return finished;
    if (const auto gone = growth_->begin(); gone != 0) {
      draft_.reset();
      growth_->seal(size);  // to its end for those who followed it
      return fail(Code::too_large, fmt::format("{} were handed to those who followed them, but are more than is kept",
                                               to_string(Bytes{size})));
    }
    Details details;
    {
      const std::lock_guard lock(mutex_);
      details = details_;
    }
    auto object = commit_(*draft_, std::move(details));
    if (!object) return std::unexpected(object.error());
    {
      const std::lock_guard lock(mutex_);
      sealed_ = std::move(*object);
    }
    draft_.reset();
    growth_->seal(size);
    return {};
  });
}

void Attempt::abandon(Error error) {
  if (!draft_) return;
  draft_.reset();
  growth_->abandon(std::move(error));
}

Object Attempt::object() const {
  const std::lock_guard lock(mutex_);
  if (sealed_) return *sealed_;
  return Description::object(describe(details_), level_, growth_);
}

}  // namespace hotwell::cache
