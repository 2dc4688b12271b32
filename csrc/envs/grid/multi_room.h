// MultiRoom: a chain of rooms, each behind the last one's door, the goal in the last. Draws as the
// `minigrid` package does.
#pragma once

#include <array>

#include "envs/grid/painter.h"

namespace rollout::grid {

// Rooms that may be placed one after the other.
class RoomChain {
 public:
  static constexpr int kMaxRooms = 6;

  struct Room {
    Area bounds;
    Point entry;
  };

  RoomChain(int max_side, Painter& paint) : max_side_(max_side), paint_(paint) {}

  // Places a room whose door is at `entry` on the side `entry_side`, and `left - 1` rooms behind
  // it as far as that goes; false if the first has no room.
  bool Extend(int left, int entry_side, Point entry) {
    Area room;
    room.width = paint_.Draw(kMinSide, max_side_ + 1);
    room.height = paint_.Draw(kMinSide, max_side_ + 1);
    room.x = entry.x;
    room.y = entry.y;
    if (size_ > 0) {
      // the door may be anywhere on its side but in a corner
      const bool upright = kStepX[entry_side] != 0;
      if (entry_side == 0) room.x -= room.width - 1;
      if (entry_side == 1) room.y -= room.height - 1;
      int& along = upright ? room.y : room.x;
      const int length = upright ? room.height : room.width;
      along = paint_.Draw(along - length + 2, along);
    }
    if (!Fits(room)) return false;
    rooms_[size_++] = {room, entry};
    if (left == 1) return true;

    constexpr int kTries = 8;
    for (int i = 0; i < kTries; ++i) {
      int side = paint_.Draw(0, 3);
      side += side >= entry_side;  // any side but the entry's
      Point door;
      if (kStepX[side] != 0) {
        door = {side == 0 ? room.x + room.width - 1 : room.x,
                room.y + paint_.Draw(1, room.height - 1)};
      } else {
        door.x = room.x + paint_.Draw(1, room.width - 1);
        door.y = side == 1 ? room.y + room.height - 1 : room.y;
      }
      if (Extend(left - 1, side ^ 2, door)) break;
    }
    return true;
  }

  int size() const { return size_; }
  const Room& operator[](int i) const { return rooms_[i]; }

 private:
  static constexpr int kMinSide = 4;

  // inside the world and apart from all rooms but the last, to which it is joined; the comparisons
  // are the original's, uneven as they are
  bool Fits(const Area& room) const {
    if (room.x < 0 || room.y < 0) return false;
    if (room.x + room.width > paint_.width() || room.y + room.height >= paint_.height()) {
      return false;
    }
    for (int i = 0; i + 1 < size_; ++i) {
      const Area& other = rooms_[i].bounds;
      const bool apart = room.x + room.width < other.x || other.x + other.width <= room.x ||
                         room.y + room.height < other.y || other.y + other.height <= room.y;
      if (!apart) return false;
    }
    return true;
  }

  const int max_side_;
  Painter& paint_;
  std::array<Room, kMaxRooms> rooms_{};
  int size_ = 0;
};

inline void DrawMultiRoom(int count, int max_side, Painter& paint) {
  constexpr int kEntrySide = 2;  // of the first room, which has no door
  int placed = 0;
  while (placed < count) {
    RoomChain chain(max_side, paint);
    const int x = paint.Draw(0, paint.width() - 2);
    const int y = paint.Draw(0, paint.width() - 2);
    chain.Extend(count, kEntrySide, {x, y});
    placed = chain.size();
    if (placed < count) continue;

    int last_color = kNumColors;  // by name
    for (int i = 0; i < count; ++i) {
      paint.Rectangle(chain[i].bounds, kWallCell);
      if (i == 0) continue;
      // two doors in a row differ in colour
      int color = paint.Draw(0, i == 1 ? kNumColors : kNumColors - 1);
      color += color >= last_color;
      paint.Set(chain[i].entry, MakeCell(kClosedDoor, kColorsByName[color]));
      last_color = color;
    }
    paint.PlaceAgent(chain[0].bounds);
    paint.Place(kGoalCell, chain[count - 1].bounds);
  }
}

}  // namespace rollout::grid
