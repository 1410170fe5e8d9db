#include "pool/frames_channel.hpp"

#include <algorithm>
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
constexpr std::size_t datagrams_at_once = 8;

/// Every channel reads on the pool's thread and has consumed what it read before the next one reads.
host::DatagramReader& reader() {
  static thread_local host::DatagramReader shared{datagrams_at_once, wire::frame_limit};
  return shared;
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
  if (spec_.kind == WorkerKind::frames && (spec_.sandbox || spec_.memory_limit)) {
    wire::Settings settings{.memory_limit = spec_.memory_limit.value_or(Bytes{}).count};
    if (spec_.sandbox) settings.sandbox = *spec_.sandbox ? wire::Settings::Sandbox::on : wire::Settings::Sandbox::off;
    std::string datagram;
    wire::encode(settings, datagram);
    if (auto sent = host::send_datagram(pair->first.get(), datagram); !sent) return sent;
  }
  const int error_fd = pipe->write.get();
  const Spawner::Program program{
      .argv = spec_.argv,
      .env = worker_environment(spec_.env),
      .descriptors = {{null->get(), 0}, {error_fd, 1}, {error_fd, 2}, {pair->second.get(), wire::worker_descriptor}},
      .limits = spec_.kind == WorkerKind::lines ? limits_of(spec_) : std::vector<wire::ResourceLimit>{},
      .from_template = spec_.from_template};
  auto spawned = spawner_.spawn(
      id_, program,
      [this, alive = alive_](pid_t process) {
        if (*alive) process_ = process;
      },
      [this, alive = alive_](Spawner::Exit exit) {
        if (*alive) exited(exit);
      });
  if (!spawned) return spawned;
  host::set_blocking(pair->first.get(), false);
  socket_.assign(pair->first.release());
  tail_.emplace(io_, std::move(pipe->read));
  read();
  return {};
}

// ---- from the worker -----------------------------------------------------------------------------------------------

void FramesChannel::read() {
  if (reading_ || broken_ || ended_) return;
  reading_ = true;
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [this, alive = alive_](const boost::system::error_code& error) {
                       if (error || !*alive || !socket_.is_open()) return;
                       reading_ = false;
                       receive();
                       if (*alive && owes()) read();
                     });
}

void FramesChannel::receive() {
  const auto alive = alive_;
  auto datagrams = reader().receive(socket_.native_handle(), owed_.size());
  if (!datagrams) {
    if (datagrams.error().code != Code::unavailable) broken(datagrams.error().message);
    return;
  }
  for (auto& datagram : *datagrams) {
    if (datagram.bytes.data() == nullptr) {
      ended_ = true;
      hang_up_.expires_after(hang_up_grace);
      hang_up_.async_wait([this, alive](const boost::system::error_code& error) {
        if (!error && *alive) broken("it closed its socket and went on");
      });
      return;
    }
    auto message = wire::decode(datagram.bytes);
    if (!message) return broken("it sent a " + message.error().message);
    handle(*message, datagram.descriptors);
    if (!*alive || broken_) return;  // whatever it says from here on, it is being killed
  }
  if (!letters_.empty()) flush_soon();  // there may be room again
}

FramesChannel::Owed* FramesChannel::find(wire::AttemptRef ref) {
  const auto found = std::ranges::find(owed_, ref, &Owed::ref);
  return found == owed_.end() ? nullptr : &*found;
}

void FramesChannel::handle(const wire::Message& message, std::vector<FileHandle>& descriptors) {
  if (const auto* done = std::get_if<wire::Done>(&message)) {
    handle_done(*done, descriptors);
  } else if (const auto* failed = std::get_if<wire::Failed>(&message)) {
    if (find(failed->ref) != nullptr) end(failed->ref, fail(failed->code, std::string{failed->message}));
  } else if (const auto* hello = std::get_if<wire::Hello>(&message)) {
    handle_hello(*hello);
  } else if (const auto* started = std::get_if<wire::Started>(&message)) {
    if (find(started->ref) != nullptr) listener_.attempt_started(started->ref.job, started->ref.attempt);
  } else if (const auto* progress = std::get_if<wire::Progress>(&message)) {
    if (find(progress->ref) == nullptr) return;
    listener_.attempt_alive(progress->ref.job, progress->ref.attempt);
    listener_.attempt_progress(id_, progress->ref.job, progress->millionths / 1e6);
  } else if (const auto* beat = std::get_if<wire::Beat>(&message)) {
    if (find(beat->ref) != nullptr) listener_.attempt_alive(beat->ref.job, beat->ref.attempt);
  } else if (const auto* advance = std::get_if<wire::Advance>(&message)) {
    handle_advance(*advance);
  } else {
    broken("it sent a message that only the engine sends");
  }
}

void FramesChannel::handle_hello(const wire::Hello& hello) {
  if (ready_) return broken("it said hello twice");
  if (hello.window == 0) return broken("its hello allows no job at all");
  ready_ = true;
  listener_.worker_ready(id_, hello.window);
}

void FramesChannel::handle_advance(const wire::Advance& advance) {
  Owed* owed = find(advance.ref);
  if (owed == nullptr) return;
  listener_.attempt_alive(advance.ref.job, advance.ref.attempt);
  if (owed->sink == nullptr) return;
  if (advance.content_type != owed->content_type) {
    owed->content_type = advance.content_type;
    owed->sink->set_content_type(owed->content_type);
  }
  if (auto advanced = owed->sink->advance(advance.size); !advanced) {
    sink_error_ = advanced.error();
    broken("its output cannot be kept: " + advanced.error().message);
  }
}

void FramesChannel::handle_done(const wire::Done& done, std::vector<FileHandle>& descriptors) {
  const Owed* owed = find(done.ref);
  if (owed == nullptr) return;
  Answer answer{.content_type = std::string{done.content_type},
                .is_inline = done.is_inline,
                .text = std::string{done.text},
                .size = done.is_inline ? done.text.size() : done.size};
  if (done.in_descriptor) {
    if (owed->sink != nullptr || done.is_inline || descriptors.size() != 1)
      return broken("it handed over a result's file where none belongs");
    answer.file = std::move(descriptors.front());
  } else if (owed->sink == nullptr && !done.is_inline && done.size > 0) {
    return end(done.ref,
               fail(Code::internal, fmt::format("the worker claimed a result of {} bytes but wrote 0", done.size)));
  }
  end(done.ref, std::move(answer));
}

void FramesChannel::end(wire::AttemptRef ref, Result<Answer> outcome) {
  std::erase_if(owed_, [&](const Owed& owed) { return owed.ref == ref; });
  listener_.attempt_done(id_, ref.job, std::move(outcome));
}

void FramesChannel::broken(std::string why) {
  if (broken_) return;
  broken_ = true;
  why_broken_ = std::move(why);
  listener_.worker_broken(id_, why_broken_);
}

void FramesChannel::exited(const Spawner::Exit& exit) {
  const auto alive = alive_;
  while (*alive && !broken_ && !ended_ && socket_.is_open() && !owed_.empty()) {  // what was sent before the end counts
    auto datagrams = reader().receive(socket_.native_handle(), 1);
    if (!datagrams || datagrams->front().bytes.data() == nullptr) break;
    if (auto message = wire::decode(datagrams->front().bytes)) handle(*message, datagrams->front().descriptors);
  }
  if (!*alive) return;
  auto gone = describe_end(id_, spec_, exit);
  if (broken_ && gone.charged)
    gone.reason =
        sink_error_ ? *sink_error_
                    : Error{Code::crashed, fmt::format("worker \"{}\" was killed because {}", spec_.name, why_broken_)};
  broken_ = true;  // nothing more is said after this
  listener_.worker_gone(std::move(gone));
}

// ---- to the worker -------------------------------------------------------------------------------------------------

Result<void> FramesChannel::assign(const Attempt& attempt) {
  const Job& job = *attempt.what;
  wire::JobMessage message{.ref = {attempt.job, attempt.number},
                           .has_output = attempt.sink != nullptr,
                           .inputs = static_cast<std::uint32_t>(job.inputs.size()),
                           .operation = job.operation,
                           .input_identity = job.input_identity,
                           .linger_us = static_cast<std::uint32_t>(attempt.spin / std::chrono::microseconds{1})};
  if (attempt.time_left < Duration::max() / 2)
    message.time_left_ns = static_cast<std::uint64_t>(std::max<Duration::rep>(attempt.time_left.count(), 1));
  Letter letter;
  if (job.payload.size() > wire::inline_limit) {
    auto payload = host::memory_file("hotwell-payload", job.payload);
    if (!payload) return std::unexpected(payload.error());
    message.payload_in_descriptor = true;
    letter.descriptors.push_back(payload->get());
    letter.opened.push_back(std::move(*payload));
  } else {
    message.payload = job.payload;
  }
  if (attempt.sink != nullptr) letter.descriptors.push_back(attempt.sink->fd());
  for (const auto& input : job.inputs) {
    // An offset of its own for every attempt, where the file can be opened anew.
    if (auto fresh = host::reopen(input->get())) {
      letter.descriptors.push_back(fresh->get());
      letter.opened.push_back(std::move(*fresh));
    } else {
      letter.descriptors.push_back(input->get());
    }
  }
  wire::encode(message, letter.bytes);
  if (owed_.empty()) {
    if (tail_) tail_->clear();
    if (auto sent = send(std::move(letter)); !sent) return sent;
  } else {
    letters_.push_back(std::move(letter));
    flush_soon();
  }
  owed_.push_back({.ref = message.ref, .sink = attempt.sink});
  read();
  return {};
}

void FramesChannel::ask_to_stop(JobNumber job) {
  const auto owed = std::ranges::find(owed_, job, [](const Owed& o) { return o.ref.job; });
  if (owed != owed_.end()) send(wire::Cancel{owed->ref});
}

void FramesChannel::retire() { send(wire::Bye{}); }

void FramesChannel::terminate() { spawner_.signal(id_, SIGTERM); }

void FramesChannel::kill() { spawner_.signal(id_, SIGKILL); }

Result<void> FramesChannel::send(Letter letter) {
  if (!socket_.is_open()) return {};
  if (letters_.empty()) {
    auto sent = host::send_datagram(socket_.native_handle(), letter.bytes, letter.descriptors);
    // Where the worker is gone its exit follows and ends its attempts; where it does not read yet it may soon.
    if (sent || sent.error().code != Code::unavailable) return sent;
  }
  letters_.push_back(std::move(letter));
  return {};
}

void FramesChannel::send(const wire::Message& message) {
  Letter letter;
  wire::encode(message, letter.bytes);
  if (auto sent = send(std::move(letter)); !sent) broken(sent.error().message);
}

/// At the end of what the loop has before it now: jobs that came in one burst leave together.
void FramesChannel::flush_soon() {
  if (std::exchange(flushing_, true)) return;
  boost::asio::post(io_, [this, alive = alive_] {
    if (!*alive) return;
    flushing_ = false;
    flush();
  });
}

void FramesChannel::flush() {
  if (letters_.empty() || broken_ || ended_ || !socket_.is_open()) return;
  std::vector<host::Outgoing> datagrams;
  datagrams.reserve(letters_.size());
  for (const auto& letter : letters_) datagrams.push_back({letter.bytes, letter.descriptors});
  const auto sent = host::send_datagrams(socket_.native_handle(), datagrams);
  if (!sent && sent.error().code != Code::unavailable) return broken(sent.error().message);
  letters_.erase(letters_.begin(), letters_.begin() + static_cast<std::ptrdiff_t>(sent.value_or(0)));
}

}  // namespace hotwell::pool
