/// Loop: one I/O thread. What lives on it (acceptor, connections, requests under way) is touched by it alone.
///
/// Invariants:
/// - Nothing crosses into the loop but through post(), which does nothing once the loop has ended: whoever calls back
///   late, from whatever thread, finds nobody instead of freed memory.
/// - A Ticket stands for an answer that is awaited from elsewhere. It is owned by who awaits it; when it is destroyed
///   first, the answer is dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace hotwell::server {

class Loop;

/// Threads: the loop's.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Loop& loop, std::uint64_t number) : loop_(&loop), number_(number) {}
  Ticket(Ticket&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)), number_(other.number_) {}
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(loop_, other.loop_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~Ticket();

 private:
  Loop* loop_ = nullptr;
  std::uint64_t number_ = 0;
};

class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  Loop();
  /// Preconditions: no thread runs it, and what lived on it is gone.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  /// Runs until end(); on the loop's thread.
  void run();
  /// Makes run() return and every later post() do nothing. Threads: any.
  void end();

  /// Runs `work` on the loop's thread, later. Threads: any.
  void post(std::function<void()> work) { mailbox_->post(std::move(work)); }

  /// Where an answer runs that comes on the loop's own thread: after what is running there now, or inside it, which
  /// saves a turn of the loop but wants a `then` that allows it.
  enum class Landing : std::uint8_t { posted, direct };
  /// A function that may be called once, from any thread and at any time, and then runs `then` on this loop, unless
  /// the ticket was destroyed before. Threads: the loop's.
  template <class... T>
  [[nodiscard]] std::function<void(T...)> bring_home(Ticket& ticket, Landing landing,
                                                     std::type_identity_t<std::function<void(T...)>> then) {
    const auto number = next_ticket_++;
    awaited_.emplace(number, [then = std::move(then)](void* values) {
      std::apply(then, std::move(*static_cast<std::tuple<T...>*>(values)));
    });
    ticket = Ticket(*this, number);
    return [this, number, landing, mailbox = mailbox_](T... values) {
      if (landing == Landing::direct && running_here == mailbox.get()) {
        std::tuple<T...> direct(std::move(values)...);
        return redeem(number, &direct);
      }
      auto boxed = std::make_shared<std::tuple<T...>>(std::move(values)...);
      mailbox->post([this, number, boxed] { redeem(number, boxed.get()); });
    };
  }

  /// The Date field's value, made anew once a second.
  [[nodiscard]] std::string_view date();

 private:
  friend class Ticket;
  // Outlives the loop in the hands of those who may still call back.
  class Mailbox {
   public:
    explicit Mailbox(boost::asio::io_context& context) : context_(&context) {}
    void post(std::function<void()> work);
    void close();

   private:
    std::mutex mutex_;
    boost::asio::io_context* context_;
  };
  // Whose loop this thread runs. A mailbox, not a loop: whoever asks may hold one that is gone.
  static thread_local const Mailbox* running_here;
  void redeem(std::uint64_t number, void* values);
  void forget(std::uint64_t number) { awaited_.erase(number); }

  std::unordered_map<std::uint64_t, std::function<void(void*)>> awaited_;
  std::uint64_t next_ticket_ = 1;
  std::string date_;
  std::time_t date_second_ = -1;
  boost::asio::io_context context_{1};
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace hotwell::server
