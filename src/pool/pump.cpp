#include "pool/pump.hpp"

#include <cerrno>

#include <fcntl.h>
#include <boost/asio/post.hpp>

namespace hotwell::pool {

std::shared_ptr<Pump> Pump::start(boost::asio::any_io_executor executor, FileHandle pipe, Sink& sink,
                                  std::string content_type, Done done) {
  std::shared_ptr<Pump> pump(new Pump(executor, std::move(pipe), sink, std::move(done)));
  boost::asio::post(executor, [pump, type = std::move(content_type)] {
    pump->sink_.set_content_type(type);
    pump->wait();
  });
  return pump;
}

Pump::Pump(boost::asio::any_io_executor executor, FileHandle pipe, Sink& sink, Done done)
    : executor_(executor), pipe_(executor, pipe.release()), sink_(sink), done_(std::move(done)) {}

void Pump::finish(Rest rest) {
  boost::asio::post(executor_, [self = shared_from_this(), rest] {
    if (!self->done_) return;
    if (rest == Rest::drop) return self->complete(static_cast<std::uint64_t>(self->moved_));
    self->finishing_ = true;
    if (!self->held_) self->move_on();
  });
}

void Pump::move_on() {
  if (!move_available()) return;
  if (finishing_) return complete(static_cast<std::uint64_t>(moved_));
  wait();
}

void Pump::wait() {
  if (!done_) return;
  pipe_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                   [self = shared_from_this()](const boost::system::error_code& error) {
                     if (!error && self->done_ && !self->held_) self->move_on();
                   });
}

bool Pump::move_available() {
  for (;;) {
    held_ = !sink_.has_room([weak = weak_from_this(), executor = executor_] {
      boost::asio::post(executor, [weak] {
        const auto self = weak.lock();
        if (!self) return;
        self->held_ = false;
        if (self->done_) self->move_on();
      });
    });
    if (held_) return false;
    const ssize_t size =
        ::splice(pipe_.native_handle(), nullptr, sink_.fd(), &moved_, Sink::most_moved, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return true;
    if (size < 0) {
      complete(system_fail(errno, "writing a command's output"));
      return false;
    }
    if (size == 0) {
      complete(static_cast<std::uint64_t>(moved_));
      return false;
    }
    if (auto advanced = sink_.advance(static_cast<std::uint64_t>(moved_)); !advanced) {
      complete(std::unexpected(advanced.error()));
      return false;
    }
  }
}

void Pump::complete(Result<std::uint64_t> result) {
  boost::system::error_code ignored;
  pipe_.close(ignored);  // a writer that goes on gets SIGPIPE
  const Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

}  // namespace hotwell::pool
