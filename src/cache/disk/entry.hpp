/// Reading entries out of a region: whatever comes back was compared with its key and its checksum.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "cache/disk/region.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

struct StoredEntry {
  enum class State : std::uint8_t {
    whole,
    other,  ///< of another key
    expired,
    damaged,  ///< or no entry at all
  };
  State state = State::other;
  Object object{};  ///< of `whole` alone: a Buffer, or a slice of the region where it is large
};

/// Where to look for an entry, and how much to read at once: what it takes at most, or 0.
struct Sought {
  std::uint32_t slot = 0;
  std::uint64_t expected = 0;
  Waits waits = Waits::yes;
};
/// Looks for `key` in a slot. With Check::later a slice comes unverified, and its description verifies it.
/// Errors: io, where the medium cannot be read; unavailable, where that was not to be waited for.
[[nodiscard]] Result<StoredEntry> read_entry(const std::shared_ptr<Region>& region, Sought sought, std::string_view key,
                                             WallTime now, Check check);
/// The head of the slot's entry where that has this key; a damaged one has none. Errors: io.
[[nodiscard]] Result<std::optional<EntryHead>> read_head_of(const Region& region, std::uint32_t slot,
                                                            std::string_view key);
[[nodiscard]] Result<std::optional<EntryHead>> read_head_of(const Region& region, std::uint32_t slot);

struct ReadDetails {
  EntryHead head;
  Details details;
};
/// What an entry is, without its value; none where it cannot be read. Not verified: for telling alone.
[[nodiscard]] std::optional<ReadDetails> read_details(const Region& region, std::uint32_t slot);

/// Texts and value of an entry, verified; none where they are damaged. Errors: io.
[[nodiscard]] Result<std::optional<std::string>> read_content(const Region& region, std::uint32_t slot,
                                                              const EntryHead& head);

}  // namespace hotwell::cache
