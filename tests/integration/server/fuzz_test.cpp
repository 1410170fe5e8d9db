// Whatever bytes arrive, the daemon lives and answers the next client.
#include <random>

#include "fixture.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::test {
namespace {

class FuzzTest : public ServerTest {};

TEST_F(FuzzTest, AnyBytesLeaveTheServerAlive) {
  config_.server.max_body = Bytes{1 << 20};
  config_.server.header_timeout = std::chrono::milliseconds{200};
  config_.server.idle_timeout = std::chrono::milliseconds{200};
  open();
  std::mt19937_64 random{seed()};
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::string seeds[] = {
      "GET /media/upper/notes.txt?x=1 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-4,-2\r\n\r\n",
      "PUT /v1/cache/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nX-Hotwell-Meta-A: b\r\n\r\n0123456789",
      "GET /v1/cache/key HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"a\", W/\"b\"\r\nIf-Range: \"x\"\r\n\r\n",
      "POST /v1/jobs?wait=1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "20\r\n{\"operation\":\"upper\",\"params\":{}}\r\n0\r\n\r\n",
      "GET /v1/jobs?limit=5&state=queued HTTP/1.1\r\nHost: localhost\r\nCookie: hotwell_session=x\r\n\r\n",
      "POST /v1/session HTTP/1.1\r\nHost: [::1]:80\r\nOrigin: http://localhost\r\nContent-Length: "
      "13\r\n\r\n{\"token\":\"x\"}",
  };
  for (int round = 0; round < 150; ++round) {
    std::string bytes;
    for (std::size_t i = 0, n = 1 + below(3); i < n; ++i) bytes += seeds[below(std::size(seeds))];
    for (std::size_t i = 0, n = below(12); i < n; ++i) {
      const auto at = below(bytes.size());
      switch (below(4)) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.erase(at, below(20)); break;
        case 2: bytes.insert(at, bytes.substr(below(bytes.size()), below(40))); break;
        default: bytes.insert(at, 1, "\r\n %:;\0,="[below(9)]); break;
      }
      if (bytes.empty()) break;
    }
    Client client(port_);
    client.send(bytes);
    if (below(2) == 0) {
      client.abort();
    } else {
      client.half_close();
      EXPECT_TRUE(client.closed()) << "round " << round;
    }
  }
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(get("/media/upper/notes.txt").body, "SOME NOTES\n");
}

}  // namespace
}  // namespace hotwell::test
