#include "monitor/alert_desk.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "monitor/messages.hpp"
#include "monitor/testing_receiver.hpp"
#include "sim/clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;
using testing::Receiver;
using Http = Receiver::Speaks;

std::vector<AlertRule> rules() {
  AlertRule rule;
  rule.type = "cpu";
  rule.raise = 80;
  rule.clear = 72;
  rule.says = "CPU is at";
  rule.unit = "%";
  rule.grave = 85;
  return {rule};
}

AlertDesk::Channel channel(ChannelOptions options, const host::Clock& clock) {
  auto made = make_channel(options, clock);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return {options, std::move(*made)};
}

/// A desk with one rule and one channel. Its clock is the machine's where retries have to come due by themselves.
struct Desk {
  explicit Desk(ChannelOptions options, const std::filesystem::path& directory = {},
                const host::Clock& with = host::system_clock())
      : clock(with) {
    std::vector<AlertDesk::Channel> channels;
    channels.push_back(channel(std::move(options), clock));
    desk.emplace(rules(), "here", std::move(channels), directory, clock);
    desk->start();
  }
  void see(double value) { (void)desk->step({{"cpu", {value, 1}}}); }
  const host::Clock& clock;
  std::optional<AlertDesk> desk;
};

boost::json::object body_of(const std::string& request) {
  return boost::json::parse(request.substr(request.find("\r\n\r\n") + 4)).as_object();
}

TEST(AlertDesk, SecondsThatTrembleMakeNoAlertLate) {
  sim::FakeClock clock;
  auto all = rules();
  all[0].raise_for = 1s;
  AlertDesk desk(all, "here", {}, {}, clock);
  clock.advance(300us);
  EXPECT_TRUE(desk.step({{"cpu", {90, 1}}}).fired.empty());
  clock.advance(999'800us);
  EXPECT_EQ(desk.step({{"cpu", {90, 1}}}).fired.size(), 1U) << "a second has passed, all but 200 us";
}

TEST(Channels, AWebhookGetsAlertmanagersBody) {
  Receiver receiver(Http::http);
  Desk desk({.name = "team", .kind = "webhook", .url = receiver.url() + "/hook"});
  desk.see(90);
  desk.see(10);
  const auto received = receiver.wait_for(2);
  ASSERT_EQ(received.size(), 2U);
  EXPECT_TRUE(received[0].starts_with("POST /hook HTTP/1.1\r\n"));
  const auto fired = body_of(received[0]);
  EXPECT_EQ(fired.at("version").as_string(), "4");
  EXPECT_EQ(fired.at("status").as_string(), "firing");
  EXPECT_EQ(fired.at("receiver").as_string(), "team");
  const auto& alert = fired.at("alerts").as_array().at(0).as_object();
  EXPECT_EQ(alert.at("labels").at("alertname").as_string(), "cpu");
  EXPECT_EQ(alert.at("labels").at("severity").as_string(), "critical");
  EXPECT_EQ(alert.at("annotations").at("summary").as_string(), "CPU is at 90% (threshold 80%)");
  const auto resolved = body_of(received[1]);
  EXPECT_EQ(resolved.at("status").as_string(), "resolved");
  EXPECT_EQ(resolved.at("alerts").at(0).at("fingerprint"), alert.at("fingerprint"));
  EXPECT_EQ(resolved.at("alerts").at(0).at("startsAt"), alert.at("startsAt"));
}

TEST(Channels, SlackAndAlertmanagerGetTheirs) {
  Receiver slack(Http::http), alertmanager(Http::http);
  Desk to_slack({.name = "s", .kind = "slack", .url = slack.url() + "/T0/B0"});
  to_slack.see(90);
  EXPECT_NE(std::string(body_of(slack.wait_for(1).at(0)).at("text").as_string()).find("FIRING cpu"), std::string::npos);
  Desk to_alertmanager({.name = "a", .kind = "alertmanager", .url = alertmanager.url() + "/"});
  to_alertmanager.see(90);
  const auto request = alertmanager.wait_for(1).at(0);
  EXPECT_TRUE(request.starts_with("POST /api/v2/alerts HTTP/1.1\r\n"));
  const auto alerts = boost::json::parse(request.substr(request.find("\r\n\r\n") + 4)).as_array();
  EXPECT_EQ(alerts.at(0).at("labels").at("alertname").as_string(), "cpu");
  EXPECT_FALSE(alerts.at(0).as_object().contains("endsAt"));
}

TEST(Channels, AnEmailIsAWholeMessage) {
  Receiver receiver(Receiver::Speaks::smtp);
  Desk desk({.name = "mail",
             .kind = "email",
             .url = receiver.url(),
             .from = "hotwell@example.org",
             .to = {"ops@example.org", "boss@example.org"}});
  desk.see(90);
  const auto mails = receiver.wait_for(1);
  ASSERT_EQ(mails.size(), 1U);
  const std::string& mail = mails[0];
  for (const std::string_view part :
       {"MAIL FROM:<hotwell@example.org>", "RCPT TO:<ops@example.org>", "RCPT TO:<boss@example.org>",
        "Subject: [hotwell] FIRING cpu\n", "To: ops@example.org, boss@example.org\n", "Date: ", "CPU is at 90%"})
    EXPECT_NE(mail.find(part), std::string::npos) << part << " in\n" << mail;
}

TEST(Channels, WhatFailsIsTriedAgainInOrder) {
  Receiver receiver(Http::http);
  receiver.answer("503 Busy");
  Desk desk({.name = "team", .kind = "webhook", .url = receiver.url()});
  desk.see(90);
  desk.see(10);
  const auto received = receiver.wait_for(3);
  ASSERT_EQ(received.size(), 3U);
  EXPECT_EQ(body_of(received[0]).at("alerts"), body_of(received[1]).at("alerts")) << "the same again";
  EXPECT_EQ(body_of(received[2]).at("status").as_string(), "resolved");
}

TEST(Channels, ARetryAfterIsHonouredAndARefusalIsFinal) {
  Receiver receiver(Http::http);
  const sim::FakeClock clock;
  auto made = channel({.name = "team", .kind = "webhook", .url = receiver.url()}, clock);
  const std::stop_token never;
  receiver.answer("429 Slow down\r\nRetry-After: 7");
  const Answer later = made.speaks->send({Note{}}, never);
  EXPECT_EQ(later.kind, Answer::Kind::later);
  EXPECT_EQ(later.retry_after, 7s);
  receiver.answer("400 What");
  EXPECT_EQ(made.speaks->send({Note{}}, never).kind, Answer::Kind::refused);
  receiver.answer("302 Elsewhere\r\nLocation: http://127.0.0.1:1/");
  EXPECT_EQ(made.speaks->send({Note{}}, never).kind, Answer::Kind::refused) << "nobody is followed elsewhere";
  EXPECT_EQ(made.speaks->send({Note{}}, never).kind, Answer::Kind::delivered);
}

TEST(Channels, AMailServersNoIsFinalAndItsLaterIsNot) {
  Receiver receiver(Receiver::Speaks::smtp);
  auto made = channel({.name = "mail", .kind = "email", .url = receiver.url(), .from = "a@b", .to = {"c@d"}},
                      host::system_clock());
  const std::stop_token never;
  receiver.answer("450 later");
  EXPECT_EQ(made.speaks->send({Note{}}, never).kind, Answer::Kind::later);
  receiver.answer("550 nobody of that name");
  EXPECT_EQ(made.speaks->send({Note{}}, never).kind, Answer::Kind::refused);
}

TEST(Channels, SecretsComeFromFileOrEnvironmentAndAreInNoMessage) {
  Receiver receiver(Http::http);
  const test::TempDir directory;
  std::ofstream(directory.path() / "password") << "open sesame\n";
  Desk desk({.name = "team",
             .kind = "webhook",
             .url = receiver.url(),
             .username = "ali",
             .password_file = directory.path() / "password"});
  desk.see(90);
  EXPECT_NE(receiver.wait_for(1).at(0).find("Authorization: Basic YWxpOm9wZW4gc2VzYW1l\r\n"), std::string::npos);

  ::setenv("HOTWELL_ALERTS_CHAT_ROOM_URL", "http://127.0.0.1:1/secret-token", 1);
  auto made = channel({.name = "chat-room", .kind = "slack"}, host::system_clock());
  ::unsetenv("HOTWELL_ALERTS_CHAT_ROOM_URL");
  const Answer answer = made.speaks->send({Note{}}, std::stop_token{});
  EXPECT_EQ(answer.kind, Answer::Kind::later);
  EXPECT_FALSE(answer.words.empty());
  EXPECT_EQ(answer.words.find("secret-token"), std::string::npos);
  const auto missing = make_channel({.name = "x", .kind = "slack"}, host::system_clock());
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("alert channel \"x\""), std::string::npos);
  EXPECT_FALSE(make_channel({.name = "x", .kind = "email", .url = "http://x"}, host::system_clock()));
  EXPECT_FALSE(make_channel({.name = "x", .kind = "pigeon", .url = "http://x"}, host::system_clock()));
  EXPECT_FALSE(make_channel({.name = "x", .kind = "webhook", .url = "http://x", .password_file = "/nowhere/at/all"},
                            host::system_clock()));
}

TEST(AlertDesk, ATestSaysHowItWent) {
  Receiver receiver(Http::http);
  Desk desk({.name = "team", .kind = "webhook", .url = receiver.url()});
  const auto ask = [&](std::string_view name) {
    std::promise<Result<void>> answered;
    desk.desk->test(name, [&](Result<void> outcome) { answered.set_value(std::move(outcome)); });
    return answered.get_future().get();
  };
  EXPECT_TRUE(ask("team"));
  EXPECT_EQ(body_of(receiver.wait_for(1).at(0)).at("alerts").at(0).at("labels").at("alertname").as_string(), "test");
  receiver.answer("500 Broken");
  const auto failed = ask("team");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("status 500"), std::string::npos);
  EXPECT_EQ(ask("nobody").error().code, Code::not_found);
}

TEST(AlertDesk, WhatWasNotDeliveredIsDeliveredAfterARestart) {
  const test::TempDir directory;
  std::string first;
  {
    Receiver receiver(Http::http);
    receiver.answer("503 Busy\r\nRetry-After: 3600");
    Desk desk({.name = "team", .kind = "webhook", .url = receiver.url()}, directory.path());
    desk.see(90);
    first = receiver.wait_for(1).at(0);
  }
  Receiver receiver(Http::http);
  Desk desk({.name = "team", .kind = "webhook", .url = receiver.url()}, directory.path());
  const auto again = receiver.wait_for(1);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(body_of(again[0]).at("alerts"), body_of(first).at("alerts")) << "the same fingerprint and start";
  desk.see(90);
  desk.see(10);
  EXPECT_EQ(body_of(receiver.wait_for(2).at(1)).at("status").as_string(), "resolved")
      << "it fired on and was not told a second time";
}

TEST(AlertDesk, AfterAKillNothingIsLostAndOnlyWhatWasUnderWayIsRepeated) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer does not follow threads that a forked child starts";
#endif
  const test::TempDir directory;
  // The child is made while there is one thread: a copy of a process with more may find locks that nobody gives back.
  std::array<int, 2> tell{};
  ASSERT_EQ(::pipe2(tell.data(), O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::array<char, 256> url{};
    if (::read(tell[0], url.data(), url.size() - 1) <= 0) ::_exit(1);
    Desk desk({.name = "team", .kind = "webhook", .url = url.data()}, directory.path());
    desk.see(90);
    for (;;) ::pause();
  }
  Receiver receiver(Http::http);
  const std::string url = receiver.url();
  ASSERT_EQ(::write(tell[1], url.data(), url.size()), std::ssize(url));
  ::close(tell[0]);
  ::close(tell[1]);
  const auto before = receiver.wait_for(1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_EQ(before.size(), 1U);
  Desk desk({.name = "team", .kind = "webhook", .url = receiver.url()}, directory.path());
  desk.see(90);
  desk.see(10);
  // The kill fell before or after the answer was noted: the firing is told once or twice, its end once.
  std::vector<std::string> told;
  for (std::size_t count = 2; told.empty() || body_of(told.back()).at("status").as_string() != "resolved"; ++count) {
    told = receiver.wait_for(count);
    ASSERT_GE(told.size(), count);
  }
  ASSERT_LE(told.size(), 3U);
  for (const auto& each : told) {
    EXPECT_EQ(body_of(each).at("alerts").at(0).at("fingerprint"),
              body_of(told[0]).at("alerts").at(0).at("fingerprint"));
    EXPECT_EQ(body_of(each).at("alerts").at(0).at("startsAt"), body_of(told[0]).at("alerts").at(0).at("startsAt"));
  }
}

TEST(AlertDesk, SilencesSurviveARestartAndADamagedFileBeginsAnew) {
  const test::TempDir directory;
  const auto open = [&] {
    return std::make_unique<AlertDesk>(rules(), "here", std::vector<AlertDesk::Channel>{}, directory.path(),
                                       host::system_clock());
  };
  const auto tomorrow = host::system_clock().wall() + 24h;
  ASSERT_TRUE(open()->silence({.matchers = {{"alertname", "cpu"}}, .ends = tomorrow, .comment = "known"}));
  {
    const auto desk = open();
    ASSERT_EQ(desk->silences().size(), 1U);
    EXPECT_EQ(desk->silences()[0].comment, "known");
    EXPECT_EQ(desk->silences()[0].ends, tomorrow);
    (void)desk->step({{"cpu", {90.0, 1}}});
    EXPECT_EQ(desk->statuses()[0].silenced_by, desk->silences()[0].id);
  }
  for (const std::string_view damage : {"", "{", "[]", R"({"version":1})", R"({"version":2,"alerts":[]})"}) {
    std::ofstream(directory.path() / "alerts.json") << damage;
    EXPECT_TRUE(open()->silences().empty()) << damage;
  }
}

TEST(AlertDesk, TheLedgerKeepsEverything) {
  const test::TempDir directory;
  const auto file = directory.path() / "alerts.json";
  const WallTime time = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1} + 1us;
  Note note{true, {{"alertname", "cpu"}}, {{"summary", "gr\xc3\xbc\xc3\x9f \"x\""}}, time, time + 1s, "ff"};
  const AlertLedger written{{{"cpu", AlertState::clearing, time, time, Severity::critical, 81.5, true}},
                            {{"id", {{"severity", "warning"}}, time, time + 1h, "me", "why"}},
                            {{1, "team", {note}, time}}};
  ASSERT_TRUE(write_ledger(file, written));
  const auto read = read_ledger(file);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->alerts[0].state, AlertState::clearing);
  EXPECT_EQ(read->alerts[0].since, time);
  EXPECT_EQ(read->alerts[0].value, 81.5);
  EXPECT_EQ(read->silences[0].matchers, written.silences[0].matchers);
  EXPECT_EQ(read->deliveries[0].notes[0], note);
  EXPECT_FALSE(write_ledger(directory.path() / "no" / "where", written));
}

TEST(Channels, ComeAndGoWhileTheDeskSpeaks) {
  Receiver first(Http::http), second(Http::http);
  const ChannelOptions one{.name = "one", .kind = "webhook", .url = first.url()};
  const ChannelOptions other{.name = "other", .kind = "webhook", .url = second.url()};
  Desk desk(one);
  const auto set = [&](const std::vector<ChannelOptions>& to) {
    std::vector<AlertDesk::Channel> channels;
    for (const auto& options : to) channels.push_back(channel(options, desk.clock));
    desk.desk->set_channels(std::move(channels));
  };
  desk.see(90);
  (void)first.wait_for(1);
  set({one, other});
  EXPECT_EQ(body_of(second.wait_for(1).at(0)).at("status").as_string(), "firing")
      << "it hears what fires when it comes";
  ASSERT_EQ(desk.desk->channels().size(), 2U);
  set({other});
  ASSERT_EQ(desk.desk->channels().size(), 1U);
  desk.see(10);
  EXPECT_EQ(body_of(second.wait_for(2).at(1)).at("status").as_string(), "resolved");
  EXPECT_EQ(first.wait_for(1).size(), 1U) << "who left hears nothing more";
  std::promise<Result<void>> tested;
  desk.desk->test("one", [&](Result<void> outcome) { tested.set_value(std::move(outcome)); });
  EXPECT_EQ(tested.get_future().get().error().code, Code::not_found);
}

TEST(Channels, OneThatIsCorrectedTakesWhatWaitedForIt) {
  Receiver receiver(Http::http);
  receiver.answer("503 Busy\r\nRetry-After: 3600");
  ChannelOptions options{.name = "team", .kind = "webhook", .url = receiver.url() + "/wrong"};
  Desk desk(options);
  desk.see(90);
  (void)receiver.wait_for(1);
  options.url = receiver.url() + "/right";
  std::vector<AlertDesk::Channel> channels;
  channels.push_back(channel(options, desk.clock));
  desk.desk->set_channels(std::move(channels));
  EXPECT_TRUE(receiver.wait_for(2).at(1).starts_with("POST /right HTTP/1.1\r\n"))
      << "at once, not in the hour that the wrong one asked for";
}

}  // namespace
}  // namespace hotwell::monitor
