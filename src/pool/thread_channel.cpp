#include "pool/thread_channel.hpp"

#include <exception>
#include <new>

#include <boost/asio/post.hpp>

namespace hotwell::pool {
namespace {

/// The user's code: what it throws becomes an error here.
Result<Answer> call(const Function& function, const std::stop_token& stop) {
  try {
    auto text = function(stop);
    if (!text) return std::unexpected(text.error());
    const auto size = text->size();
    return Answer{
        .content_type = "application/octet-stream", .is_inline = true, .text = std::move(*text), .size = size};
  } catch (const std::bad_alloc&) {
    return fail(Code::out_of_memory, "the function ran out of memory");
  } catch (const std::exception& e) {
    return fail(Code::failed, e.what());
  } catch (...) {
    return fail(Code::internal, "the function threw something that is not an exception");
  }
}

}  // namespace

ThreadChannel::ThreadChannel(boost::asio::io_context& io, Listener& listener, WorkerId id)
    : io_(io), listener_(listener), id_(id), thread_([this] { run(); }) {}

ThreadChannel::~ThreadChannel() {
  *alive_ = false;
  stop_.request_stop();
  retire();
  thread_.join();
}

Result<void> ThreadChannel::assign(const Attempt& attempt) {
  stop_ = std::stop_source{};
  {
    const std::lock_guard lock(mutex_);
    task_ = Task{attempt.job, *attempt.function, stop_.get_token()};
  }
  changed_.notify_one();
  return {};
}

void ThreadChannel::retire() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_one();
}

void ThreadChannel::run() {
  for (;;) {
    std::optional<Task> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return task_ || leaving_; });
      if (!task_) break;
      task = std::exchange(task_, std::nullopt);
    }
    auto outcome = call(task->function, task->stop);
    const JobNumber job = task->job;
    task.reset();  // what the function holds goes before its end is told
    tell(job, std::move(outcome));
  }
  boost::asio::post(io_, [this, alive = alive_] {
    if (*alive) listener_.worker_gone({.worker = id_, .reason = {Code::cancelled, "the thread ended"}});
  });
}

void ThreadChannel::tell(JobNumber job, Result<Answer> outcome) {
  boost::asio::post(io_, [this, alive = alive_, job, outcome = std::move(outcome)]() mutable {
    if (*alive) listener_.attempt_done(id_, job, std::move(outcome));
  });
}

}  // namespace hotwell::pool
