/// hotwell jobs: what a daemon was asked for, and what became of it; and the journal of a data directory as text.
#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/table.hpp"
#include "engine/journal_export.hpp"

namespace hotwell::cli {
namespace {

namespace json = boost::json;

struct JobsOptions {
  DaemonOptions daemon;
  std::string state;
  std::string operation;
  unsigned limit = 20;
  std::string cursor;
  bool json = false;
  std::string id;
};

std::string brief_outcome(const json::value& job) {
  if (const auto message = text_at(job, "/error/message"); !message.empty())
    return message.size() > 60 ? message.substr(0, 57) + "..." : message;
  if (!job.as_object().if_contains("result")) return {};
  const auto cached = text_at(job, "/result/cached");
  return to_string(Bytes{static_cast<std::uint64_t>(number_at(job, "/result/size"))}) +
         (cached.empty() ? "" : " from " + cached);
}

// The rest of the list is another question.
std::string next_hint(const json::value& page) {
  const auto next = text_at(page, "/next");
  return next.empty() ? std::string{} : fmt::format("older ones: hotwell jobs --cursor {}\n", next);
}

std::string list_text(const json::value& page) {
  const auto* jobs = page.as_object().if_contains("jobs");
  if (!jobs || !jobs->is_array() || jobs->as_array().empty()) return "no jobs\n";
  // Only where somebody uses them.
  const bool tenants =
      std::ranges::any_of(jobs->as_array(), [](const auto& job) { return !text_at(job, "/tenant").empty(); });
  std::vector<Table::Column> columns{
      {"id"},      {"operation"}, {"state"}, {"done", Table::Align::right}, {"tries", Table::Align::right},
      {"created"}, {"result"}};
  if (tenants) columns.insert(columns.begin() + 2, Table::Column{"tenant"});
  Table table(columns);
  for (const auto& job : jobs->as_array()) {
    if (!job.is_object()) continue;
    const auto created = text_at(job, "/created_at");
    std::vector<std::string> row{text_at(job, "/id"),
                                 text_at(job, "/operation"),
                                 text_at(job, "/state"),
                                 fmt::format("{:.0f} %", number_at(job, "/progress") * 100),
                                 fmt::format("{:.0f}", number_at(job, "/attempts")),
                                 created.substr(0, created.find('.')),
                                 brief_outcome(job)};
    if (tenants) row.insert(row.begin() + 2, text_at(job, "/tenant"));
    table.add(std::move(row));
  }
  return table.text() + next_hint(page);
}

Outcome<void> list_jobs(const JobsOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  std::string target = fmt::format("/v1/jobs?limit={}", options.limit);
  if (!options.state.empty()) target += "&state=" + encode_segment(options.state);
  if (!options.operation.empty()) target += "&operation=" + encode_segment(options.operation);
  if (!options.cursor.empty()) target += "&cursor=" + encode_segment(options.cursor);
  const auto page = get_json(*daemon, target);
  if (!page) return std::unexpected(page.error());
  if (!page->is_object()) return end(status::failed, "the server's answer is not a list of jobs");
  std::fputs((options.json ? pretty(*page) : list_text(*page)).c_str(), stdout);
  return {};
}

// GET, DELETE or POST of one job; prints the job as it stands afterwards.
Outcome<void> ask_job(const JobsOptions& options, const std::string& method, const std::string& action) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = daemon->send({.method = method, .target = "/v1/jobs/" + encode_segment(options.id) + action});
  if (!answer) return std::unexpected(answer.error());
  boost::system::error_code error;
  const auto job = json::parse(answer->text, error);
  if (error || !job.is_object()) return end(status::failed, "the server's answer is not a job");
  std::fputs(pretty(job).c_str(), stdout);
  return {};
}

// From the file itself: a daemon goes on writing beside it.
Outcome<void> export_jobs(const JobsOptions& options) {
  const auto directory = data_dir_of(options.daemon.data) / "journal";
  const auto exported = engine::export_journal(directory, [](const std::string& line) {
    std::fputs(line.c_str(), stdout);
    std::fputc('\n', stdout);
  });
  if (!exported) return end(exported.error());
  if (std::fflush(stdout) != 0) return end(status::failed, "standard output cannot be written");
  return {};
}

}  // namespace

void add_jobs(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<JobsOptions>();
  CLI::App* list = root.add_subcommand("jobs", "List a daemon's jobs, newest first; show, cancel or retry one.");
  list->require_subcommand(0, 1);
  list->add_option("--state", options->state, "queued, running, retrying, completed, failed, cancelled or dead")
      ->type_name("STATE");
  list->add_option("--operation", options->operation, "only of this operation")->type_name("NAME");
  list->add_option("--limit", options->limit, "at most this many (20)")
      ->type_name("N")
      ->check(CLI::Range(1U, 1000U).description(""));
  list->add_option("--cursor", options->cursor, "go on where the list before ended")->type_name("ID");
  list->add_flag("--json", options->json, "as the server says it");
  add_daemon_options(*list, options->daemon);
  commands.on(list, [options] { return list_jobs(*options); });

  const auto add = [&](const char* name, const char* description, const char* method, const char* action) {
    CLI::App* command = list->add_subcommand(name, description);
    command->add_option("ID", options->id, "the job's id")->required()->type_name("");
    add_daemon_options(*command, options->daemon);
    commands.on(command, [=] { return ask_job(*options, method, action); });
  };
  add("show", "Show one job.", "GET", "");
  add("cancel", "Cancel a job that waits or runs.", "DELETE", "");
  add("retry", "Run a job that failed, died or was cancelled once more.", "POST", "/retry");

  CLI::App* dump = list->add_subcommand("export", "Write the journal of a data directory, one job a line, as JSON.");
  dump->add_option("--data", options->daemon.data, "the data directory, whether a daemon holds it or not")
      ->type_name("DIR");
  commands.on(dump, [options] { return export_jobs(*options); });
}

}  // namespace hotwell::cli
