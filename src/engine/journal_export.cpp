#include "engine/journal_export.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "pool/job_id.hpp"
#include "pool/journal_store.hpp"

namespace hotwell::engine {
namespace {

namespace json = boost::json;

constexpr std::size_t at_once = 500;

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::value error_or_null(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return {{"code", to_string(error->code)}, {"message", error->message}};
}

// The owner's texts are JSON of ours; where one is not, it is shown as it is.
json::value parsed(const std::string& text) {
  boost::system::error_code error;
  auto value = json::parse(text, error);
  return error ? json::value(text) : value;
}

std::string line_of(const pool::JournalRecord& record, const std::vector<pool::JournalAttempt>& attempts) {
  json::object object{{"id", pool::to_job_id(record.number)},
                      {"operation", record.operation},
                      {"priority", to_string(record.priority)},
                      {"durability", to_string(record.durability)},
                      {"state", to_string(record.state)},
                      {"idempotency_key", record.idempotency_key},
                      {"request", parsed(record.request)},
                      {"queued_behind", parsed(record.queue)},
                      {"created_at", to_rfc3339(record.created)},
                      {"started_at", time_or_null(record.started)},
                      {"finished_at", time_or_null(record.finished)},
                      {"attempts", record.attempts},
                      {"error", error_or_null(record.error)},
                      {"stderr", record.stderr_tail},
                      {"result", record.result.empty() ? json::value(nullptr) : parsed(record.result)}};
  json::array& runs = object["runs"].emplace_array();
  for (const auto& attempt : attempts)
    runs.push_back({{"worker", attempt.worker},
                    {"why", attempt.why},
                    {"started_at", to_rfc3339(attempt.started)},
                    {"ended_at", time_or_null(attempt.ended)},
                    {"error", error_or_null(attempt.error)},
                    {"charged", attempt.charged}});
  return json::serialize(object);
}

}  // namespace

Result<void> export_journal(const std::filesystem::path& directory,
                            const std::function<void(const std::string&)>& line) {
  const auto file = directory / "jobs.sqlite";
  if (!std::filesystem::exists(file))
    return fail(Code::not_found, fmt::format("there is no journal {}", file.string()));
  auto store = pool::JournalStore::open(file, pool::JournalStore::Access::read);
  if (!store) return std::unexpected(store.error());
  const auto print = [&](const std::vector<pool::JournalRecord>& records) -> Result<void> {
    for (const auto& record : records) {
      const auto attempts = store->attempts(record.number);
      if (!attempts) return std::unexpected(attempts.error());
      line(line_of(record, *attempts));
    }
    return {};
  };
  auto unfinished = store->unfinished();
  if (!unfinished) return std::unexpected(unfinished.error());
  std::reverse(unfinished->begin(), unfinished->end());
  if (auto printed = print(*unfinished); !printed) return printed;
  for (pool::JournalFilter filter{.limit = at_once};;) {
    const auto records = store->ended(filter);
    if (!records) return std::unexpected(records.error());
    if (auto printed = print(*records); !printed) return printed;
    if (records->size() < at_once) return {};
    filter.before = records->back().number;
  }
}

}  // namespace hotwell::engine
