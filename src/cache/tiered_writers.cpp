/// The writing half of the tiered cache: attempts, how they become objects, and computing what is absent.
#include <future>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "cache/attempt.hpp"
#include "cache/keys.hpp"
#include "cache/reader.hpp"
#include "cache/tiered_cache.hpp"

namespace hotwell {

using namespace cache;

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin(std::string_view key, SetOptions options) {
  if (auto good = check_user_key(key); !good) return std::unexpected(good.error());
  return begin_at(key, std::move(options));
}

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin_result(std::string_view key, SetOptions options) {
  HOTWELL_ASSERT(key.starts_with(result_key_prefix));
  if (auto good = check_key(key); !good) return std::unexpected(good.error());
  return begin_at(key, std::move(options));
}

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin_private(SetOptions options) {
  return begin_at({}, std::move(options));
}

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin_at(std::string_view key, SetOptions options) {
  auto details = describe(key, std::move(options));
  const auto telling = [this](Removals&& removed) { tell(removed); };
  if (!stream_) {
    auto draft = MemoryDraft::make(*memory_);
    if (!draft) return std::unexpected(draft.error());
    return std::make_unique<Attempt>(
        std::move(*draft), std::move(details), Level::memory,
        [this](Draft& finished, Details last) {
          return commit_memory(static_cast<MemoryDraft&>(finished), std::move(last));
        },
        telling);
  }
  Removals removed;
  auto draft = stream_->draft(key, details.generation, removed);
  tell(removed);
  if (!draft) return std::unexpected(draft.error());
  return std::make_unique<Attempt>(
      std::move(*draft), std::move(details), Level::stream,
      [this](Draft& finished, Details last) {
        return commit_file(static_cast<StreamDraft&>(finished), std::move(last));
      },
      telling);
}

Result<Object> Cache::Impl::commit_file(StreamDraft& draft, Details details) {
  Removals removed;
  const auto store = [&]() -> Result<Object> {
    if (details.key.empty()) return stream_->commit(draft, std::move(details), removed);
    const bool small = fits_disk(details, draft.size());
    std::optional<Buffer> copy;
    if (small || fits_memory(draft.size())) {
      auto bytes = read_all(FileSlice{draft.file(), 0, draft.size()});
      if (!bytes) return std::unexpected(bytes.error());
      copy = std::move(*bytes);
    }
    const std::lock_guard lock(stripe(details.key));
    if (small) return put_small(std::move(details), *copy, removed);
    auto object = stream_->commit(draft, details, removed);
    if (!object) return object;
    if (auto gone = remove_older(*disk_tier_, details, removed); !gone) return std::unexpected(gone.error());
    if (auto kept = keep_in_memory(details, copy, removed)) return *kept;
    return object;
  };
  auto object = store();
  tell(removed);
  if (object) tell_set(*object);
  return object;
}

Result<Object> Cache::Impl::commit_memory(MemoryDraft& draft, Details details) {
  auto bytes = draft.take();
  if (!bytes) return std::unexpected(bytes.error());
  Removals removed;
  const auto store = [&]() -> Result<Object> {
    if (details.key.empty()) return memory_->hold(std::move(details), *bytes, removed);
    const std::lock_guard lock(stripe(details.key));
    return memory_->put(std::move(details), *bytes, removed);
  };
  auto object = store();
  tell(removed);
  if (object) tell_set(*object);
  return object;
}

std::optional<Object> Cache::Impl::keep_in_memory(const Details& details, const std::optional<Buffer>& bytes,
                                                  Removals& removed) {
  if (bytes)
    if (auto kept = memory_->put(details, *bytes, removed)) return *kept;
  // No room, or too large: whatever memory has of the key is of an older generation.
  (void)memory_->erase(details.key, clock_.wall(), removed);
  return std::nullopt;
}

Result<Object> Cache::Impl::get_or_compute(std::string_view key, const std::function<Result<void>(Sink&)>& compute,
                                           SetOptions options) {
  if (auto good = check_user_key(key); !good) return std::unexpected(good.error());
  if (auto there = get(key); !there || *there) {
    if (!there) return std::unexpected(there.error());
    return std::move(**there);
  }
  const auto ended = std::make_shared<std::promise<Result<Object>>>();
  auto end = ended->get_future();
  const auto joined = flights_.join(
      key, {.on_growing = {}, .on_end = [ended](const Result<Object>& result) { ended->set_value(result); }});
  if (!joined.leader) return end.get();

  const auto run = [&]() -> Result<Object> {
    // The flight before this one may have ended since the first look.
    if (auto there = find(key, Check::whole, Asker::again); there && *there) return std::move(**there);
    auto writer = begin_at(key, std::move(options));
    if (!writer) return std::unexpected(writer.error());
    joined.flight->publish((*writer)->growing());
    if (auto computed = compute(**writer); !computed) {
      (*writer)->abandon(computed.error());
      return std::unexpected(computed.error());
    }
    const auto growing = (*writer)->growing();
    if (growing->state() == Growing::State::growing)
      if (auto sealed = (*writer)->seal(growing->watermark()); !sealed) return std::unexpected(sealed.error());
    if (growing->state() == Growing::State::abandoned) return std::unexpected(growing->error());
    return (*writer)->object();
  };
  try {
    joined.flight->complete(run());
  } catch (const std::exception& thrown) {
    joined.flight->complete(fail(Code::failed, fmt::format("the computation threw: {}", thrown.what())));
  } catch (...) {
    joined.flight->complete(fail(Code::failed, "the computation threw something that is no std::exception"));
  }
  return end.get();
}

}  // namespace hotwell
