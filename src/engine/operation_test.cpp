#include "engine/operation.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace hotwell::engine {
namespace {

Operation media_operation(std::string_view name) {
  for (auto& operation : media_operations())
    if (operation.name == name) return operation;
  ADD_FAILURE() << "no operation " << name;
  return {};
}

std::string key_of(const Operation& operation, const Params& params, std::string_view identity = "file:1") {
  const auto canonical = canonicalize(operation, params);
  EXPECT_TRUE(canonical) << to_string(canonical.error());
  return result_key(operation, *canonical, identity);
}

TEST(Canonicalize, SameMeaningIsTheSameResult) {
  const auto thumbnail = media_operation("thumbnail");
  const auto key = key_of(thumbnail, {{"at", 3.0}, {"width", 320.0}});
  EXPECT_EQ(key, key_of(thumbnail, {{"at", std::string("3")}, {"width", std::string("320")}}));
  EXPECT_EQ(key, key_of(thumbnail, {{"at", std::string("3.0")}, {"width", 320.0}, {"fit", std::string("contain")}}));
  EXPECT_NE(key, key_of(thumbnail, {{"at", 3.5}, {"width", 320.0}}));
  EXPECT_NE(key, key_of(thumbnail, {{"at", 3.0}, {"width", 320.0}}, "file:2"));
  EXPECT_NE(key_of(thumbnail, {{"at", std::string("3%")}}), key_of(thumbnail, {{"at", 3.0}}));
}

TEST(Canonicalize, FillsInDefaultsAndSortsNames) {
  const auto canonical = canonicalize(media_operation("thumbnail"), {{"width", 64.0}});
  ASSERT_TRUE(canonical);
  EXPECT_EQ(canonical->json, R"({"at":"10%","fit":"contain","format":"jpeg","height":0,"quality":85,"width":64})");
}

TEST(Canonicalize, RefusesWhatDoesNotFitAndSaysWhatWould) {
  const auto thumbnail = media_operation("thumbnail");
  const std::vector<Params> refused{{{"width", -1.0}},
                                    {{"width", 1e9}},
                                    {{"width", 1.5}},
                                    {{"width", std::string("wide")}},
                                    {{"at", -3.0}},
                                    {{"at", 1e300}},
                                    {{"at", std::string("101%")}},
                                    {{"at", std::string("NaN")}},
                                    {{"at", std::string("inf")}},
                                    {{"at", std::string("")}},
                                    {{"quality", 0.0}},
                                    {{"fit", std::string("stretch")}},
                                    {{"format", true}},
                                    {{"hight", 3.0}}};
  for (const auto& params : refused) {
    const auto canonical = canonicalize(thumbnail, params);
    ASSERT_FALSE(canonical) << params.begin()->first;
    EXPECT_EQ(canonical.error().code, Code::invalid_argument);
    EXPECT_NE(canonical.error().message.find(params.begin()->first), std::string::npos) << canonical.error().message;
  }
}

TEST(Canonicalize, FreeParametersAgreeAcrossTheirTypes) {
  const auto operation = configured_operation({.name = "upper", .argv = {"true"}});
  ASSERT_TRUE(operation) << to_string(operation.error());
  EXPECT_EQ(key_of(*operation, {{"n", 3.0}, {"flag", true}}),
            key_of(*operation, {{"n", std::string("3")}, {"flag", std::string("true")}}));
}

TEST(ConfiguredOperation, VersionFollowsTableAndProgram) {
  const OperationConfig config{.name = "upper", .argv = {"tr", "a-z", "A-Z"}};
  const auto first = configured_operation(config);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->version, configured_operation(config)->version);
  auto other = config;
  other.argv[1] = "a-y";
  EXPECT_NE(first->version, configured_operation(other)->version);
  other = config;
  other.version = "2";
  EXPECT_NE(first->version, configured_operation(other)->version);
}

TEST(ConfiguredOperation, AMissingProgramIsNamed) {
  const auto operation = configured_operation({.name = "odd", .argv = {"no-such-program-here"}});
  ASSERT_FALSE(operation);
  EXPECT_EQ(operation.error().code, Code::not_found);
  EXPECT_NE(operation.error().message.find("no-such-program-here"), std::string::npos);
}

// The original keyed thumbnails by base name, so files collided.
TEST(Regression, ThumbnailsAreNotKeyedByBaseName) {
  const auto thumbnail = media_operation("thumbnail");
  EXPECT_NE(key_of(thumbnail, {}, "file:8:100:5000:1.000000000:1.000000000"),
            key_of(thumbnail, {}, "file:8:101:5000:1.000000000:1.000000000"));
}

}  // namespace
}  // namespace hotwell::engine
