/// Reads JSON bodies with errors that a person can act on. Pure; stands on Boost.JSON.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell::server {

/// Errors: invalid_argument with line, column and what is wrong there; or that it is no object.
[[nodiscard]] Result<boost::json::object> parse_json_object(std::string_view text);

// One member's value. Errors: invalid_argument naming `name`, what was expected and what was found.
[[nodiscard]] Result<std::string> read_string(std::string_view name, const boost::json::value& value);
[[nodiscard]] Result<double> read_number(std::string_view name, const boost::json::value& value);
[[nodiscard]] Error unknown_member(std::string_view name, std::string_view known);

/// Seconds as people write them in an address or a body. Errors: invalid_argument outside [0, a year].
[[nodiscard]] Result<Duration> seconds_of(std::string_view name, double seconds);
/// A decimal number that is all of `text`. Errors: invalid_argument naming `name`.
[[nodiscard]] Result<double> parse_number(std::string_view name, std::string_view text);

}  // namespace hotwell::server
