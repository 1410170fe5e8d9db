#include "media/geometry.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace hotwell::media {
namespace {

std::array<std::int32_t, 9> matrix(int a, int b, int c, int d) {
  constexpr int one = 1 << 16;
  return {a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30};
}

TEST(Geometry, ReadsTheEightOrientationsFromDisplayMatrices) {
  EXPECT_EQ(orientation_of(matrix(1, 0, 0, 1).data()).exif, 1);
  EXPECT_EQ(orientation_of(matrix(-1, 0, 0, 1).data()).exif, 2);
  EXPECT_EQ(orientation_of(matrix(-1, 0, 0, -1).data()).exif, 3);
  EXPECT_EQ(orientation_of(matrix(1, 0, 0, -1).data()).exif, 4);
  EXPECT_EQ(orientation_of(matrix(0, 1, 1, 0).data()).exif, 5);
  EXPECT_EQ(orientation_of(matrix(0, 1, -1, 0).data()).exif, 6);
  EXPECT_EQ(orientation_of(matrix(0, -1, -1, 0).data()).exif, 7);
  EXPECT_EQ(orientation_of(matrix(0, -1, 1, 0).data()).exif, 8);
}

TEST(Geometry, AnAllZeroMatrixTurnsNothing) { EXPECT_EQ(orientation_of(matrix(0, 0, 0, 0).data()).exif, 1); }

TEST(Geometry, SaysTurnsInDegreesAndMirrors) {
  EXPECT_EQ(Orientation{6}.clockwise(), 90);
  EXPECT_EQ(Orientation{3}.clockwise(), 180);
  EXPECT_EQ(Orientation{8}.clockwise(), 270);
  EXPECT_FALSE(Orientation{6}.mirrored());
  EXPECT_TRUE(Orientation{5}.mirrored());
}

TEST(Geometry, ShownSizeHasSquarePixelsAndLosesNone) {
  EXPECT_EQ(shown_size({720, 576}, {16, 11}, {1}), (Size{1047, 576}));
  EXPECT_EQ(shown_size({1440, 1080}, {4, 3}, {1}), (Size{1920, 1080}));
  EXPECT_EQ(shown_size({720, 480}, {8, 9}, {1}), (Size{720, 540}));
  EXPECT_EQ(shown_size({640, 360}, {1, 1}, {6}), (Size{360, 640}));
  EXPECT_EQ(shown_size({640, 360}, {0, 0}, {1}), (Size{640, 360}));
}

TEST(Geometry, ContainKeepsTheWholeAndNeverEnlarges) {
  EXPECT_EQ(shape_for({640, 360}, {}, {1}, {.width = 320}).shown, (Size{320, 180}));
  EXPECT_EQ(shape_for({640, 360}, {}, {1}, {.height = 90}).shown, (Size{160, 90}));
  EXPECT_EQ(shape_for({640, 360}, {}, {1}, {.width = 100, .height = 100}).shown, (Size{100, 56}));
  EXPECT_EQ(shape_for({640, 360}, {}, {1}, {.width = 2000}).shown, (Size{640, 360}));
  EXPECT_EQ(shape_for({640, 360}, {}, {1}, {}).shown, (Size{640, 360}));
  EXPECT_EQ(shape_for({1, 4000}, {}, {1}, {.height = 100}).shown, (Size{1, 100}));
}

TEST(Geometry, TheBoxIsMeantForTheUprightPicture) {
  const Shape shape = shape_for({640, 360}, {}, {6}, {.width = 90});
  EXPECT_EQ(shape.shown, (Size{90, 160}));
  EXPECT_EQ(shape.scaled, (Size{160, 90}));
}

TEST(Geometry, CoverFillsTheBoxFromTheMiddle) {
  const Shape wide = shape_for({640, 360}, {}, {1}, {.width = 100, .height = 100, .fit = Fit::cover});
  EXPECT_EQ(wide.shown, (Size{100, 100}));
  EXPECT_EQ(wide.source, (Rect{140, 0, 360, 360}));
  const Shape turned = shape_for({640, 360}, {}, {8}, {.width = 360, .height = 320, .fit = Fit::cover});
  EXPECT_EQ(turned.shown, (Size{360, 320}));
  EXPECT_EQ(turned.source, (Rect{160, 0, 320, 360}));
  const Shape larger = shape_for({64, 36}, {}, {1}, {.width = 128, .height = 128, .fit = Fit::cover});
  EXPECT_EQ(larger.shown, (Size{128, 128}));
}

TEST(Geometry, CoverWithOneSideIsContain) {
  EXPECT_EQ(shape_for({640, 360}, {}, {1}, {.width = 320, .fit = Fit::cover}).shown, (Size{320, 180}));
}

}  // namespace
}  // namespace hotwell::media
