/// A rule of one's own as JSON, as the API takes it and the file keeps it: the members of [[alerts.rule]], durations in
/// seconds. Pure.
#pragma once

#include <boost/json/object.hpp>

#include <hotwell/monitor.hpp>

namespace hotwell::monitor {

[[nodiscard]] boost::json::object to_value(const AlertRuleOptions& rule);
/// Errors: invalid_argument with the member's name, what was expected and what was found.
[[nodiscard]] Result<AlertRuleOptions> rule_of(const boost::json::object& members);

}  // namespace hotwell::monitor
