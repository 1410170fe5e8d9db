/// Which entries expire when, soonest first. Guarded by its owner's lock.
#pragma once

#include <set>
#include <utility>

#include <hotwell/units.hpp>

namespace hotwell::cache {

/// `Entry` is anything whose address stays while it is in here.
template <class Entry>
class Expiries {
 public:
  void add(WallTime when, Entry& entry) { order_.emplace(when, &entry); }
  void remove(WallTime when, Entry& entry) { order_.erase({when, &entry}); }
  /// The entry that has expired the longest; null where none has.
  [[nodiscard]] Entry* expired(WallTime now) const {
    return order_.empty() || order_.begin()->first > now ? nullptr : order_.begin()->second;
  }
  void clear() { order_.clear(); }

 private:
  std::set<std::pair<WallTime, Entry*>> order_;
};

}  // namespace hotwell::cache
