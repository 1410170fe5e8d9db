/// The stream tier: a data file and a manifest per object, of any size.
///
/// Invariants:
/// - An object exists if and only if its manifest does. The data file is whole before the manifest gets its name; a
///   deletion removes the manifest first. So whenever the process stops, a manifest tells the truth about a whole file,
///   and what has no manifest is a left-over.
/// - An overwrite is a new generation in a new data file; renaming its manifest over the old one is the one step.
/// - Names are digests of keys; the manifest has the whole key, and a look-up compares it.
/// - What the files of objects, drafts and unlinked but still open files take is never more than the limit.
#pragma once

#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "cache/draft.hpp"
#include "cache/expiries.hpp"
#include "cache/recovery.hpp"
#include "cache/stream/stream_object.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

class StreamDraft;

struct StreamOptions {
  std::filesystem::path directory;
  Bytes limit;
  /// True where a level above has the object: it is evicted later than its last use here suggests. Called under locks:
  /// must not call back.
  std::function<bool(std::string_view key)> used_above;
};

/// Two locks: `commit_` serialises whatever changes the directory, so that files and index agree; `index_` guards what
/// look-ups read, and is never held across file I/O. Order: commit_, then index_.
class StreamTier final : public Tier {
 public:
  /// Reads every manifest below the directory and removes left-overs. Errors: denied, io.
  [[nodiscard]] static Result<std::unique_ptr<StreamTier>> open(host::Disk& disk, StreamOptions options, WallTime now);
  ~StreamTier() override;

  [[nodiscard]] Level level() const noexcept override { return Level::stream; }
  [[nodiscard]] Result<std::optional<Found>> find(std::string_view key, WallTime now, FindOptions options,
                                                  Removals& removed) override;
  Result<Object> put(Details details, const Buffer& bytes, Removals& removed) override;
  Result<bool> erase(std::string_view key, WallTime now, Removals& removed) override;
  Result<void> clear(Removals& removed) override;
  [[nodiscard]] std::optional<std::uint64_t> generation(std::string_view key, WallTime now) const override;
  Result<bool> touch(std::string_view key, WallTime now, WallTime expires) override;
  void for_each(WallTime now, const std::function<bool(const Object&)>& visit) const override;
  void sweep(WallTime now, Removals& removed) override;
  void set_limit(Bytes limit, Removals& removed) override;
  [[nodiscard]] CacheStats::Tier stats() const override;

  /// find() as far as it needs no disk: of objects that are handed out by descriptor and open already. A miss is none,
  /// and is not counted.
  [[nodiscard]] std::optional<Found> try_find(std::string_view key, WallTime now);
  /// A file for an attempt at `key`, or for a private object where `key` is empty. Errors: disk_full, io.
  [[nodiscard]] Result<std::unique_ptr<StreamDraft>> draft(std::string_view key, std::uint64_t generation,
                                                           Removals& removed);
  /// Makes a finished draft its key's object, or a private one. Errors: as put(); then the draft is still a draft.
  Result<Object> commit(StreamDraft& draft, Details details, Removals& removed);
  /// Starts an entry's hits anew: it was promoted.
  void forget_hits(std::string_view key);
  /// Drops an object whose file turned out to be damaged.
  void drop_damaged(std::string_view key, std::uint64_t generation, Removals& removed);
  [[nodiscard]] Bytes limit() const { return {all_->limit()}; }
  /// Everything acknowledged so far outlives the machine's death. Errors: io.
  Result<void> sync();
  [[nodiscard]] const Recovery& recovery() const { return recovery_; }

 private:
  friend class StreamDraft;
  struct Entry {
    std::shared_ptr<const StreamObject> object;
    WallTime deadline;
    unsigned hits = 0;
    WallTime last_hit{};
    std::list<Entry*>::iterator use;
    std::string name;
  };
  struct Recovered {
    std::string name;
    std::shared_ptr<const StreamObject> object;
    WallTime used{};
  };

  StreamTier(host::Disk& disk, StreamOptions options);
  Result<void> recover(WallTime now);
  void recover_folder(const std::filesystem::path& folder, std::vector<Recovered>& recovered);
  [[nodiscard]] Result<Recovered> recover_object(const std::filesystem::path& folder, const std::string& manifest_name);

  [[nodiscard]] std::filesystem::path folder_of(std::string_view name) const;
  [[nodiscard]] std::filesystem::path manifest_path(std::string_view name) const;
  [[nodiscard]] std::filesystem::path temporary_path(std::string_view name, std::uint64_t generation) const;
  [[nodiscard]] std::filesystem::path data_path(std::string_view name, std::uint64_t generation) const;

  /// Grows what a draft or object takes to `bytes`, evicting for it. Errors: too_large, overloaded.
  Result<void> reserve(Charge& space, std::uint64_t bytes, Removals& removed);
  /// The file system is full: evicts at least `bytes`, as far as there is something. False where nothing was evicted.
  bool free_on_disk(std::uint64_t bytes, Removals& removed);
  Result<void> write_manifest(const std::filesystem::path& path, const Manifest& manifest);

  // Under commit_.
  bool evict_one(Removals& removed);
  Result<void> take_out(Entry& entry, Cause cause, Removals& removed);
  // Under index_.
  [[nodiscard]] const Entry* find_live(std::string_view name, std::string_view key, WallTime now) const;
  unsigned note_use(Entry& entry, WallTime now);
  void link(Entry entry);
  void unlink(Entry& entry);
  [[nodiscard]] Entry* choose_victim();

  host::Disk& disk_;
  const StreamOptions options_;
  const std::shared_ptr<Budget> all_;
  Recovery recovery_;
  LookupCounters counters_;
  std::mutex commit_;
  std::unordered_set<std::string> unsynced_;  ///< names whose files changed since the last sync(); commit_ guards it
  mutable std::mutex index_;
  std::unordered_map<std::string, Entry> table_;  ///< by name
  std::list<Entry*> uses_;                        ///< last used first
  Expiries<Entry> expiries_;
};

/// A data file under its final name (or none), without a manifest: a left-over unless it is committed.
class StreamDraft final : public Draft {
 public:
  StreamDraft(StreamTier& tier, std::string name, std::filesystem::path path, FileHandle file,
              std::shared_ptr<Charge> space);
  ~StreamDraft() override;

  [[nodiscard]] const std::shared_ptr<const FileHandle>& file() const override { return file_; }
  Result<void> write(std::uint64_t offset, ByteView bytes, Removals& removed) override;
  Result<void> advance(std::uint64_t n, Removals& removed) override;
  Result<void> reserve(std::uint64_t n, Removals& removed) override;
  Result<void> let_go(std::uint64_t n) override;
  Result<void> finish(std::uint64_t size, Removals& removed) override;
  /// Precondition: finished.
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  friend class StreamTier;
  Result<void> checksum_next(std::uint64_t length);

  StreamTier& tier_;
  const std::string name_;
  std::filesystem::path path_;  ///< empty once committed
  const std::shared_ptr<Charge> space_;
  const std::shared_ptr<const FileHandle> file_;
  std::vector<std::uint64_t> checksums_;
  std::unique_ptr<std::byte[]> chunk_;
  std::uint64_t checked_ = 0;  ///< bytes covered by checksums_
  std::uint64_t gone_ = 0;     ///< bytes that were let go
  std::uint64_t size_ = 0;
};

}  // namespace hotwell::cache
