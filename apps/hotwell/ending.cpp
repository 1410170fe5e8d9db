#include "apps/hotwell/ending.hpp"

namespace hotwell::cli {

std::unexpected<Ending> end(const Error& error) {
  std::string message = error.message;
  for (auto cause = error.cause; cause; cause = cause->cause) message += ": " + cause->message;
  return end(info(error.code).exit_code, std::move(message));
}

}  // namespace hotwell::cli
