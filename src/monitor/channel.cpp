#include "monitor/channel.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "base/log.hpp"
#include "monitor/messages.hpp"

namespace hotwell::monitor {
namespace {

constexpr long connect_limit_ms = 5'000;
constexpr long answer_limit_ms = 15'000;

class LogChannel final : public AlertChannel {
 public:
  Answer send(const std::vector<Note>& notes, const std::stop_token& /*stop*/) override {
    for (const Note& note : notes) base::log().warn("alert: {}", log_line(note));
    return {};
  }
};

struct Credentials {
  std::string username;
  std::string password;
};

/// One exchange by libcurl. Its error texts may hold the address, and an address may be a secret: they are not used.
class Exchange {
 public:
  explicit Exchange(const std::stop_token& stop) : stop_(stop), curl_(curl_easy_init()) {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, connect_limit_ms);
    set(CURLOPT_TIMEOUT_MS, answer_limit_ms);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFODATA, this);
    set(
        CURLOPT_XFERINFOFUNCTION, +[](void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) -> int {
          return static_cast<Exchange*>(self)->stop_.stop_requested() ? 1 : 0;
        });
    set(CURLOPT_WRITEFUNCTION, +[](char*, std::size_t size, std::size_t count, void*) { return size * count; });
  }
  ~Exchange() {
    curl_slist_free_all(list_);
    curl_easy_cleanup(curl_);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  template <class T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(curl_, option, value);
  }
  void set(const Credentials& credentials) {
    if (credentials.username.empty()) return;
    set(CURLOPT_USERNAME, credentials.username.c_str());
    set(CURLOPT_PASSWORD, credentials.password.c_str());
  }
  void add_to_list(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  [[nodiscard]] curl_slist* list() const { return list_; }

  /// Nothing where the exchange took place.
  [[nodiscard]] std::optional<Answer> perform() {
    const CURLcode code = curl_easy_perform(curl_);
    if (code == CURLE_OK) return std::nullopt;
    return Answer{Answer::Kind::later, std::nullopt, curl_easy_strerror(code)};
  }
  [[nodiscard]] long status() const {
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  /// Both forms of the field; libcurl reads them.
  [[nodiscard]] std::optional<Duration> retry_after() const {
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0) return std::nullopt;
    return std::chrono::seconds{std::min<curl_off_t>(seconds, 86'400)};
  }

 private:
  const std::stop_token& stop_;
  CURL* curl_;
  curl_slist* list_ = nullptr;
};

class HttpChannel final : public AlertChannel {
 public:
  enum class Body : std::uint8_t { webhook, slack, alertmanager };
  HttpChannel(std::string name, Body body, std::string url, Credentials credentials)
      : name_(std::move(name)), body_(body), url_(std::move(url)), credentials_(std::move(credentials)) {}

  Answer send(const std::vector<Note>& notes, const std::stop_token& stop) override {
    const std::string body = render(notes);
    Exchange exchange(stop);
    exchange.set(CURLOPT_URL, url_.c_str());
    exchange.set(CURLOPT_PROTOCOLS_STR, "http,https");
    exchange.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    exchange.set(CURLOPT_POSTFIELDS, body.c_str());
    exchange.add_to_list("Content-Type: application/json");
    exchange.set(CURLOPT_HTTPHEADER, exchange.list());
    exchange.set(CURLOPT_USERAGENT, "hotwell/" HOTWELL_VERSION);
    exchange.set(credentials_);
    if (auto failed = exchange.perform()) return *failed;
    const long status = exchange.status();
    if (status >= 200 && status < 300) return {};
    const bool may_pass = status == 408 || status == 425 || status == 429 || status >= 500;
    return {may_pass ? Answer::Kind::later : Answer::Kind::refused, exchange.retry_after(),
            fmt::format("the receiver answered with status {}", status)};
  }
  [[nodiscard]] bool forgets() const override { return body_ == Body::alertmanager; }

 private:
  [[nodiscard]] std::string render(const std::vector<Note>& notes) const {
    switch (body_) {
      case Body::webhook: return webhook_body(notes, name_);
      case Body::slack: return slack_body(notes);
      case Body::alertmanager: return alertmanager_body(notes);
    }
    return {};
  }

  const std::string name_;
  const Body body_;
  const std::string url_;
  const Credentials credentials_;
};

class EmailChannel final : public AlertChannel {
 public:
  EmailChannel(std::string url, Envelope envelope, Credentials credentials, const host::Clock& clock)
      : url_(std::move(url)), envelope_(std::move(envelope)), credentials_(std::move(credentials)), clock_(clock) {}

  Answer send(const std::vector<Note>& notes, const std::stop_token& stop) override {
    Reader reader{email_message(notes, envelope_, clock_.wall()), 0};
    Exchange exchange(stop);
    exchange.set(CURLOPT_URL, url_.c_str());
    exchange.set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    exchange.set(CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
    exchange.set(CURLOPT_MAIL_FROM, envelope_.from.c_str());
    for (const std::string& to : envelope_.to) exchange.add_to_list(to);
    exchange.set(CURLOPT_MAIL_RCPT, exchange.list());
    exchange.set(CURLOPT_UPLOAD, 1L);
    exchange.set(CURLOPT_READDATA, &reader);
    exchange.set(
        CURLOPT_READFUNCTION, +[](char* into, std::size_t size, std::size_t count, void* from) {
          return static_cast<Reader*>(from)->read(into, size * count);
        });
    exchange.set(credentials_);
    auto failed = exchange.perform();
    if (!failed) return {};
    // A reply of 5yz is for good. Source: RFC 5321, 4.2.1.
    const long reply = exchange.status();
    if (reply >= 400) failed->words = fmt::format("the mail server answered with {}", reply);
    if (reply >= 500) failed->kind = Answer::Kind::refused;
    return *failed;
  }

 private:
  struct Reader {
    std::string message;
    std::size_t at;
    std::size_t read(char* into, std::size_t room) {
      const std::size_t size = std::min(room, message.size() - at);
      std::copy_n(message.data() + at, size, into);
      at += size;
      return size;
    }
  };

  const std::string url_;
  const Envelope envelope_;
  const Credentials credentials_;
  const host::Clock& clock_;
};

/// HOTWELL_ALERTS_<NAME>_<WHAT>: letters in upper case, everything that is neither letter nor digit as "_".
std::string from_environment(std::string_view channel, std::string_view what) {
  std::string name = "HOTWELL_ALERTS_";
  for (const char c : channel) {
    if (c >= 'a' && c <= 'z')
      name += static_cast<char>(c - 'a' + 'A');
    else
      name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
  }
  name += fmt::format("_{}", what);
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

}  // namespace

Result<std::unique_ptr<AlertChannel>> make_channel(const ChannelOptions& options, const host::Clock& clock) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::invalid_argument, fmt::format("alert channel \"{}\": {}", options.name, what));
  };
  if (options.kind == "log") return std::make_unique<LogChannel>();
  std::string url = from_environment(options.name, "URL");
  if (url.empty()) url = options.url;
  Credentials credentials{options.username, from_environment(options.name, "PASSWORD")};
  if (!options.password_file.empty()) {
    std::ifstream file(options.password_file);
    if (!file) return wrong(fmt::format("its password file {} cannot be read", options.password_file.string()));
    credentials.password.assign(std::istreambuf_iterator<char>(file), {});
    while (credentials.password.ends_with('\n') || credentials.password.ends_with('\r'))
      credentials.password.pop_back();
  }
  static const bool initialized = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!initialized) return fail(Code::internal, "libcurl cannot be initialized");
  if (options.kind == "email") {
    if (!url.starts_with("smtp://") && !url.starts_with("smtps://"))
      return wrong("expected a url such as smtp://mail.example.org:587");
    if (options.from.empty() || options.to.empty()) return wrong("an email needs from and to");
    return std::make_unique<EmailChannel>(std::move(url), Envelope{options.from, options.to}, std::move(credentials),
                                          clock);
  }
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return wrong("expected a url that begins with http:// or https://");
  using Body = HttpChannel::Body;
  if (options.kind == "alertmanager") {
    constexpr std::string_view path = "/api/v2/alerts";
    if (!url.ends_with(path)) {
      while (url.ends_with('/')) url.pop_back();
      url += path;
    }
  }
  for (const auto& [kind, body] : {std::pair{"webhook", Body::webhook}, std::pair{"slack", Body::slack},
                                   std::pair{"alertmanager", Body::alertmanager}})
    if (options.kind == kind)
      return std::make_unique<HttpChannel>(options.name, body, std::move(url), std::move(credentials));
  return wrong(fmt::format(
      "there are no channels of kind \"{}\"; there are log, webhook, slack, email and alertmanager", options.kind));
}

}  // namespace hotwell::monitor
