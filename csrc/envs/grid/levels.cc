#include "envs/grid/levels.h"

#include "envs/grid/multi_room.h"
#include "envs/grid/painter.h"
#include "envs/grid/room_grid.h"

namespace rollout::grid {
namespace {

void DrawEmpty(const Level& level, Painter& paint) {
  paint.Rectangle({0, 0, paint.width(), paint.height()}, kWallCell);
  paint.Set({paint.width() - 2, paint.height() - 2}, kGoalCell);
  if (level.random_start) {
    paint.PlaceAgent(paint.All());
  } else {
    paint.PutAgent({1, 1}, 0);
  }
}

void DrawFourRooms(Painter& paint) {
  const int width = paint.width(), height = paint.height();
  paint.Rectangle({0, 0, width, height}, kWallCell);
  const int room_width = width / 2, room_height = height / 2;
  for (int j = 0; j < 2; ++j) {
    for (int i = 0; i < 2; ++i) {
      const int left = i * room_width, top = j * room_height;
      const int right = left + room_width, bottom = top + room_height;
      // each wall gets a gap
      if (i == 0) {
        paint.Down({right, top}, room_height, kWallCell);
        paint.Set({right, paint.Draw(top + 1, bottom)}, kEmptyCell);
      }
      if (j == 0) {
        paint.Across({left, bottom}, room_width, kWallCell);
        paint.Set({paint.Draw(left + 1, right), bottom}, kEmptyCell);
      }
    }
  }
  paint.PlaceAgent(paint.All());
  paint.Place(kGoalCell, paint.All());
}

void DrawDoorKey(Painter& paint) {
  const int width = paint.width(), height = paint.height();
  paint.Rectangle({0, 0, width, height}, kWallCell);
  paint.Set({width - 2, height - 2}, kGoalCell);
  const int split = paint.Draw(2, width - 2);
  paint.Down({split, 0}, height, kWallCell);
  const Area left = {0, 0, split, height};
  paint.PlaceAgent(left);
  paint.Set({split, paint.Draw(1, height - 2)}, MakeCell(kLockedDoor, kYellow));
  paint.Place(MakeCell(kKey, kYellow), left);
}

void DrawLavaGap(Painter& paint) {
  const int width = paint.width(), height = paint.height();
  paint.Rectangle({0, 0, width, height}, kWallCell);
  paint.PutAgent({1, 1}, 0);
  paint.Set({width - 2, height - 2}, kGoalCell);
  const int x = paint.Draw(2, width - 2);
  const int y = paint.Draw(1, height - 1);
  paint.Down({x, 1}, height - 2, kLavaCell);
  paint.Set({x, y}, kEmptyCell);
}

}  // namespace

std::vector<std::string> Missions(const Level& level) {
  switch (level.family) {
    case Family::kEmpty:
      return {"get to the green goal square"};
    case Family::kFourRooms:
      return {"reach the goal"};
    case Family::kDoorKey:
      return {"use the key to open the door and then get to the goal"};
    case Family::kLavaGap:
      return {"avoid the lava and get to the green goal square"};
    case Family::kMultiRoom:
      return {"traverse the rooms to get to the goal"};
    case Family::kKeyCorridor:
      break;
  }
  std::vector<std::string> missions;
  for (const Color color : kColorsByName) {
    missions.push_back("pick up the " + std::string(kColorNames[color]) + " ball");
  }
  return missions;
}

Cell Target(const Level& level, int mission) {
  if (level.family != Family::kKeyCorridor) return kNoCell;
  return MakeCell(kBall, kColorsByName[mission]);
}

void DrawLevel(const Level& level, const World& world, Agent& agent, NumpyIntegers& rng) {
  Painter paint(world, agent, rng);
  switch (level.family) {
    case Family::kEmpty:
      return DrawEmpty(level, paint);
    case Family::kFourRooms:
      return DrawFourRooms(paint);
    case Family::kDoorKey:
      return DrawDoorKey(paint);
    case Family::kLavaGap:
      return DrawLavaGap(paint);
    case Family::kKeyCorridor:
      return RoomGrid(level.room_side, level.rooms, paint).DrawKeyCorridor();
    case Family::kMultiRoom:
      return DrawMultiRoom(level.rooms, level.room_side, paint);
  }
}

}  // namespace rollout::grid
