#include "envs/draw/canvas.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace rollout::draw {
namespace {

constexpr std::int64_t kPixel = 256, kHalf = kPixel / 2;

// the root of a whole number below 2^52, rounded down: the double's root is within half a unit in
// the last place, and equal on all machines
std::int64_t Root(std::int64_t square) {
  return static_cast<std::int64_t>(std::sqrt(static_cast<double>(square)));
}

std::int64_t Length(std::int64_t x, std::int64_t y) { return Root(x * x + y * y); }

// a unit vector in 1/2^20: projecting on it needs no division
struct Direction {
  static constexpr int kBits = 20;
  std::int64_t x, y, length;

  Direction(std::int64_t dx, std::int64_t dy) : length(std::max<std::int64_t>(Length(dx, dy), 1)) {
    x = (dx << kBits) / length;
    y = (dy << kBits) / length;
  }
  std::int64_t Along(std::int64_t dx, std::int64_t dy) const { return (x * dx + y * dy) >> kBits; }
  std::int64_t Across(std::int64_t dx, std::int64_t dy) const { return (x * dy - y * dx) >> kBits; }
};

}  // namespace

Canvas::Canvas(int size, std::uint8_t* rgb, int scene_width, int scene_height, Color ground)
    : size_(size), rgb_(rgb), den_(std::max(scene_width, scene_height)), left_(0), top_(0) {
  left_ = (size * kPixel - Scale(scene_width)) / 2;
  top_ = (size * kPixel - Scale(scene_height)) / 2;
  for (int x = 0; x < size; ++x) {
    rgb[x * 3] = ground.red;
    rgb[x * 3 + 1] = ground.green;
    rgb[x * 3 + 2] = ground.blue;
  }
  for (std::ptrdiff_t y = 1; y < size; ++y) std::copy_n(rgb, size * 3, rgb + y * size * 3);
}

std::int64_t Canvas::Scale(int units) const {
  const std::int64_t scaled = units * kPixel * size_;
  return (scaled + (scaled < 0 ? -den_ : den_) / 2) / den_;
}

std::int64_t Canvas::Thick(int units) const { return std::max(Scale(units), kPixel); }

Canvas::Range Canvas::Around(std::int64_t x0, std::int64_t y0, std::int64_t x1,
                             std::int64_t y1) const {
  const auto low = [this](std::int64_t at) {
    return static_cast<int>(std::clamp<std::int64_t>((at - kHalf) >> 8, 0, size_));
  };
  const auto high = [this](std::int64_t at) {
    return static_cast<int>(std::clamp<std::int64_t>((at + kHalf + kPixel - 1) >> 8, 0, size_));
  };
  return {low(x0), low(y0), high(x1), high(y1)};
}

// cover: 0 .. 256
void Canvas::Blend(int x, int y, Color color, std::int64_t cover) {
  std::uint8_t* const pixel = rgb_ + (std::ptrdiff_t{y} * size_ + x) * 3;
  const auto weight = static_cast<int>(cover * (color.alpha + (color.alpha >> 7)) >> 8);
  if (weight == kPixel) {
    pixel[0] = color.red;
    pixel[1] = color.green;
    pixel[2] = color.blue;
    return;
  }
  const auto mix = [weight](std::uint8_t& to, int from) {
    to = static_cast<std::uint8_t>(to + (((from - to) * weight + 128) >> 8));
  };
  mix(pixel[0], color.red);
  mix(pixel[1], color.green);
  mix(pixel[2], color.blue);
}

void Canvas::Shade(const Range& range, Color color, const auto& outside) {
  for (int y = range.y0; y < range.y1; ++y) {
    for (int x = range.x0; x < range.x1; ++x) {
      const std::int64_t cover = kHalf - outside(x * kPixel + kHalf, y * kPixel + kHalf);
      if (cover > 0) Blend(x, y, color, std::min(cover, kPixel));
    }
  }
}

void Canvas::Tile(int x, int y, int width, int height, Color color) {
  const auto whole = [this](std::int64_t at) {
    return static_cast<int>(std::clamp<std::int64_t>((at + kHalf) >> 8, 0, size_));
  };
  const int x0 = whole(X(x)), x1 = whole(X(x + width));
  const int y0 = whole(Y(y)), y1 = whole(Y(y + height));
  for (int row = y0; row < y1; ++row) {
    for (int col = x0; col < x1; ++col) Blend(col, row, color, kPixel);
  }
}

void Canvas::Box(int x, int y, int width, int height, Color color, int round) {
  const std::int64_t x0 = X(x), x1 = X(x + width), y0 = Y(y), y1 = Y(y + height);
  const Range range = Around(x0, y0, x1, y1);
  if (round == 0) {
    // how much of each pixel the box covers, exactly
    const auto shared = [](int at, std::int64_t from, std::int64_t to) {
      const std::int64_t pixel = at * kPixel;
      return std::max<std::int64_t>(std::min(to, pixel + kPixel) - std::max(from, pixel), 0);
    };
    for (int row = range.y0; row < range.y1; ++row) {
      const std::int64_t high = shared(row, y0, y1);
      for (int col = range.x0; col < range.x1; ++col) {
        Blend(col, row, color, high * shared(col, x0, x1) >> 8);
      }
    }
    return;
  }
  const std::int64_t corner = std::min({Scale(round), (x1 - x0) / 2, (y1 - y0) / 2});
  const std::int64_t half_x = (x1 - x0) / 2 - corner, half_y = (y1 - y0) / 2 - corner;
  const std::int64_t middle_x = (x0 + x1) / 2, middle_y = (y0 + y1) / 2;
  Shade(range, color, [&](std::int64_t at_x, std::int64_t at_y) {
    const std::int64_t dx = std::abs(at_x - middle_x) - half_x;
    const std::int64_t dy = std::abs(at_y - middle_y) - half_y;
    return (dx > 0 && dy > 0 ? Length(dx, dy) : std::max(dx, dy)) - corner;
  });
}

void Canvas::Disc(int x, int y, int radius, Color color) {
  const std::int64_t at_x = X(x), at_y = Y(y), r = std::max(Scale(radius), kHalf);
  Shade(Around(at_x - r, at_y - r, at_x + r, at_y + r), color,
        [&](std::int64_t px, std::int64_t py) { return Length(px - at_x, py - at_y) - r; });
}

void Canvas::Ring(int x, int y, int radius, int width, Color color) {
  const std::int64_t at_x = X(x), at_y = Y(y), r = Scale(radius), half = Thick(width) / 2;
  const std::int64_t reach = r + half;
  Shade(Around(at_x - reach, at_y - reach, at_x + reach, at_y + reach), color,
        [&](std::int64_t px, std::int64_t py) {
          return std::abs(Length(px - at_x, py - at_y) - r) - half;
        });
}

void Canvas::Line(Point from, Point to, int width, Color color) {
  const std::int64_t x0 = X(from.x), y0 = Y(from.y), x1 = X(to.x), y1 = Y(to.y);
  const std::int64_t half = Thick(width) / 2;
  const Direction way(x1 - x0, y1 - y0);
  const Range range = Around(std::min(x0, x1) - half, std::min(y0, y1) - half,
                             std::max(x0, x1) + half, std::max(y0, y1) + half);
  Shade(range, color, [&](std::int64_t px, std::int64_t py) {
    const std::int64_t along = way.Along(px - x0, py - y0);
    if (along <= 0) return Length(px - x0, py - y0) - half;
    if (along > way.length) return Length(px - x1, py - y1) - half;
    return std::abs(way.Across(px - x0, py - y0)) - half;
  });
}

void Canvas::Polygon(const Point* corners, int count, Color color) {
  struct Edge {
    std::int64_t x = 0, y = 0;
    Direction way{0, 0};
  };
  Edge edges[kMostCorners];
  int sides = 0;
  std::int64_t twice_area = 0;
  std::int64_t x0 = INT64_MAX, y0 = INT64_MAX, x1 = INT64_MIN, y1 = INT64_MIN;
  for (int i = 0; i < std::min(count, kMostCorners); ++i) {
    const Point from = corners[i], to = corners[i + 1 < count ? i + 1 : 0];
    const std::int64_t x = X(from.x), y = Y(from.y), to_x = X(to.x), to_y = Y(to.y);
    // two corners may share a place in a small picture
    if (x != to_x || y != to_y) edges[sides++] = {x, y, Direction(to_x - x, to_y - y)};
    twice_area += x * to_y - to_x * y;
    x0 = std::min(x0, x);
    y0 = std::min(y0, y);
    x1 = std::max(x1, x);
    y1 = std::max(y1, y);
  }
  const std::int64_t side = twice_area < 0 ? 1 : -1;
  Shade(Around(x0, y0, x1, y1), color, [&](std::int64_t px, std::int64_t py) {
    std::int64_t most = sides == 0 ? kPixel : INT64_MIN;
    for (int i = 0; i < sides; ++i) {
      const Edge& edge = edges[i];
      most = std::max(most, side * edge.way.Across(px - edge.x, py - edge.y));
    }
    return most;
  });
}

}  // namespace rollout::draw
