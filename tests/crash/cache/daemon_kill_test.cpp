// The daemon is killed with -9 while objects are put and deleted over HTTP; the next one is held against what had been
// acknowledged. The last request of each life is never answered: it may have happened or not.
#include <map>
#include <optional>
#include <random>

#include "tests/crash/cache/points.hpp"
#include "tests/integration/cli/fixture.hpp"
#include "tests/integration/server/client.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::test {
namespace {

using DaemonKill = Cli;
using Value = std::optional<std::string>;

TEST_F(DaemonKill, ServesNoWrongBytesAndNothingThatWasDeleted) {
  std::mt19937_64 random(seed());
  std::map<std::string, Value> stored;
  std::uint64_t values = 0;
  const auto port = [&] { return static_cast<std::uint16_t>(std::stoi(url().substr(url().rfind(':') + 1))); };
  const auto make_value = [&] {
    // Collected in memory, written through, and in the stream tier.
    constexpr std::size_t sizes[] = {10, 3000, 70000, 400000, 5000000};
    auto value = std::to_string(++values) + ":";
    value.resize(value.size() + random() % sizes[random() % 16 == 0 ? 4 : random() % 4],
                 static_cast<char>('a' + values % 26));
    return value;
  };
  const auto lives = crash_points(5, 100);
  for (std::uint64_t life = 0; life < lives; ++life) {
    const auto daemon = serve({"--memory", "1MiB", "--disk", "64MiB"});
    Client client(port());
    for (auto& [key, value] : stored) {
      const auto got = client.ask("GET", "/v1/cache/" + key);
      if (value) {
        EXPECT_EQ(got.status, 200U) << key;
        EXPECT_TRUE(got.body == *value) << key << " has " << got.body.substr(0, 10) << " for " << value->substr(0, 10);
      } else {
        EXPECT_EQ(got.status, 404U) << key << " came back as " << got.body.substr(0, 10);
      }
    }
    if (HasFailure()) return;

    std::string last;
    std::optional<Value> unanswered;
    const auto operations = 20 + random() % 60;
    for (std::uint64_t i = 0; i <= operations; ++i) {
      const auto key = "key" + std::to_string(random() % 12);
      const bool deletes = random() % 3 == 0;
      Value value;
      if (!deletes) value = make_value();
      client.request(deletes ? "DELETE" : "PUT", "/v1/cache/" + key, "",
                     value ? std::optional<std::string_view>(*value) : std::nullopt);
      if (i == operations) {
        last = key;
        unanswered = std::move(value);
        break;
      }
      const auto reply = client.reply();
      EXPECT_LT(reply.status, deletes ? 405U : 205U);
      stored[key] = std::move(value);
    }
    daemon->signal(SIGKILL);
    EXPECT_EQ(daemon->wait().status, 128 + SIGKILL);

    // What became of the last one is only known now; and it stays so.
    const auto again = serve({"--memory", "1MiB", "--disk", "64MiB"});
    const auto got = Client(port()).ask("GET", "/v1/cache/" + last);
    const Value is = got.status == 200 ? Value(got.body) : Value();
    EXPECT_TRUE(is == stored[last] || is == *unanswered) << last << " has " << got.body.substr(0, 10);
    stored[last] = is;
    again->signal(SIGKILL);
    EXPECT_EQ(again->wait().status, 128 + SIGKILL);
  }
}

}  // namespace
}  // namespace hotwell::test
