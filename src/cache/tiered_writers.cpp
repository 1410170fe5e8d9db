/// The writing half of the tiered cache: attempts, and how they become objects.
#include "base/assert.hpp"
#include "cache/attempt.hpp"
#include "cache/keys.hpp"
#include "cache/reader.hpp"
#include "cache/tiered_cache.hpp"

namespace hotwell {

using namespace cache;

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin(std::string_view key, SetOptions options,
                                                        Precondition precondition) {
  if (auto good = check_user_key(key); !good) return std::unexpected(good.error());
  return begin_at(key, std::move(options), std::move(precondition));
}

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin_result(std::string_view key, SetOptions options) {
  HOTWELL_ASSERT(key.starts_with(result_key_prefix));
  if (auto good = check_key(key); !good) return std::unexpected(good.error());
  return begin_at(key, std::move(options));
}

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin_private(SetOptions options) {
  return begin_at({}, std::move(options));
}

Result<std::unique_ptr<CacheWriter>> Cache::Impl::begin_at(std::string_view key, SetOptions options,
                                                           Precondition precondition) {
  auto details = describe(key, std::move(options));
  const auto telling = [this](Removals&& removed) { tell(removed); };
  if (!stream_) {
    auto draft = MemoryDraft::make(*memory_);
    if (!draft) return std::unexpected(draft.error());
    return std::make_unique<Attempt>(
        std::move(*draft), std::move(details), Level::memory,
        [this, precondition = std::move(precondition)](Draft& finished, Details last) {
          return commit_memory(static_cast<MemoryDraft&>(finished), std::move(last), precondition);
        },
        telling);
  }
  Removals removed;
  auto draft = stream_->draft(key, details.generation, removed);
  tell(removed);
  if (!draft) return std::unexpected(draft.error());
  return std::make_unique<Attempt>(
      std::move(*draft), std::move(details), Level::stream,
      [this, precondition = std::move(precondition)](Draft& finished, Details last) {
        return commit_file(static_cast<StreamDraft&>(finished), std::move(last), precondition);
      },
      telling);
}

Result<Object> Cache::Impl::commit_file(StreamDraft& draft, Details details, const Precondition& precondition) {
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
    if (auto good = check(details.key, precondition); !good) return std::unexpected(good.error());
    if (small) return put_small(std::move(details), *copy, removed);
    auto object = stream_->commit(draft, details, removed);
    if (!object) return object;
    if (auto gone = remove_older(*disk_tier_, details, removed); !gone) return std::unexpected(gone.error());
    if (auto kept = keep_in_memory(details, copy, removed)) return *kept;
    return object;
  };
  const std::string key = details.key;
  auto object = store();
  tell(removed, key);
  if (object) tell_set(*object);
  return object;
}

Result<Object> Cache::Impl::commit_memory(MemoryDraft& draft, Details details, const Precondition& precondition) {
  auto bytes = draft.take();
  if (!bytes) return std::unexpected(bytes.error());
  Removals removed;
  const auto store = [&]() -> Result<Object> {
    if (details.key.empty()) return memory_->hold(std::move(details), *bytes, removed);
    const std::lock_guard lock(stripe(details.key));
    if (auto good = check(details.key, precondition); !good) return std::unexpected(good.error());
    return memory_->put(std::move(details), *bytes, removed);
  };
  const std::string key = details.key;
  auto object = store();
  tell(removed, key);
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

}  // namespace hotwell
