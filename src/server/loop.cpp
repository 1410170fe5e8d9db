#include "server/loop.hpp"

#include <ctime>

#include <fmt/chrono.h>
#include <boost/asio/executor_work_guard.hpp>

#include "base/log.hpp"

namespace hotwell::server {

Ticket::~Ticket() {
  if (loop_ != nullptr) loop_->forget(number_);
}

thread_local const Loop::Mailbox* Loop::running_here = nullptr;

Loop::Loop() : mailbox_(std::make_shared<Mailbox>(context_)) {}

Loop::~Loop() { mailbox_->close(); }

void Loop::run() {
  const auto work = boost::asio::make_work_guard(context_);
  running_here = mailbox_.get();
  for (;;) {
    try {
      context_.run();
      return;
    } catch (const std::exception& error) {
      // What third parties throw (memory, above all) where no request is at hand to answer with it.
      base::log().error("on an I/O thread: {}", error.what());
    }
  }
}

void Loop::end() {
  mailbox_->close();
  context_.stop();
}

void Loop::Mailbox::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (context_ != nullptr) boost::asio::post(*context_, std::move(work));
}

void Loop::Mailbox::close() {
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
}

void Loop::redeem(std::uint64_t number, void* values) {
  const auto found = awaited_.find(number);
  if (found == awaited_.end()) return;
  // Taken out first: what it does may destroy its own ticket.
  const auto then = std::move(found->second);
  awaited_.erase(found);
  then(values);
}

std::string_view Loop::date() {
  const auto now = std::time(nullptr);
  if (now != date_second_) {
    date_second_ = now;
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
  }
  return date_;
}

}  // namespace hotwell::server
