/// Answers of a daemon: JSON read without trust in its shape.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "apps/hotwell/client.hpp"

namespace hotwell::cli {

/// GET of a route that answers JSON. Ends: as Client::send; failed when it is none.
[[nodiscard]] Outcome<boost::json::value> get_json(Client& daemon, const std::string& target,
                                                   Duration patience = std::chrono::seconds{60});

// What a pointer such as "/requests/total" leads to: 0 or empty where there is no such number or text.
[[nodiscard]] double number_at(const boost::json::value& json, std::string_view pointer);
[[nodiscard]] std::string text_at(const boost::json::value& json, std::string_view pointer);

/// With line breaks and two spaces a level.
[[nodiscard]] std::string pretty(const boost::json::value& json);

}  // namespace hotwell::cli
