/// What a person is told whose command line was not understood.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace hotwell::cli {

/// One line that names what is wrong, with a guess at what was meant, and one that says where help is.
[[nodiscard]] std::string usage_message(const CLI::App& root, const CLI::ParseError& error);

}  // namespace hotwell::cli
