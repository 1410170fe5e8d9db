#include "server/body_sender.hpp"

#include <mutex>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "cache/object.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::server {
namespace {

using Step = BodySender::Step;
using Send = BodySender::Send;

std::string random_text(std::size_t size) {
  std::mt19937_64 random{hotwell::test::seed()};
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

FileHandle file_of(std::string_view text) {
  FileHandle file(::memfd_create("body", MFD_CLOEXEC));
  EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return file;
}

class Made final : public Growing {
 public:
  explicit Made(std::string_view text) : file_(file_of(text)) {}
  std::uint64_t generation() const override { return 1; }
  std::uint64_t watermark() const override { return mark; }
  State state() const override { return now; }
  Error error() const override { return {Code::crashed, "gone"}; }
  std::string content_type() const override { return "text/plain"; }
  int fd() const override { return file_.get(); }
  void on_change(std::uint64_t, std::function<void()>) override {}
  std::shared_ptr<Growing> reader(std::uint64_t) override { return nullptr; }
  void passed(std::uint64_t offset) override { sent = offset; }

  std::uint64_t sent = 0;
  std::uint64_t mark = 0;
  State now = State::growing;

 private:
  FileHandle file_;
};

// Both ends of a connection; what the sender sent is collected at the other end.
class BodySenderTest : public testing::Test {
 protected:
  BodySenderTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    near_ = FileHandle(ends[0]);
    far_ = FileHandle(ends[1]);
  }

  void drain() {
    char bytes[65536];
    for (ssize_t n = 0; (n = ::read(far_.get(), bytes, sizeof bytes)) > 0;)
      got_.append(bytes, static_cast<std::size_t>(n));
  }
  // Steps until the sender needs something other than a reader.
  Step run() {
    for (;;) {
      const auto step = sender_.step(near_.get());
      drain();
      if (step == Step::unready) {
        const auto part = sender_.unready();
        made_ready_.push_back({part.offset, part.length});
        sender_.made_ready();
      } else if (step != Step::yielded && step != Step::blocked) {
        return step;
      }
    }
  }

  FileHandle near_;
  FileHandle far_;
  BodySender sender_;
  std::string got_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> made_ready_;
};

TEST_F(BodySenderTest, GathersHeadAndTexts) {
  Answer answer(200);
  for (int i = 0; i < 40; ++i) answer.parts.emplace_back(std::to_string(i) + ",");
  answer.parts.emplace_back(Buffer::copy_of("end"));
  sender_.new_head() = "HEAD\r\n\r\n";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::done);
  EXPECT_TRUE(got_.starts_with("HEAD\r\n\r\n0,1,2,")) << got_;
  EXPECT_TRUE(got_.ends_with("38,39,end")) << got_;
}

TEST_F(BodySenderTest, SendsHeadAlone) {
  Answer answer(200);
  answer.parts.emplace_back(std::string("body"));
  sender_.new_head() = "HEAD\r\n\r\n";
  sender_.start(std::move(answer), Send::head_only);
  EXPECT_EQ(run(), Step::done);
  EXPECT_EQ(got_, "HEAD\r\n\r\n");
}

TEST_F(BodySenderTest, SendsNoByteOfAFileBeforeItIsVerified) {
  const auto text = random_text(3'500'000);
  const auto file = file_of("before" + text);
  Answer answer(206);
  answer.parts.emplace_back(std::string("<"));
  answer.parts.emplace_back(FilePart{{}, file.get(), 6 + 100, text.size() - 200, 6});
  answer.parts.emplace_back(std::string(">"));
  answer.parts.emplace_back(FilePart{{}, file.get(), 6, 10, 6});
  sender_.new_head() = "H\r\n\r\n";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::done);
  EXPECT_TRUE(got_ == "H\r\n\r\n<" + text.substr(100, text.size() - 200) + ">" + text.substr(0, 10));
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected{{100, 1 << 20},
                                                                      {100 + (1 << 20), 1 << 20},
                                                                      {100 + (2 << 20), 1 << 20},
                                                                      {100 + (3 << 20), text.size() - 200 - (3 << 20)},
                                                                      {0, 10}};
  EXPECT_EQ(made_ready_, expected);
}

TEST_F(BodySenderTest, WhatIsVerifiedAndInMemoryIsSentAtOnce) {
  const auto text = random_text(2'500'000);
  const auto file = file_of(text);
  const auto object = cache::Description::object(cache::describe({.key = "k"}), Level::stream, Buffer());
  Answer answer(200);
  answer.parts.emplace_back(FilePart{object, file.get(), 0, text.size(), 0});
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::done);
  EXPECT_TRUE(got_ == "H" + text);
  EXPECT_TRUE(made_ready_.empty());
}

TEST_F(BodySenderTest, WhatIsNotInMemoryIsReadInFirst) {
  const auto file = file_of("begin");
  constexpr std::uint64_t size = 3 << 20;
  ASSERT_EQ(::ftruncate(file.get(), size), 0);  // a hole has no pages
  const auto object = cache::Description::object(cache::describe({.key = "k"}), Level::stream, Buffer());
  Answer answer(200);
  answer.parts.emplace_back(FilePart{object, file.get(), 0, size, 0});
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::done);
  EXPECT_EQ(got_.size(), size + 1);
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected{
      {0, 1 << 20}, {1 << 20, 1 << 20}, {2 << 20, 1 << 20}};
  EXPECT_EQ(made_ready_, expected);
}

TEST_F(BodySenderTest, WaitsForASlowReader) {
  const auto text = random_text(4'000'000);
  Answer answer(200);
  answer.parts.emplace_back(Buffer::copy_of(text));
  sender_.new_head() = "";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(sender_.step(near_.get()), Step::blocked);
  EXPECT_EQ(run(), Step::done);
  EXPECT_TRUE(got_ == text);
}

TEST_F(BodySenderTest, NeverEndsAFileThatIsShorterThanItWasSaid) {
  const auto file = file_of("short");
  Answer answer(200);
  answer.parts.emplace_back(FilePart{{}, file.get(), 0, 10, std::nullopt});
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::broken);
}

TEST_F(BodySenderTest, NoticesAReaderThatIsGone) {
  far_ = FileHandle();
  Answer answer(200);
  answer.parts.emplace_back(std::string("x"));
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::broken);
}

TEST_F(BodySenderTest, FollowsAGrowingResultToItsEnd) {
  const auto made = std::make_shared<Made>("hello world");
  Answer answer(200);
  answer.follow = follow_growing(made);
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::starved);
  EXPECT_EQ(got_, "H");
  made->mark = 5;
  EXPECT_EQ(run(), Step::starved);
  EXPECT_EQ(got_, "H5\r\nhello\r\n");
  EXPECT_EQ(made->sent, 5U) << "and may be let go";
  made->mark = 11;
  made->now = Growing::State::sealed;
  EXPECT_EQ(run(), Step::done);
  EXPECT_EQ(got_, "H5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
}

TEST_F(BodySenderTest, EndsAnEmptyGrowingResult) {
  const auto made = std::make_shared<Made>("");
  made->now = Growing::State::sealed;
  Answer answer(200);
  answer.follow = follow_growing(made);
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::done);
  EXPECT_EQ(got_, "H0\r\n\r\n");
}

TEST_F(BodySenderTest, NeverEndsAnAbandonedResultAsIfItWereWhole) {
  const auto made = std::make_shared<Made>("hello world");
  made->mark = 5;
  Answer answer(200);
  answer.follow = follow_growing(made);
  sender_.new_head() = "H";
  sender_.start(std::move(answer), Send::all);
  EXPECT_EQ(run(), Step::starved);
  made->now = Growing::State::abandoned;
  made->mark = 11;
  EXPECT_EQ(run(), Step::broken);
  EXPECT_EQ(got_, "H5\r\nhello\r\n");
}

}  // namespace
}  // namespace hotwell::server
