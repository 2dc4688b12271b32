// MinAtar's Freeway: walk a chicken across eight lanes of traffic, as often as 2,500 steps allow.
//
// +1 a crossing; a car sends the chicken back. Ends on step 2,501.
// Step-equal with the `minatar` package; see minatar.h.
#pragma once

#include <array>

#include "envs/minatar/minatar.h"

namespace rollout::minatar {

struct Freeway {
  static constexpr const char* kId = "MinAtar-Freeway-v1";
  static constexpr std::uint8_t kActions[] = {kNoop, kUp, kDown};
  enum Plane { kChicken, kCar, kSpeed1 };
  static constexpr const char* kPlaneNames[] = {"chicken", "car",     "speed_1", "speed_2",
                                                "speed_3", "speed_4", "speed_5"};
  enum Event { kCrossing, kHit, kTimeUp };
  static constexpr const char* kEventNames[] = {"crossing", "hit", "time_up"};

  static constexpr int kLanes = 8;  // rows 1 to 8
  static constexpr int kSlowest = 5;
  static constexpr int kChickenCol = 4, kStartRow = kSize - 1;
  static constexpr int kMoveSteps = 3;  // from one move of the chicken to the next
  static constexpr int kTimeLimitSteps = 2500;

  struct World {
    std::array<std::int8_t, kLanes> col, timer;
    std::array<std::int8_t, kLanes> rest;  // steps that a car stands between two moves
    std::uint8_t rightward;                // a bit a lane
    std::int8_t row, move_timer;
    std::int16_t time_left;
  };

  static void Reset(World& world, auto& draws) {
    DrawSpeeds(world, draws);
    world.col.fill(0);
    world.row = kStartRow;
    world.move_timer = kMoveSteps;
    world.time_left = kTimeLimitSteps;
  }

  static Outcome Step(World& world, int action, const Options&, auto& draws, const Events& events) {
    Outcome outcome;
    if (world.move_timer == 0 && (action == kUp || action == kDown)) {
      world.move_timer = kMoveSteps;
      world.row = static_cast<std::int8_t>(
          std::clamp(world.row + (action == kDown) - (action == kUp), 0, kStartRow));
    }
    if (world.row == 0) {
      outcome.reward = 1.0;
      events.Add(kCrossing);
      DrawSpeeds(world, draws);
      world.row = kStartRow;
    }

    for (int lane = 0; lane < kLanes; ++lane) {
      const bool here = world.row == lane + 1;
      bool hit = here && world.col[lane] == kChickenCol;
      if (world.timer[lane] == 0) {
        world.timer[lane] = world.rest[lane];
        world.col[lane] = Wrap(world.col[lane] + Direction(world, lane));
        hit |= here && world.col[lane] == kChickenCol;
      } else {
        --world.timer[lane];
      }
      if (hit) {
        world.row = kStartRow;
        events.Add(kHit);
      }
    }

    world.move_timer -= world.move_timer > 0;
    if (--world.time_left < 0) {
      outcome.terminated = true;
      events.Add(kTimeUp);
    }
    return outcome;
  }

  static void Paint(const World& world, const Picture<7>& picture) {
    picture.Set(world.row, kChickenCol, kChicken);
    for (int lane = 0; lane < kLanes; ++lane) {
      picture.Set(lane + 1, world.col[lane], kCar);
      picture.Set(lane + 1, Wrap(world.col[lane] - Direction(world, lane)),
                  kSpeed1 + world.rest[lane] - 1);
    }
  }

  static void Draw(const World& world, int size, std::uint8_t* rgb);  // draw/minatar.cc

 private:
  static int Direction(const World& world, int lane) {
    return (world.rightward >> lane & 1) != 0 ? 1 : -1;
  }
  static std::int8_t Wrap(int col) {
    return static_cast<std::int8_t>(col < 0 ? kSize - 1 : col >= kSize ? 0 : col);
  }

  static void DrawSpeeds(World& world, auto& draws) {
    for (std::int8_t& rest : world.rest) {
      rest = static_cast<std::int8_t>(1 + draws.Below(kSlowest));
    }
    world.timer = world.rest;
    world.rightward = 0;
    for (int lane = 0; lane < kLanes; ++lane) {
      world.rightward |= static_cast<std::uint8_t>((draws.NextDouble() >= 0.5) << lane);
    }
  }
};

}  // namespace rollout::minatar
