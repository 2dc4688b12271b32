// What the agent sees: the 7 x 7 cells ahead of it, itself in the middle of the last row.
//
// Seven rows of the world are loaded as eight bytes each (what is outside is wall), turned so that
// the agent looks up, and darkened where walls and closed doors hide a cell. Light spreads row by
// row from the agent's, over bits: one table look-up a row. No state is shared, nothing allocates;
// about 60 ns.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "envs/grid/world.h"

namespace rollout::grid {

inline constexpr int kViewSide = 7;
inline constexpr int kViewCells = kViewSide * kViewSide;
inline constexpr int kViewMiddle = kViewSide / 2;

namespace internal {

inline constexpr int kRowMask = (1 << kViewSide) - 1;
inline constexpr std::uint64_t kEachByte = 0x0101010101010101;

// How light passes one row of the view: [see-through cells << 7 | cells lit from the row below] ->
// lit cells of this row | << 7 cells lit in the row above. It walks to the right and then to the
// left, and from every see-through cell on the way also to the row above, straight and slanting.
inline constexpr auto kLight = [] {
  std::array<std::uint16_t, 1 << 2 * kViewSide> table{};
  for (int index = 0; index < 1 << 2 * kViewSide; ++index) {
    const int clear = index >> kViewSide;
    int lit = index & kRowMask, above = 0;
    for (int i = 0; i < kViewSide - 1; ++i) {
      if ((lit & clear) >> i & 1) {
        lit |= 2 << i;
        above |= 3 << i;
      }
    }
    for (int i = kViewSide - 1; i > 0; --i) {
      if ((lit & clear) >> i & 1) {
        lit |= 1 << (i - 1);
        above |= 3 << (i - 1);
      }
    }
    table[index] = static_cast<std::uint16_t>(lit | above << kViewSide);
  }
  return table;
}();

// bit i of a row -> byte i all ones
inline constexpr auto kSpread = [] {
  std::array<std::uint64_t, 1 << kViewSide> table{};
  for (int bits = 0; bits < 1 << kViewSide; ++bits) {
    for (int i = 0; i < kViewSide; ++i) {
      if (bits >> i & 1) table[bits] |= std::uint64_t{0xFF} << 8 * i;
    }
  }
  return table;
}();

// The seven rows of the world from (left, top), seven cells each, into rows of eight bytes.
inline void LoadWindow(const World& world, int left, int top, Cell* out) {
  constexpr std::uint64_t kWalls = kEachByte * kWallCell;
  const int stride = world.stride();
  const int from = std::clamp(left, 0, stride - 8);
  const int missing = 8 * std::max(from - left, 0);  // bits left of the world
  const int skipped = 8 * std::max(left - from, 0);
  const std::uint64_t fill =
      kWalls & (((std::uint64_t{1} << missing) - 1) | ~(~std::uint64_t{0} >> skipped));
  for (int row = 0; row < kViewSide; ++row) {
    const int y = top + row;
    std::uint64_t cells = kWalls;
    if (y >= 0 && y < world.height) {
      std::memcpy(&cells, world.cells + y * stride + from, sizeof cells);
      cells = (cells >> skipped << missing) | fill;
    }
    std::memcpy(out + 8 * row, &cells, sizeof cells);
  }
}

}  // namespace internal

// The view as `image` [7, 7, 3]: across from left to right, ahead from far to near, and kind,
// colour, state. Writes one byte more than the image has.
inline void DrawView(const World& world, const Agent& agent, bool see_through_walls,
                     std::uint8_t* image) {
  using internal::kRowMask;
  // the window's corner, and where the view's cell (across i, ahead j) lies in it:
  // first + i * across + j * ahead
  constexpr int kLeft[4] = {0, -kViewMiddle, 1 - kViewSide, -kViewMiddle};
  constexpr int kTop[4] = {-kViewMiddle, 0, -kViewMiddle, 1 - kViewSide};
  constexpr int kFirst[4] = {6, 54, 48, 0};
  constexpr int kAcross[4] = {8, -1, -8, 1};
  constexpr int kAhead[4] = {-1, -8, 1, 8};

  const int direction = agent.direction;
  Cell window[8 * kViewSide];
  internal::LoadWindow(world, agent.x + kLeft[direction], agent.y + kTop[direction], window);
  Cell view[8 * kViewSide];  // [ahead][across]
  const int across = kAcross[direction];
  for (int j = 0; j < kViewSide; ++j) {
    const Cell* cell = window + kFirst[direction] + j * kAhead[direction];
    for (int i = 0; i < kViewSide; ++i) view[8 * j + i] = cell[i * across];
    view[8 * j + kViewSide] = kNoCell;
  }

  if (!see_through_walls) {
    int lit = 1 << kViewMiddle;
    for (int j = kViewSide - 1; j >= 0; --j) {
      std::uint64_t row;
      std::memcpy(&row, view + 8 * j, sizeof row);
      // gather the top bits of the bytes
      const std::uint64_t opaque = ((row >> 7 & internal::kEachByte) * 0x0102040810204080) >> 56;
      const int clear = ~static_cast<int>(opaque) & kRowMask;
      const int passed = internal::kLight[clear << kViewSide | lit];
      row &= internal::kSpread[passed & kRowMask];
      std::memcpy(view + 8 * j, &row, sizeof row);
      lit = passed >> kViewSide;
    }
  }
  // the agent sees what it carries in its own place
  view[8 * (kViewSide - 1) + kViewMiddle] = agent.carrying != kNoCell ? agent.carrying : kEmptyCell;

  // four bytes at a time, the last of which the next cell overwrites
  for (int i = 0; i < kViewSide; ++i) {
    for (int j = 0; j < kViewSide; ++j) {
      std::memcpy(image + 3 * (i * kViewSide + j), &kEncodings[view[8 * j + i]], 4);
    }
  }
}

}  // namespace rollout::grid
