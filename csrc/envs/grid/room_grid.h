// KeyCorridor: three columns of rooms. The middle column is a corridor, one room on the right is
// locked and holds a ball, a room on the left holds the key. Draws as the `minigrid` package does.
#pragma once

#include <array>
#include <cstdint>

#include "envs/grid/painter.h"

namespace rollout::grid {

class RoomGrid {
 public:
  static constexpr int kColumns = 3;
  static constexpr int kMaxRows = 3;

  RoomGrid(int side, int rows, Painter& paint) : side_(side), rows_(rows), paint_(paint) {}

  void DrawKeyCorridor() {
    DrawRooms();
    for (int row = 1; row < rows_; ++row) RemoveWallAbove(1, row);

    // the ball is locked in on the right
    const int locked_row = paint_.Draw(0, rows_);
    Room& locked = At(2, locked_row);
    const Color door_color = paint_.DrawColor();
    AddDoor(2, locked_row, kLeftSide, MakeCell(kLockedDoor, door_color));
    locked.locked = true;
    const int mission = paint_.Draw(0, kNumColors);
    constexpr int kAway = 2;  // nothing lies beside the agent
    paint_.Place(MakeCell(kBall, kColorsByName[mission]), Bounds(2, locked_row), kAway);

    const int key_row = paint_.Draw(0, rows_);
    paint_.Place(MakeCell(kKey, door_color), Bounds(0, key_row), kAway);

    // the agent does not start right in front of a thing
    const int agent_row = rows_ / 2;
    Kind ahead;
    do {
      paint_.PlaceAgent(Bounds(1, agent_row));
      const Agent& agent = paint_.agent();
      ahead = KindOf(
          paint_.Get({agent.x + kStepX[agent.direction], agent.y + kStepY[agent.direction]}));
    } while (ahead != kEmpty && ahead != kWall);
    paint_.agent().mission = static_cast<std::uint8_t>(mission);

    ConnectAll(paint_.agent().x / (side_ - 1), paint_.agent().y / (side_ - 1));
  }

 private:
  // the sides of a room, in the order of the directions
  static constexpr int kRightSide = 0, kBottomSide = 1, kLeftSide = 2, kTopSide = 3;

  struct Room {
    std::array<Point, 4> door_place{};
    std::array<bool, 4> open{};  // by side: has a door, or no wall
    bool locked = false;
  };

  Room& At(int column, int row) { return rooms_[row * kColumns + column]; }
  Area Bounds(int column, int row) const {
    return {column * (side_ - 1), row * (side_ - 1), side_, side_};
  }
  bool HasNeighbor(int column, int row, int side) const {
    const int x = column + kStepX[side], y = row + kStepY[side];
    return x >= 0 && x < kColumns && y >= 0 && y < rows_;
  }
  Room& Neighbor(int column, int row, int side) {
    return At(column + kStepX[side], row + kStepY[side]);
  }

  void DrawRooms() {
    for (int row = 0; row < rows_; ++row) {
      for (int column = 0; column < kColumns; ++column) {
        paint_.Rectangle(Bounds(column, row), kWallCell);
      }
    }
    for (int row = 0; row < rows_; ++row) {
      for (int column = 0; column < kColumns; ++column) {
        const auto [x, y, width, height] = Bounds(column, row);
        const int right = x + width - 1, bottom = y + height - 1;
        Room& room = At(column, row);
        if (HasNeighbor(column, row, kRightSide)) {
          room.door_place[kRightSide] = {right, paint_.Draw(y + 1, bottom)};
          Neighbor(column, row, kRightSide).door_place[kLeftSide] = room.door_place[kRightSide];
        }
        if (HasNeighbor(column, row, kBottomSide)) {
          room.door_place[kBottomSide] = {paint_.Draw(x + 1, right), bottom};
          Neighbor(column, row, kBottomSide).door_place[kTopSide] = room.door_place[kBottomSide];
        }
      }
    }
    // things keep away from the middle, where the agent stands for now
    const auto middle = [this](int count) { return count / 2 * (side_ - 1) + side_ / 2; };
    paint_.PutAgent({middle(kColumns), middle(rows_)}, 0);
  }

  void Open(int column, int row, int side) {
    At(column, row).open[side] = true;
    Neighbor(column, row, side).open[side ^ 2] = true;
  }

  void RemoveWallAbove(int column, int row) {
    const Area bounds = Bounds(column, row);
    paint_.Across({bounds.x + 1, bounds.y}, bounds.width - 2, kEmptyCell);
    Open(column, row, kTopSide);
  }

  void AddDoor(int column, int row, int side, Cell door) {
    paint_.Set(At(column, row).door_place[side], door);
    Open(column, row, side);
  }

  // bit r: room r can be reached from room (column, row), through locked doors too
  std::uint32_t Reach(int column, int row) {
    std::uint32_t reached = 0;
    std::array<std::uint8_t, kColumns * kMaxRows * 4> stack;
    int size = 0;
    stack[size++] = static_cast<std::uint8_t>(row * kColumns + column);
    while (size > 0) {
      const int room = stack[--size];
      if (reached >> room & 1) continue;
      reached |= 1u << room;
      for (int side = 0; side < 4; ++side) {
        if (!rooms_[room].open[side]) continue;
        stack[size++] = static_cast<std::uint8_t>(room + kStepX[side] + kColumns * kStepY[side]);
      }
    }
    return reached;
  }

  // closed doors at random until every room can be reached; a locked room gets no second door
  void ConnectAll(int start_column, int start_row) {
    while (Reach(start_column, start_row) != (1u << (kColumns * rows_)) - 1) {
      const int column = paint_.Draw(0, kColumns);
      const int row = paint_.Draw(0, rows_);
      const int side = paint_.Draw(0, 4);
      if (!HasNeighbor(column, row, side) || At(column, row).open[side]) continue;
      if (At(column, row).locked || Neighbor(column, row, side).locked) continue;
      AddDoor(column, row, side, MakeCell(kClosedDoor, paint_.DrawColor()));
    }
  }

  const int side_, rows_;  // of a room with its walls; of rooms
  Painter& paint_;
  std::array<Room, kColumns * kMaxRows> rooms_{};
};

}  // namespace rollout::grid
