#include "pool/frames_channel.hpp"

#include <csignal>

#include <fmt/format.h>
#include <sys/socket.h>
#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "host/fd.hpp"
#include "pool/program.hpp"

namespace hotwell::pool {
namespace {

constexpr Duration hang_up_grace = std::chrono::seconds{1};

/// Every channel reads on the pool's thread and has consumed a datagram before the next is received.
std::span<char> receive_buffer() {
  static thread_local std::string buffer(wire::frame_limit, '\0');
  return buffer;
}

}  // namespace

FramesChannel::FramesChannel(boost::asio::io_context& io, Spawner& spawner, Listener& listener, WorkerId id,
                             const WorkerSpec& spec)
    : io_(io), spawner_(spawner), listener_(listener), id_(id), spec_(spec), socket_(io), hang_up_(io) {
  if (auto started = start(); !started) {
    boost::asio::post(io_, [this, alive = alive_, error = started.error()] {
      if (*alive) listener_.worker_gone({.worker = id_, .reason = error});
    });
  }
}

FramesChannel::~FramesChannel() { *alive_ = false; }

Result<void> FramesChannel::start() {
  auto pair = host::seqpacket_pair();
  if (!pair) return std::unexpected(pair.error());
  auto pipe = host::make_pipe();
  if (!pipe) return std::unexpected(pipe.error());
  auto null = host::open_null();
  if (!null) return std::unexpected(null.error());
  const int error_fd = pipe->write.get();
  const Spawner::Program program{
      .argv = spec_.argv,
      .env = worker_environment(spec_.env),
      .descriptors = {{null->get(), 0}, {error_fd, 1}, {error_fd, 2}, {pair->second.get(), wire::worker_descriptor}}};
  auto spawned = spawner_.spawn(id_, program, {}, [this, alive = alive_](Spawner::Exit exit) {
    if (*alive) exited(exit);
  });
  if (!spawned) return spawned;
  host::set_blocking(pair->first.get(), false);
  socket_.assign(pair->first.release());
  tail_.emplace(io_, std::move(pipe->read));
  read();
  return {};
}

void FramesChannel::read() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [this, alive = alive_](const boost::system::error_code& error) {
                       if (error || !*alive || !socket_.is_open()) return;
                       const bool more = receive();
                       if (*alive && more) read();
                     });
}

bool FramesChannel::receive() {
  auto datagram = host::receive_datagram(socket_.native_handle(), receive_buffer());
  if (!datagram) {
    if (datagram.error().code == Code::unavailable) return true;
    broken(datagram.error().message);
    return false;
  }
  if (datagram->bytes.data() == nullptr) {
    hang_up_.expires_after(hang_up_grace);
    hang_up_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
      if (!error && *alive) broken("it closed its socket and went on");
    });
    return false;
  }
  auto message = wire::decode(datagram->bytes);
  if (!message) {
    broken("it sent a " + message.error().message);
    return false;
  }
  handle(*message);
  return !broken_;  // whatever it says from here on, it is being killed
}

void FramesChannel::handle(const wire::Message& message) {
  const auto is_current = [this](wire::AttemptRef ref) { return current_ == ref; };
  if (std::holds_alternative<wire::Hello>(message)) {
    listener_.worker_ready(id_);
  } else if (const auto* progress = std::get_if<wire::Progress>(&message)) {
    if (is_current(progress->ref)) listener_.attempt_progress(id_, progress->millionths / 1e6);
  } else if (const auto* advance = std::get_if<wire::Advance>(&message)) {
    if (!is_current(advance->ref) || sink_ == nullptr) return;
    if (advance->content_type != advanced_type_) {
      advanced_type_ = advance->content_type;
      sink_->set_content_type(advanced_type_);
    }
    if (auto advanced = sink_->advance(advance->size); !advanced) {
      sink_error_ = advanced.error();
      broken("its output cannot be kept: " + advanced.error().message);
    }
  } else if (const auto* done = std::get_if<wire::Done>(&message)) {
    if (!is_current(done->ref)) return;
    current_.reset();
    listener_.attempt_done(id_, Answer{.content_type = std::string{done->content_type},
                                       .is_inline = done->is_inline,
                                       .text = std::string{done->text},
                                       .size = done->is_inline ? done->text.size() : done->size});
  } else if (const auto* failed = std::get_if<wire::Failed>(&message)) {
    if (!is_current(failed->ref)) return;
    current_.reset();
    listener_.attempt_done(id_, fail(failed->code, std::string{failed->message}));
  } else if (!std::holds_alternative<wire::Started>(message) && !std::holds_alternative<wire::Beat>(message)) {
    broken("it sent a message that only the engine sends");
  }
}

void FramesChannel::broken(std::string why) {
  if (broken_) return;
  broken_ = true;
  why_broken_ = std::move(why);
  listener_.worker_broken(id_, why_broken_);
}

Result<void> FramesChannel::send(const wire::Message& message, std::span<const int> descriptors) {
  wire::encode(message, out_);
  return host::send_datagram(socket_.native_handle(), out_, descriptors);
}

Result<void> FramesChannel::assign(const Attempt& attempt) {
  const Job& job = *attempt.what;
  if (tail_) tail_->clear();
  sink_ = attempt.sink;
  advanced_type_.clear();
  current_ = wire::AttemptRef{attempt.job, attempt.number};
  wire::JobMessage message{.ref = *current_,
                           .has_output = true,
                           .inputs = static_cast<std::uint32_t>(job.inputs.size()),
                           .operation = job.operation,
                           .input_identity = job.input_identity};
  if (attempt.time_left < Duration::max() / 2)
    message.time_left_ns = static_cast<std::uint64_t>(std::max<Duration::rep>(attempt.time_left.count(), 1));
  std::vector<FileHandle> opened;
  std::vector<int> descriptors;
  if (job.payload.size() > wire::inline_limit) {
    auto payload = host::memory_file("hotwell-payload", job.payload);
    if (!payload) return std::unexpected(payload.error());
    message.payload_in_descriptor = true;
    descriptors.push_back(payload->get());
    opened.push_back(std::move(*payload));
  } else {
    message.payload = job.payload;
  }
  descriptors.push_back(sink_->fd());
  for (const auto& input : job.inputs) {
    // An offset of its own for every attempt, where the file can be opened anew.
    if (auto fresh = host::reopen(input->get())) {
      descriptors.push_back(fresh->get());
      opened.push_back(std::move(*fresh));
    } else {
      descriptors.push_back(input->get());
    }
  }
  // Where the worker is gone already its exit follows, and ends the attempt.
  if (auto sent = send(message, descriptors); !sent && sent.error().code != Code::unavailable) {
    current_.reset();
    return sent;
  }
  return {};
}

void FramesChannel::ask_to_stop() {
  if (current_ && socket_.is_open()) (void)send(wire::Cancel{*current_});
}

void FramesChannel::retire() {
  if (socket_.is_open()) (void)send(wire::Bye{});
}

void FramesChannel::kill() { spawner_.signal(id_, SIGKILL); }

void FramesChannel::exited(const Spawner::Exit& exit) {
  const auto alive = alive_;
  while (*alive && !broken_ && socket_.is_open() && current_) {  // what was sent before the end counts
    auto datagram = host::receive_datagram(socket_.native_handle(), receive_buffer());
    if (!datagram || datagram->bytes.data() == nullptr) break;
    if (auto message = wire::decode(datagram->bytes)) handle(*message);
  }
  if (!*alive) return;
  auto gone = describe_end(id_, spec_, exit);
  if (broken_ && gone.charged)
    gone.reason =
        sink_error_ ? *sink_error_
                    : Error{Code::crashed, fmt::format("worker \"{}\" was killed because {}", spec_.name, why_broken_)};
  listener_.worker_gone(std::move(gone));
}

}  // namespace hotwell::pool
