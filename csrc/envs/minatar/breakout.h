// MinAtar's Breakout: keep the ball in play with the paddle, and clear three rows of bricks.
//
// +1 a brick; ends when the ball passes the paddle. The ball moves one cell diagonally a step.
// Step-equal with the `minatar` package; see minatar.h.
#pragma once

#include <array>

#include "envs/minatar/minatar.h"

namespace rollout::minatar {

struct Breakout {
  static constexpr const char* kId = "MinAtar-Breakout-v1";
  static constexpr std::uint8_t kActions[] = {kNoop, kLeft, kRight};
  enum Plane { kPaddle, kBall, kTrail, kBrick };
  static constexpr const char* kPlaneNames[] = {"paddle", "ball", "trail", "brick"};
  enum Event { kBrickHit, kPaddleHit, kWallCleared, kBallLost };
  static constexpr const char* kEventNames[] = {"brick_hit", "paddle_hit", "wall_cleared",
                                                "ball_lost"};

  static constexpr int kFirstBrickRow = 1, kBrickRows = 3;
  static constexpr std::uint32_t kAllBricks = (1U << (kBrickRows * kSize)) - 1;

  struct World {
    std::uint32_t bricks;  // a bit a brick, row by row
    std::int8_t row, col, trail_row, trail_col;
    bool down, rightward;
    std::int8_t paddle;
    bool struck;  // the ball hit a brick in the last step, and passes through others
  };

  static void Reset(World& world, auto& draws) {
    const bool from_left = draws.Below(2) == 0;
    world = {};
    world.bricks = kAllBricks;
    world.row = world.trail_row = 3;
    world.col = world.trail_col = from_left ? 0 : kSize - 1;
    world.down = true;
    world.rightward = from_left;
    world.paddle = 4;
  }

  static Outcome Step(World& world, int action, const Options&, auto&, const Events& events) {
    Outcome outcome;
    world.paddle = static_cast<std::int8_t>(
        std::clamp(world.paddle + (action == kRight) - (action == kLeft), 0, kSize - 1));
    const int old_row = world.trail_row = world.row;
    const int old_col = world.trail_col = world.col;
    // row 10 cannot be reached in play, but a state can be set anywhere
    int row = std::min(old_row + (world.down ? 1 : -1), kSize - 1);
    int col = old_col + (world.rightward ? 1 : -1);
    if (col < 0 || col >= kSize) {
      col = old_col;
      world.rightward = !world.rightward;
    }

    bool touches = false;
    if (row < 0) {
      row = 0;
      world.down = true;
    } else if (const std::uint32_t brick = BrickAt(row, col); (world.bricks & brick) != 0) {
      touches = true;
      if (!world.struck) {
        outcome.reward = 1.0;
        events.Add(kBrickHit);
        world.bricks &= ~brick;
        row = old_row;
        world.down = !world.down;
      }
    } else if (row == kSize - 1) {
      if (world.bricks == 0) {
        world.bricks = kAllBricks;
        events.Add(kWallCleared);
      }
      if (world.paddle == old_col || world.paddle == col) {
        // from straight above it goes on sideways, from beside the paddle it goes back
        if (world.paddle != old_col) world.rightward = !world.rightward;
        world.down = false;
        row = old_row;
        events.Add(kPaddleHit);
      } else {
        outcome.terminated = true;
        events.Add(kBallLost);
      }
    }
    world.struck = touches;
    world.row = static_cast<std::int8_t>(row);
    world.col = static_cast<std::int8_t>(col);
    return outcome;
  }

  static void Paint(const World& world, const Picture<4>& picture) {
    // four bricks at a time; the last write reaches two cells into the empty row below
    std::uint8_t* cells = picture.Row(kFirstBrickRow);
    for (int i = 0; i < kBrickRows * kSize; i += 4, cells += 16) {
      std::memcpy(cells, kFourBricks[world.bricks >> i & 15].data(), 16);
    }
    picture.Set(kSize - 1, world.paddle, kPaddle);
    picture.Set(world.trail_row, world.trail_col, kTrail);
    picture.Set(world.row, world.col, kBall);
  }

  static void Draw(const World& world, int size, std::uint8_t* rgb);  // draw/minatar.cc

 private:
  static std::uint32_t BrickAt(int row, int col) {
    const int place = (row - kFirstBrickRow) * kSize + col;
    return row >= kFirstBrickRow && row < kFirstBrickRow + kBrickRows ? 1U << place : 0;
  }

  static constexpr auto kFourBricks = [] {
    std::array<std::array<std::uint8_t, 16>, 16> table{};
    for (int bits = 0; bits < 16; ++bits) {
      for (int i = 0; i < 4; ++i) table[bits][i * 4 + kBrick] = bits >> i & 1;
    }
    return table;
  }();
};

}  // namespace rollout::minatar
