/// hotwell explain: why a job went as it did, or what became of a cache key.
#include <cstdio>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/json.hpp"

namespace hotwell::cli {
namespace {

namespace json = boost::json;

struct ExplainOptions {
  DaemonOptions daemon;
  std::string what;
  bool json = false;
};

Outcome<void> explain(const ExplainOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = get_json(*daemon, "/v1/explain/" + encode_segment(options.what));
  if (!answer) return std::unexpected(answer.error());
  const auto* story = answer->is_object() ? answer->as_object().if_contains("story") : nullptr;
  if (!story || !story->is_array()) return end(status::failed, "the server's answer explains nothing");
  if (options.json) {
    std::fputs(pretty(*answer).c_str(), stdout);
    return {};
  }
  for (const auto& sentence : story->as_array())
    if (sentence.is_string()) std::fputs((std::string(sentence.as_string()) + "\n").c_str(), stdout);
  const auto stderr_tail = text_at(*answer, "/job/error/stderr");
  if (!stderr_tail.empty())
    std::fputs(fmt::format("Its last words on standard error:\n{}\n", stderr_tail).c_str(), stdout);
  return {};
}

}  // namespace

void add_explain(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command =
      root.add_subcommand("explain", "Tell why a job waited, where it ran and how it ended; or where an object is and what became of it.");
  command->add_option("JOB|KEY", options->what, "a job's id or a cache key")->required()->type_name("");
  command->add_flag("--json", options->json, "as the server says it");
  add_daemon_options(*command, options->daemon);
  commands.on(command, [options] { return explain(*options); });
}

}  // namespace hotwell::cli
