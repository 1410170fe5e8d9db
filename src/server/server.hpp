/// The HTTP server over an engine.
#pragma once

#include <memory>
#include <string>

#include <hotwell/engine.hpp>

namespace hotwell::server {

/// Ownership: borrows the engine, which must outlive it; owns its I/O threads. Threads: any.
class Server {
 public:
  /// Binds and starts to answer. Errors: invalid_argument (an address that does not parse; a public address without
  /// tokens), unavailable (the port is in use), denied.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(Engine& engine);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// "127.0.0.1:8080", with the port that was really bound.
  [[nodiscard]] std::string address() const;
  /// Stops accepting, lets answers under way finish until `limit`, then cuts them off. Blocks.
  void stop(Duration limit);

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hotwell::server
