/// Requests: from what somebody asks for to an Ask with checked parameters, an open input and a key; and the askers of
/// bytes, who wait for that key's result.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <hotwell/engine.hpp>
#include "engine/computations.hpp"
#include "engine/input.hpp"
#include "engine/operation.hpp"

namespace hotwell::engine {

using Operations = std::map<std::string, Operation, std::less<>>;

class Requests {
 public:
  Requests(Operations operations, InputOpener inputs, Cache& cache)
      : operations_(std::move(operations)), inputs_(std::move(inputs)), cache_(cache) {}

  /// Threads: any. A few system calls. Errors: not_found (operation or input), invalid_argument, outside_root, denied,
  /// io.
  [[nodiscard]] Result<Ask> prepare(JobRequest request) const;
  /// The result, if memory has it. Threads: any.
  [[nodiscard]] std::optional<Object> remembered(const Ask& ask) const;
  [[nodiscard]] const Operations& operations() const { return operations_; }

  using Done = std::function<void(Result<Fetched>)>;
  /// Answers from memory at once, or through `computations` later. Threads: any.
  [[nodiscard]] std::shared_ptr<Waiting> fetch(JobRequest request, Done done, Computations& computations,
                                               boost::asio::any_io_executor engine_thread) const;

 private:
  Operations operations_;
  InputOpener inputs_;
  Cache& cache_;
};

/// Watches a computation under way to its first bytes or its end, without keeping it going. Engine's thread. False if
/// there is none.
bool watch_bytes(const std::string& flight, Requests::Done done, Computations& computations);

}  // namespace hotwell::engine
