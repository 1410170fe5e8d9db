// A frames worker that does nothing, so that what is left is the way there and back.
#include <hotwell/worker.hpp>

int main() {
  return hotwell::worker::serve(
      {{"noop", [](hotwell::worker::Task&) { return hotwell::worker::Reply::inline_text("text/plain", "ok"); }}});
}
