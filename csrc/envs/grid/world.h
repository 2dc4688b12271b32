// A grid world: its cells, its agent, and what the seven actions do.
//
// A World is a view of a State that says how its cells lie in memory; it owns nothing. Thread-safe
// for distinct states, nothing allocates, a step is a few nanoseconds.
//
//   cells   row by row, y downwards; rows are Stride(width) long, what is beyond the width is wall
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "envs/grid/cell.h"
#include "envs/numpy_rng.h"

namespace rollout::grid {

enum Action : std::uint8_t { kLeft, kRight, kForward, kPickUp, kDrop, kToggle, kDone, kNumActions };

enum Event : std::uint8_t {
  kKeyPickup,
  kKeyDrop,
  kBallPickup,
  kBallDrop,
  kDoorUnlock,  // a locked door opened with its key
  kDoorOpen,    // a door opened that was merely closed
  kDoorClose,
  kBlocked,  // the agent tried to walk into what it cannot stand on
  kLavaStep,
  kSuccess,  // the mission is fulfilled
  kNumEvents,
};
inline constexpr std::string_view kEventNames[kNumEvents] = {
    "key_pickup", "key_drop",   "ball_pickup", "ball_drop", "door_unlock",
    "door_open",  "door_close", "blocked",     "lava",      "goal"};

// Directions: 0 right, 1 down, 2 left, 3 up.
inline constexpr int kStepX[4] = {1, 0, -1, 0};
inline constexpr int kStepY[4] = {0, 1, 0, -1};

struct Agent {
  std::int16_t x = 0, y = 0;
  std::uint8_t direction = 0;
  Cell carrying = kNoCell;
  std::uint8_t mission = 0;  // which of the level's missions
};

// A row is at least eight cells long, so that a view can load eight at once.
constexpr int Stride(int width) { return std::max(width, 8); }

// A row has only as many of the cells as its level needs: StateBytes(width, height) in all.
inline constexpr int kMaxCells = 25 * 25;
struct State {
  NumpyIntegers rng;
  Agent agent;
  std::array<Cell, kMaxCells> cells;
};

constexpr std::size_t StateBytes(int width, int height) {
  return sizeof(State) - kMaxCells + static_cast<std::size_t>(Stride(width)) * height;
}

struct World {
  int width, height;
  Cell* cells;

  int stride() const { return Stride(width); }
  bool Inside(int x, int y) const { return x >= 0 && x < width && y >= 0 && y < height; }
  Cell& At(int x, int y) const { return cells[y * stride() + x]; }
};

struct StepResult {
  bool terminated = false;
  bool success = false;
};

// One action. `target` is the cell whose pick-up fulfils the mission, or kNoCell where reaching a
// goal does. events: [kNumEvents], or null.
inline StepResult Act(const World& world, Agent& agent, int action, Cell target,
                      std::uint8_t* events) {
  const auto log = [events](Event event) {
    if (events != nullptr) events[event] = 1;
  };
  StepResult result;
  if (action == kLeft || action == kRight) {
    agent.direction = (agent.direction + (action == kLeft ? 3 : 1)) & 3;
    return result;
  }
  if (action == kDone) return result;
  const int x = agent.x + kStepX[agent.direction], y = agent.y + kStepY[agent.direction];
  if (!world.Inside(x, y)) {
    if (action == kForward) log(kBlocked);
    return result;
  }
  Cell& ahead = world.At(x, y);
  const Kind kind = KindOf(ahead);
  switch (action) {
    case kForward:
      if (!CanStandOn(kind)) {
        log(kBlocked);
        break;
      }
      agent.x = static_cast<std::int16_t>(x);
      agent.y = static_cast<std::int16_t>(y);
      result.success = kind == kGoal;
      result.terminated = kind == kGoal || kind == kLava;
      if (kind == kLava) log(kLavaStep);
      break;
    case kPickUp:
      if (CanPickUp(kind) && agent.carrying == kNoCell) {
        agent.carrying = ahead;
        ahead = kEmptyCell;
        if (kind == kKey) log(kKeyPickup);
        if (kind == kBall) log(kBallPickup);
      }
      result.success = result.terminated = target != kNoCell && agent.carrying == target;
      break;
    case kDrop:
      if (kind != kEmpty || agent.carrying == kNoCell) break;
      if (KindOf(agent.carrying) == kKey) log(kKeyDrop);
      if (KindOf(agent.carrying) == kBall) log(kBallDrop);
      ahead = agent.carrying;
      agent.carrying = kNoCell;
      break;
    case kToggle: {
      const int color = ColorOf(ahead);
      if (kind == kLockedDoor && agent.carrying == MakeCell(kKey, color)) {
        ahead = MakeCell(kOpenDoor, color);
        log(kDoorUnlock);
      } else if (kind == kClosedDoor) {
        ahead = MakeCell(kOpenDoor, color);
        log(kDoorOpen);
      } else if (kind == kOpenDoor) {
        ahead = MakeCell(kClosedDoor, color);
        log(kDoorClose);
      } else if (kind == kBox) {
        ahead = kEmptyCell;  // our boxes are empty
      }
      break;
    }
    default:
      break;
  }
  if (result.success) log(kSuccess);
  return result;
}

}  // namespace rollout::grid
