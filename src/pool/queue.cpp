#include "pool/queue.hpp"

#include <algorithm>
#include <tuple>

#include "base/assert.hpp"

namespace hotwell::pool {
namespace {

/// More tenants than this that have no job are forgotten, however far ahead of the others they are.
constexpr std::size_t max_idle_tenants = 1024;

}  // namespace

Queue::Queue(std::size_t types, const Weights& weights) : types_(types) {
  for (auto& in : classes_) in.order.resize(types);
  set_weights(weights);
  credit_ = quantum_;
  enter({});
}

void Queue::set_weights(const Weights& weights) {
  for (std::size_t c = 0; c < priority_count; ++c) {
    HOTWELL_ASSERT(weights[c] > 0);
    quantum_[c] = round.count() * static_cast<std::int64_t>(weights[c]);
    credit_[c] = std::min(credit_[c], quantum_[c]);
  }
}

void Queue::set_strict(bool strict) {
  if (strict_ != strict) credit_ = quantum_;
  strict_ = strict;
}

void Queue::set_retry_share(double share) {
  HOTWELL_ASSERT(share > 0 && share < 1);
  retry_pace_ = (1 - share) / share;
}

// ---- tenants -----------------------------------------------------------------------------------------------------

TenantIndex Queue::enter(const std::string& tenant) {
  if (const auto known = indices_.find(tenant); known != indices_.end()) {
    if (tenants_[known->second].jobs++ == 0) idle_.erase(known->second);
    return known->second;
  }
  TenantIndex index = static_cast<TenantIndex>(tenants_.size());
  if (!idle_.empty() && (idle_.size() > max_idle_tenants || is_forgotten(*idle_.begin()))) {
    index = *idle_.begin();
    idle_.erase(idle_.begin());
    indices_.erase(tenants_[index].name);
    for (auto& in : classes_)
      for (LineIndex line = 2 * index; line < 2 * index + 2; ++line) in.lines[line].time = 0;
  } else {
    tenants_.emplace_back();
    for (auto& in : classes_) {
      in.lines.resize(2 * tenants_.size());
      for (LineIndex line = 2 * index; line < 2 * index + 2; ++line) in.lines[line].jobs.resize(types_);
    }
  }
  tenants_[index] = {tenant, 1};
  indices_.emplace(tenant, index);
  return index;
}

void Queue::leave(TenantIndex tenant) {
  if (--tenants_[tenant].jobs == 0) idle_.insert(tenant);
}

/// It is nowhere ahead of the present: were it new, it would stand where it does.
bool Queue::is_forgotten(TenantIndex tenant) const {
  for (const auto& in : classes_)
    for (LineIndex line = 2 * tenant; line < 2 * tenant + 2; ++line)
      if (in.lines[line].time > in.time) return false;
  return true;
}

// ---- jobs --------------------------------------------------------------------------------------------------------

void Queue::push(JobNumber job, const Place& place, Duration estimate) {
  Class& in = class_of(place);
  const LineIndex index = line_of(place);
  Line& line = in.lines[index];
  if (line.count == 0) line.time = std::max(line.time, in.time);
  auto& jobs = line.jobs[place.type];
  if (jobs.empty()) in.order[place.type].emplace(line.time, index);
  const bool fresh = jobs.emplace(Key{place.deadline, place.order}, Entry{job, estimate}).second;
  HOTWELL_ASSERT(fresh);
  ++line.count;
  ++in.count;
  ++count_;
}

Queue::Entry Queue::remove(const Place& place) {
  Class& in = class_of(place);
  const LineIndex index = line_of(place);
  Line& line = in.lines[index];
  auto& jobs = line.jobs[place.type];
  const auto at = jobs.find(Key{place.deadline, place.order});
  HOTWELL_ASSERT(at != jobs.end());
  const Entry entry = at->second;
  jobs.erase(at);
  if (jobs.empty()) in.order[place.type].erase({line.time, index});
  --line.count;
  --in.count;
  --count_;
  return entry;
}

void Queue::erase(const Place& place) { remove(place); }

void Queue::move(Class& in, LineIndex index, std::int64_t to) {
  Line& line = in.lines[index];
  if (line.time == to) return;
  for (TypeIndex type = 0; type < types_; ++type) {
    if (line.jobs[type].empty()) continue;
    in.order[type].erase({line.time, index});
    in.order[type].emplace(to, index);
  }
  line.time = to;
}

Duration Queue::take(const Place& place) {
  const Duration estimate = remove(place).estimate;
  const auto c = static_cast<std::size_t>(place.priority);
  if (!strict_) {
    grant(credit_, rounds_needed(credit_, c));
    credit_[c] -= estimate.count();
  }
  Class& in = class_of(place);
  const LineIndex index = line_of(place);
  in.time = std::max(in.time, in.lines[index].time);
  move(in, index, in.lines[index].time + pace(index, estimate));
  return estimate;
}

void Queue::settle(const Place& place, Duration charged, Duration used) {
  const auto c = static_cast<std::size_t>(place.priority);
  // Not cut to one round's: what comes back was taken too much of an earlier one.
  if (!strict_) credit_[c] += charged.count() - used.count();
  Class& in = class_of(place);
  const LineIndex index = line_of(place);
  move(in, index, in.lines[index].time + pace(index, used) - pace(index, charged));
}

void Queue::grant(Credit& credit, std::int64_t rounds) const {
  if (rounds <= 0) return;
  for (std::size_t c = 0; c < priority_count; ++c) credit[c] = std::min(credit[c] + rounds * quantum_[c], quantum_[c]);
}

// ---- walking -----------------------------------------------------------------------------------------------------

void Queue::Scan::exclude(TypeIndex type) {
  if (excluded_.empty()) excluded_.resize(queue_.types_);
  excluded_[type] = true;
}

Queue::Scan::Walked* Queue::Scan::find(std::size_t in, LineIndex line) {
  const auto at = std::ranges::find_if(walked_, [&](const Walked& w) { return w.in == in && w.line == line; });
  return at == walked_.end() ? nullptr : &*at;
}

/// The job that is first in a class: of the line furthest behind, and there of the type whose first job is.
std::optional<Queue::Scan::Head> Queue::Scan::head(std::size_t in) {
  const Class& from = queue_.classes_[in];
  std::optional<Head> best;
  const auto consider = [&](const Head& one) {
    if (!best || std::tie(one.time, one.key) < std::tie(best->time, best->key)) best = one;
  };
  for (TypeIndex type = 0; type < queue_.types_; ++type) {
    if (is_excluded(type)) continue;
    for (const auto& [time, line] : from.order[type]) {
      if (!walked_.empty() && find(in, line) != nullptr) continue;
      consider({line, type, time, from.lines[line].jobs[type].begin()->first});
      break;
    }
    for (const auto& walked : walked_)
      if (walked.in == in && walked.next[type] != from.lines[walked.line].jobs[type].end())
        consider({walked.line, type, walked.time, walked.next[type]->first});
  }
  return best;
}

JobNumber Queue::Scan::step(std::size_t in, const Head& head) {
  Walked* walked = find(in, head.line);
  if (walked == nullptr) {
    const Line& line = queue_.classes_[in].lines[head.line];
    walked = &walked_.emplace_back(Walked{.in = in, .line = head.line, .time = line.time});
    for (const auto& jobs : line.jobs) walked->next.push_back(jobs.begin());
  }
  const Entry& entry = (walked->next[head.type]++)->second;
  walked->time += queue_.pace(head.line, entry.estimate);
  credit_[in] -= entry.estimate.count();
  return entry.job;
}

std::optional<JobNumber> Queue::Scan::next() {
  std::array<std::optional<Head>, priority_count> heads;
  std::optional<std::int64_t> rounds;
  for (std::size_t c = 0; c < priority_count; ++c) {
    if (queue_.classes_[c].count == 0) continue;
    heads[c] = head(c);
    if (!heads[c]) continue;
    // The first that may run: nobody after it can be before it.
    if (queue_.strict_ || credit_[c] > 0) return step(c, *heads[c]);
    const auto needed = queue_.rounds_needed(credit_, c);
    if (!rounds || needed < *rounds) rounds = needed;
  }
  if (!rounds) return std::nullopt;
  queue_.grant(credit_, *rounds);
  for (std::size_t c = 0; c < priority_count; ++c)
    if (heads[c] && credit_[c] > 0) return step(c, *heads[c]);
  return std::nullopt;
}

}  // namespace hotwell::pool
