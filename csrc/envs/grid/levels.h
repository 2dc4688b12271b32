// The levels: which there are, and how each is drawn.
//
// A level is drawn with NumPy's stream and in the order of the `minigrid` package, so the same seed
// gives the same world there and here, in every episode. Constant tables and functions of their
// arguments: thread-safe. Drawing allocates nothing; from 30 ns to some microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "envs/grid/world.h"

namespace rollout::grid {

enum class Family : std::uint8_t {
  kEmpty,
  kFourRooms,
  kDoorKey,
  kLavaGap,
  kKeyCorridor,
  kMultiRoom
};

struct Level {
  const char* id;
  Family family;
  int width, height;
  std::int64_t max_steps;     // the default
  int rooms = 0;              // MultiRoom: how many; KeyCorridor: rows of three
  int room_side = 0;          // MultiRoom: at most; KeyCorridor: exactly; walls included
  bool random_start = false;  // Empty
};

constexpr Level EmptyLevel(const char* id, int side, bool random_start = false) {
  return {id, Family::kEmpty, side, side, 4 * side * side, 0, 0, random_start};
}
constexpr Level DoorKeyLevel(const char* id, int side) {
  return {id, Family::kDoorKey, side, side, 10 * side * side};
}
constexpr Level LavaGapLevel(const char* id, int side) {
  return {id, Family::kLavaGap, side, side, 4 * side * side};
}
constexpr Level KeyCorridorLevel(const char* id, int side, int rows) {
  const int width = 3 * (side - 1) + 1, height = rows * (side - 1) + 1;
  return {id, Family::kKeyCorridor, width, height, 30 * side * side, rows, side};
}
constexpr Level MultiRoomLevel(const char* id, int rooms, int side) {
  return {id, Family::kMultiRoom, 25, 25, 20 * rooms, rooms, side};
}

inline constexpr Level kLevels[] = {
    EmptyLevel("MiniGrid-Empty-5x5-v0", 5),
    EmptyLevel("MiniGrid-Empty-Random-5x5-v0", 5, true),
    EmptyLevel("MiniGrid-Empty-6x6-v0", 6),
    EmptyLevel("MiniGrid-Empty-Random-6x6-v0", 6, true),
    EmptyLevel("MiniGrid-Empty-8x8-v0", 8),
    EmptyLevel("MiniGrid-Empty-16x16-v0", 16),
    {"MiniGrid-FourRooms-v0", Family::kFourRooms, 19, 19, 100},
    DoorKeyLevel("MiniGrid-DoorKey-5x5-v0", 5),
    DoorKeyLevel("MiniGrid-DoorKey-6x6-v0", 6),
    DoorKeyLevel("MiniGrid-DoorKey-8x8-v0", 8),
    DoorKeyLevel("MiniGrid-DoorKey-16x16-v0", 16),
    LavaGapLevel("MiniGrid-LavaGapS5-v0", 5),
    LavaGapLevel("MiniGrid-LavaGapS6-v0", 6),
    LavaGapLevel("MiniGrid-LavaGapS7-v0", 7),
    KeyCorridorLevel("MiniGrid-KeyCorridorS3R1-v0", 3, 1),
    KeyCorridorLevel("MiniGrid-KeyCorridorS3R2-v0", 3, 2),
    KeyCorridorLevel("MiniGrid-KeyCorridorS3R3-v0", 3, 3),
    KeyCorridorLevel("MiniGrid-KeyCorridorS4R3-v0", 4, 3),
    KeyCorridorLevel("MiniGrid-KeyCorridorS5R3-v0", 5, 3),
    KeyCorridorLevel("MiniGrid-KeyCorridorS6R3-v0", 6, 3),
    MultiRoomLevel("MiniGrid-MultiRoom-N2-S4-v0", 2, 4),
    MultiRoomLevel("MiniGrid-MultiRoom-N4-S5-v0", 6, 5),  // six: the name is the original's mistake
    MultiRoomLevel("MiniGrid-MultiRoom-N4-S5-v1", 4, 5),
    MultiRoomLevel("MiniGrid-MultiRoom-N6-v0", 6, 10),
};

// The mission texts that a level's episodes may have; Agent::mission is an index into them.
std::vector<std::string> Missions(const Level& level);

// What to pick up for a mission, or kNoCell where the mission is to reach a goal.
Cell Target(const Level& level, int mission);

// A new episode: cells and agent. `world.cells` has room for Stride(width) * height.
void DrawLevel(const Level& level, const World& world, Agent& agent, NumpyIntegers& rng);

}  // namespace rollout::grid
