#include "media/handlers.hpp"

#include <new>
#include <utility>

#include "media/operations.hpp"

namespace hotwell::media {
namespace {

/// Where the standard library throws for lack of memory, the job is what fails.
template <class Operation>
worker::Handler guarded(Operation operation) {
  return [operation](worker::Task& task) -> Result<worker::Reply> {
    try {
      return operation(task);
    } catch (const std::bad_alloc&) {
      return fail(Code::out_of_memory, "the media worker is out of memory");
    }
  };
}

}  // namespace

std::map<std::string, worker::Handler, std::less<>> handlers(std::shared_ptr<WarmInputs> inputs) {
  quiet_libav();
  return {{"probe", guarded([inputs](worker::Task& task) { return probe(task, *inputs); })},
          {"thumbnail", guarded([inputs](worker::Task& task) { return thumbnail(task, *inputs); })},
          {"transcode", guarded([](worker::Task& task) { return transcode(task); })}};
}

}  // namespace hotwell::media
