#include "base/digest.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hotwell::base {
namespace {

std::string sha256(std::initializer_list<std::string_view> pieces) {
  Sha256 digest;
  for (const auto piece : pieces) digest.add(piece);
  return digest.hex();
}

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-2, appendix B
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256({"abc"}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"}),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

RC_GTEST_PROP(Sha256, PiecesAddUpToTheWhole, (const std::string& text)) {
  const auto cut = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  RC_ASSERT(sha256({std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)}) == sha256({text}));
}

RC_GTEST_PROP(Sha256, FieldsDoNotRunIntoEachOther, (const std::string& text)) {
  const auto of_fields = [](std::string_view a, std::string_view b) {
    Sha256 digest;
    digest.add_field(a);
    digest.add_field(b);
    return digest.hex();
  };
  const std::string_view whole = text;
  const auto cut = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  const auto other = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  const bool same =
      of_fields(whole.substr(0, cut), whole.substr(cut)) == of_fields(whole.substr(0, other), whole.substr(other));
  RC_ASSERT(same == (cut == other));
}

TEST(Sha256, MovesWithItsState) {
  Sha256 first;
  first.add("ab");
  Sha256 second = std::move(first);
  second.add("c");
  EXPECT_EQ(second.hex(), sha256({"abc"}));
}

TEST(Xxh3, MatchesThePublishedVectors) {  // of the empty input with seed 0
  EXPECT_EQ(xxh3_64({}), 0x2d06800538d394c2ULL);
  EXPECT_EQ(xxh3_128_hex({}), "99aa06d3014798d86001c324468d497f");
}

}  // namespace
}  // namespace hotwell::base
