#include "worker/serve.hpp"

#include <new>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/fd.hpp"
#include "wire/frames.hpp"

namespace hotwell::worker {
namespace {

using Handlers = std::map<std::string, Handler, std::less<>>;

/// A worker on a thread of this process, and the engine's end of its socket.
class Worker {
 public:
  explicit Worker(Handlers handlers) {
    auto [mine, theirs] = host::seqpacket_pair().value();
    socket_ = std::move(mine);
    thread_ = std::jthread(
        [h = std::move(handlers), s = std::move(theirs)]() mutable { EXPECT_EQ(serve_on(std::move(s), h), 0); });
    EXPECT_TRUE(std::holds_alternative<wire::Hello>(receive()));
  }
  void send(const wire::Message& message, std::span<const int> descriptors = {}) {
    wire::encode(message, out_);
    ASSERT_TRUE(host::send_datagram(socket_.get(), out_, descriptors).has_value());
  }
  wire::Message receive() {
    auto datagram = host::receive_datagram(socket_.get(), buffer_).value();
    received = std::move(datagram.descriptors);
    return wire::decode(datagram.bytes).value();
  }
  void hang_up() { socket_ = FileHandle{}; }
  void join() { thread_.join(); }

  std::vector<FileHandle> received;  ///< descriptors of the last message

 private:
  std::string out_;
  std::string buffer_ = std::string(wire::frame_limit, '\0');
  std::jthread thread_;
  FileHandle socket_;  // closed before the thread is joined
};

wire::JobMessage job(std::string_view operation, std::string_view payload = "") {
  return {.ref = {7, 1}, .operation = operation, .payload = payload};
}

TEST(Serve, AnswersAJobInline) {
  Worker worker{{{"echo", [](Task& task) -> Result<Reply> {
                    return Reply::inline_text("text/plain", std::string{task.payload()});
                  }}}};
  worker.send(job("echo", "hello"));
  const auto answer = worker.receive();
  EXPECT_EQ(answer, (wire::Message{wire::Done{{7, 1}, true, 0, "text/plain", "hello"}}));
  worker.send(wire::Bye{});
  worker.join();
}

TEST(Serve, HandsInDescriptorsAndTakesALongResultByDescriptor) {
  Worker worker{{{"cat", [](Task& task) -> Result<Reply> {
                    EXPECT_EQ(task.payload(), std::string(100'000, 'p'));
                    EXPECT_EQ(task.input_count(), 1U);
                    std::string bytes(5, '\0');
                    EXPECT_EQ(::pread(task.input(0), bytes.data(), 5, 0), 5);
                    return Reply::inline_text("text/plain", bytes + std::string(wire::inline_limit, '.'));
                  }}}};
  auto payload = host::memory_file("payload", std::string(100'000, 'p')).value();
  auto output = host::memory_file("output").value();
  auto input = host::memory_file("input", "input").value();
  auto message = job("cat");
  message.payload_in_descriptor = message.has_output = true;
  message.inputs = 1;
  worker.send(message, std::array{payload.get(), output.get(), input.get()});
  const auto answer = worker.receive();
  const auto size = wire::inline_limit + 5;
  EXPECT_EQ(answer, (wire::Message{wire::Done{{7, 1}, false, size, "text/plain", ""}}));
  EXPECT_EQ(host::file_size(output.get()).value(), size);
}

TEST(Serve, HandsOverAFileWhereTheJobHasNoOutput) {
  Worker worker{{{"long", [](Task&) -> Result<Reply> {
                    return Reply::inline_text("text/plain", std::string(wire::inline_limit + 1, '.'));
                  }}}};
  worker.send(job("long"));
  const auto size = wire::inline_limit + 1;
  EXPECT_EQ(worker.receive(), (wire::Message{wire::Done{{7, 1}, false, size, "text/plain", "", true}}));
  ASSERT_EQ(worker.received.size(), 1U);
  EXPECT_EQ(host::file_size(worker.received.front().get()).value(), size);
}

TEST(Serve, DoesWhatCameEarlyInItsOrderButWhatWasCancelled) {
  Worker worker{
      {{"echo",
        [](Task& task) -> Result<Reply> { return Reply::inline_text("text/plain", std::string{task.payload()}); }},
       {"wait", [](Task& task) -> Result<Reply> {
          while (!task.cancelled()) std::this_thread::yield();
          return fail(Code::cancelled, "stopped");
        }}}};
  worker.send(job("wait"));
  const auto early = [&](std::uint64_t number, std::string_view payload) {
    auto message = job("echo", payload);
    message.ref.job = number;
    worker.send(message);
  };
  early(8, "first");
  early(9, "second");
  early(10, "third");
  worker.send(wire::Cancel{{9, 1}});
  worker.send(wire::Cancel{{7, 1}});
  EXPECT_EQ(std::get<wire::Failed>(worker.receive()).code, Code::cancelled);
  EXPECT_EQ(std::get<wire::Done>(worker.receive()).ref.job, 8U);
  EXPECT_EQ(std::get<wire::Failed>(worker.receive()).ref.job, 9U);
  EXPECT_EQ(std::get<wire::Done>(worker.receive()).text, "third");
}

TEST(Serve, LooksForItsNextJobWhereTheEngineSaysSo) {
  Worker worker{{{"noop", [](Task&) -> Result<Reply> { return Reply{}; }}}};
  for (std::uint32_t attempt = 1; attempt <= 1000; ++attempt) {
    auto message = job("noop");
    message.ref.attempt = attempt;
    message.linger_us = 50;
    worker.send(message);
    EXPECT_EQ(std::get<wire::Done>(worker.receive()).ref.attempt, attempt);
  }
}

TEST(Serve, TurnsWhatAHandlerThrowsIntoErrors) {
  Worker worker{{{"alloc", [](Task&) -> Result<Reply> { throw std::bad_alloc{}; }},
                 {"throw", [](Task&) -> Result<Reply> { throw std::runtime_error{"no such colour"}; }},
                 {"odd", [](Task&) -> Result<Reply> { throw 7; }}}};
  const auto code_of = [&](std::string_view operation) {
    worker.send(job(operation));
    const auto answer = worker.receive();
    return std::get<wire::Failed>(answer).code;
  };
  EXPECT_EQ(code_of("alloc"), Code::out_of_memory);
  EXPECT_EQ(code_of("throw"), Code::failed);
  EXPECT_EQ(code_of("odd"), Code::internal);
  EXPECT_EQ(code_of("absent"), Code::not_found);
}

TEST(Serve, AHandlerSeesItsCancelAndItsEngineGo) {
  const auto until_cancelled = [](Task& task) -> Result<Reply> {
    task.set_content_type("text/plain");
    task.advance(0);
    while (!task.cancelled()) std::this_thread::yield();
    return fail(Code::cancelled, "stopped");
  };
  Worker worker{{{"wait", until_cancelled}}};
  worker.send(job("wait"));
  EXPECT_EQ(worker.receive(), (wire::Message{wire::Advance{{7, 1}, 0, "text/plain"}}));
  worker.send(wire::Cancel{{6, 1}});  // of another job: nothing to this one
  worker.send(wire::Cancel{{7, 1}});
  EXPECT_EQ(std::get<wire::Failed>(worker.receive()).code, Code::cancelled);
  worker.send(job("wait"));  // the same attempt again stays cancelled
  EXPECT_TRUE(std::holds_alternative<wire::Advance>(worker.receive()));
  EXPECT_TRUE(std::holds_alternative<wire::Failed>(worker.receive()));
  auto other = job("wait");
  other.ref = {8, 1};
  worker.send(other);
  worker.hang_up();
  worker.join();
}

TEST(Serve, TimeLeftEndsAHandlerThatAsks) {
  Worker worker{{{"wait", [](Task& task) -> Result<Reply> {
                    while (!task.cancelled()) std::this_thread::yield();
                    return fail(Code::cancelled, "time is up");
                  }}}};
  auto message = job("wait");
  message.time_left_ns = 1'000'000;
  worker.send(message);
  EXPECT_TRUE(std::holds_alternative<wire::Failed>(worker.receive()));
}

TEST(Serve, EndsWhenTheEngineTalksNonsense) {
  auto [mine, theirs] = host::seqpacket_pair().value();
  std::jthread thread([s = std::move(theirs)]() mutable { EXPECT_EQ(serve_on(std::move(s), {}), 0); });
  ASSERT_TRUE(host::send_datagram(mine.get(), "nonsense").has_value());
}

}  // namespace
}  // namespace hotwell::worker
