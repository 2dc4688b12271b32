// What can stand in a cell of a grid world, in one byte, and its three numbers in an observation.
//
//   bit 7     nobody sees through it
//   bits 4-6  colour
//   bits 0-3  kind; a door's state is part of it
//
// Values and constant tables only. The numbers are those of the `minigrid` package.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rollout::grid {

using Cell = std::uint8_t;

enum Kind : std::uint8_t {
  kUnseen,
  kEmpty,
  kWall,
  kFloorTile,
  kOpenDoor,
  kKey,
  kBall,
  kBox,
  kGoal,
  kLava,
  kAgent,  // in a picture only: no cell of a world is one
  kClosedDoor,
  kLockedDoor,
};

enum Color : std::uint8_t { kRed, kGreen, kBlue, kPurple, kYellow, kGrey, kNumColors };
inline constexpr std::string_view kColorNames[kNumColors] = {"red",    "green",  "blue",
                                                             "purple", "yellow", "grey"};

// colours are drawn in the order of their names
inline constexpr Color kColorsByName[kNumColors] = {kBlue, kGreen, kGrey, kPurple, kRed, kYellow};

constexpr Cell MakeCell(Kind kind, int color = 0) {
  const bool opaque = kind == kWall || kind == kClosedDoor || kind == kLockedDoor;
  return static_cast<Cell>((opaque ? 0x80 : 0) | color << 4 | kind);
}
constexpr Kind KindOf(Cell cell) { return static_cast<Kind>(cell & 15); }
constexpr int ColorOf(Cell cell) { return cell >> 4 & 7; }

inline constexpr Cell kNoCell = 0;  // never seen; carried by nobody
inline constexpr Cell kEmptyCell = MakeCell(kEmpty);
inline constexpr Cell kWallCell = MakeCell(kWall, kGrey);
inline constexpr Cell kGoalCell = MakeCell(kGoal, kGreen);
inline constexpr Cell kLavaCell = MakeCell(kLava, kRed);

constexpr bool IsDoor(Kind kind) {
  return kind == kOpenDoor || kind == kClosedDoor || kind == kLockedDoor;
}
constexpr bool CanStandOn(Kind kind) {
  return kind == kEmpty || kind == kFloorTile || kind == kOpenDoor || kind == kGoal ||
         kind == kLava;
}
constexpr bool CanPickUp(Kind kind) { return kind == kKey || kind == kBall || kind == kBox; }

// kind, colour, state: what a cell is in an observation, in the three low bytes
constexpr std::uint32_t Encoding(Cell cell) {
  const Kind kind = KindOf(cell);
  const int state = kind == kClosedDoor ? 1 : kind == kLockedDoor ? 2 : 0;
  const int shown = IsDoor(kind) ? kOpenDoor : kind;
  return static_cast<std::uint32_t>(shown | ColorOf(cell) << 8 | state << 16);
}

// Of each cell byte.
inline constexpr std::array<std::uint32_t, 256> kEncodings = [] {
  std::array<std::uint32_t, 256> table{};
  for (int cell = 0; cell < 256; ++cell) table[cell] = Encoding(static_cast<Cell>(cell));
  return table;
}();

// The cell with this encoding, or nothing where there is none that a world may hold.
constexpr std::optional<Cell> CellFrom(int kind, int color, int state) {
  if (kind < kEmpty || kind > kLava || color < 0 || color >= kNumColors) return std::nullopt;
  Kind exact = static_cast<Kind>(kind);
  if (exact == kOpenDoor) {
    exact = state == 0 ? kOpenDoor : state == 1 ? kClosedDoor : kLockedDoor;
  }
  const Cell cell = MakeCell(exact, color);
  const std::uint32_t wanted = static_cast<std::uint32_t>(kind | color << 8 | state << 16);
  if (Encoding(cell) != wanted || (exact == kEmpty && color != 0)) return std::nullopt;
  return cell;
}

}  // namespace rollout::grid
