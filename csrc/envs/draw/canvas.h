// A small software rasteriser for pictures of environments: boxes, discs, rings, thick lines and
// convex polygons, with smooth edges.
//
// A scene has whole-numbered units of the caller's choice, x to the right and y down; the canvas
// fits it into a square picture. Everything is integer arithmetic in 1/256 of a pixel (roots are
// taken of whole numbers, which IEEE rounds one way), so a picture has the same bytes on every
// machine. Draws into the caller's memory, never allocates; thread-safe for distinct pictures.
// Cost: a few nanoseconds a covered pixel.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace rollout::draw {

struct Color {
  std::uint8_t red, green, blue;
  std::uint8_t alpha = 255;

  constexpr Color Faded(int percent) const {
    return {red, green, blue, static_cast<std::uint8_t>(alpha * percent / 100)};
  }
  // towards another colour, by percent
  constexpr Color Mixed(Color other, int percent) const {
    const auto mix = [percent](int from, int to) {
      return static_cast<std::uint8_t>(from + (to - from) * percent / 100);
    };
    return {mix(red, other.red), mix(green, other.green), mix(blue, other.blue), alpha};
  }
  constexpr Color Darker(int percent) const { return Mixed({0, 0, 0}, percent); }
  constexpr Color Lighter(int percent) const { return Mixed({255, 255, 255}, percent); }
};

struct Point {
  int x, y;
};

class Canvas {
 public:
  static constexpr int kMostCorners = 8;

  // `size` pixels a side; rgb: [size, size, 3]. The scene lies in the middle of the picture, as
  // large as fits; everything is painted with `ground`.
  Canvas(int size, std::uint8_t* rgb, int scene_width, int scene_height, Color ground);

  // Units a pixel, rounded up: what is thinner than this is drawn one pixel thick all the same.
  int pixel() const { return static_cast<int>((den_ + size_ - 1) / size_); }

  // Moves the origin of what is drawn from now on.
  void MoveTo(int x, int y) { origin_ = {x, y}; }

  // A box whose edges fall on whole pixels, so that tiles side by side meet without a seam.
  void Tile(int x, int y, int width, int height, Color color);
  // A box where it says, with corners rounded by `round`.
  void Box(int x, int y, int width, int height, Color color, int round = 0);
  void Disc(int x, int y, int radius, Color color);
  // `width` thick, half of it to either side of the circle.
  void Ring(int x, int y, int radius, int width, Color color);
  // From one point to the other, with round ends.
  void Line(Point from, Point to, int width, Color color);
  // Convex, either way round; at most kMostCorners.
  void Polygon(std::initializer_list<Point> corners, Color color) {
    Polygon(corners.begin(), static_cast<int>(corners.size()), color);
  }
  void Polygon(const Point* corners, int count, Color color);

 private:
  struct Range {
    int x0, y0, x1, y1;  // pixels, the last ones exclusive
  };

  std::int64_t X(int x) const { return left_ + Scale(origin_.x + x); }
  std::int64_t Y(int y) const { return top_ + Scale(origin_.y + y); }
  std::int64_t Scale(int units) const;
  std::int64_t Thick(int units) const;
  Range Around(std::int64_t x0, std::int64_t y0, std::int64_t x1, std::int64_t y1) const;
  void Blend(int x, int y, Color color, std::int64_t cover);
  // paints where `outside(x, y)`, in 1/256 pixels, is not positive; half of the edge pixels' width
  void Shade(const Range& range, Color color, const auto& outside);

  int size_;
  std::uint8_t* rgb_;
  std::int64_t den_;  // units that span the picture
  std::int64_t left_, top_;
  Point origin_{0, 0};
};

}  // namespace rollout::draw
