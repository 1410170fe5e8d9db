/// JSON text for people as well as machines: numbers in plain decimals, where Boost writes 4.011E0.
#pragma once

#include <string>

#include <boost/json/value.hpp>

namespace hotwell::media {

[[nodiscard]] std::string plain_json(const boost::json::value& value);

}  // namespace hotwell::media
