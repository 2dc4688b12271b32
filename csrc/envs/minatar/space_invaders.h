// MinAtar's Space Invaders: shoot down a block of aliens that comes closer and shoots back.
//
// +1 an alien; ends when the cannon is hit or reached. While ramping every cleared block makes the
// next one faster. Step-equal with the `minatar` package; see minatar.h.
#pragma once

#include <bit>
#include <cstdint>

#include "envs/minatar/minatar.h"

namespace rollout::minatar {

struct SpaceInvaders {
  static constexpr const char* kId = "MinAtar-SpaceInvaders-v1";
  static constexpr std::uint8_t kActions[] = {kNoop, kLeft, kRight, kFire};
  enum Plane { kCannon, kAlien, kAlienLeft, kAlienRight, kFriendlyBullet, kEnemyBullet };
  static constexpr const char* kPlaneNames[] = {"cannon",      "alien",           "alien_left",
                                                "alien_right", "friendly_bullet", "enemy_bullet"};
  enum Event { kAlienShot, kWaveCleared, kCannonHit, kInvaded };
  static constexpr const char* kEventNames[] = {"alien_shot", "wave_cleared", "cannon_hit",
                                                "invaded"};

  static constexpr int kFireSteps = 5, kAlienFireSteps = 10;
  static constexpr int kSlowestSteps = 12, kFastestSteps = 6;

  // the grid as bits: cell (row, col) is bit row * 10 + col, so a row is a shift by ten
  using Cells = unsigned __int128;
  static constexpr Cells kAll = (Cells{1} << (kSize * kSize)) - 1;
  static constexpr Cells kColumn = [] {
    Cells cells = 0;
    for (int row = 0; row < kSize; ++row) cells |= Cells{1} << (row * kSize);
    return cells;
  }();
  static constexpr Cells kBottomRow = Cells{0x3ff} << ((kSize - 1) * kSize);
  static constexpr Cells kBlock = [] {
    Cells cells = 0;
    for (int row = 0; row < 4; ++row) cells |= Cells{0x0fc} << (row * kSize);
    return cells;
  }();

  struct World {
    Cells aliens, friendly, enemy;
    bool rightward;
    std::int8_t cannon;
    std::int8_t fire_timer, alien_fire_timer;
    std::int8_t move_interval, move_timer;
  };

  static void Reset(World& world, auto&) {
    world = {};
    world.aliens = kBlock;
    world.cannon = 5;
    world.move_interval = world.move_timer = kSlowestSteps;
    world.alien_fire_timer = kAlienFireSteps;
  }

  static Outcome Step(World& world, int action, const Options& options, auto&,
                      const Events& events) {
    Outcome outcome;
    if (action == kFire && world.fire_timer == 0) {
      world.friendly |= Cell(kSize - 1, world.cannon);
      world.fire_timer = kFireSteps;
    } else {
      const int right = (action == kRight) - (action == kLeft);
      world.cannon = static_cast<std::int8_t>(std::clamp(world.cannon + right, 0, kSize - 1));
    }
    const Cells cannon = Cell(kSize - 1, world.cannon);

    world.friendly >>= kSize;
    world.enemy = world.enemy << kSize & kAll;
    bool hit = (world.enemy & cannon) != 0;
    bool invaded = (world.aliens & cannon) != 0;
    if (world.move_timer == 0) {
      world.move_timer =
          static_cast<std::int8_t>(std::min<int>(Count(world.aliens), world.move_interval));
      const Cells wall = world.rightward ? kColumn << (kSize - 1) : kColumn;
      if ((world.aliens & wall) != 0) {
        world.rightward = !world.rightward;
        invaded |= (world.aliens & kBottomRow) != 0;
        // what leaves at the bottom, at the very end, is seen at the top
        world.aliens = (world.aliens << kSize & kAll) | world.aliens >> (kSize * (kSize - 1));
      } else {
        world.aliens = world.rightward ? world.aliens << 1 : world.aliens >> 1;
      }
      invaded |= (world.aliens & cannon) != 0;
    }
    if (world.alien_fire_timer == 0) {
      world.alien_fire_timer = kAlienFireSteps;
      world.enemy |= LowestNearest(world.aliens, world.cannon);
    }

    const Cells shot = world.aliens & world.friendly;
    world.aliens ^= shot;
    world.friendly ^= shot;
    outcome.reward = Count(shot);
    world.fire_timer -= world.fire_timer > 0;
    world.move_timer -= 1;
    world.alien_fire_timer -= 1;
    if (world.aliens == 0) {
      if (options.difficulty_ramping && world.move_interval > kFastestSteps) --world.move_interval;
      world.aliens = kBlock;
      events.Add(kWaveCleared);
    }

    outcome.terminated = hit || invaded;
    events.Add(kAlienShot, Count(shot));
    if (hit) events.Add(kCannonHit);
    if (invaded) events.Add(kInvaded);
    return outcome;
  }

  static void Paint(const World& world, const Picture<6>& picture) {
    picture.Set(kSize - 1, world.cannon, kCannon);
    PaintCells(world.aliens, kAlien, picture);
    PaintCells(world.aliens, world.rightward ? kAlienRight : kAlienLeft, picture);
    PaintCells(world.friendly, kFriendlyBullet, picture);
    PaintCells(world.enemy, kEnemyBullet, picture);
  }

  static void Draw(const World& world, int size, std::uint8_t* rgb);  // draw/minatar.cc

 private:
  static Cells Cell(int row, int col) { return Cells{1} << (row * kSize + col); }
  static int Count(Cells cells) {
    return std::popcount(static_cast<std::uint64_t>(cells)) +
           std::popcount(static_cast<std::uint64_t>(cells >> 64));
  }

  // the lowest alien of the column nearest to the cannon; of two columns, the left one
  static Cells LowestNearest(Cells aliens, int cannon) {
    for (int distance = 0; distance < kSize; ++distance) {
      for (const int col : {cannon - distance, cannon + distance}) {
        if (col < 0 || col >= kSize) continue;
        const Cells column = aliens & kColumn << col;
        if (column == 0) continue;
        const auto high = static_cast<std::uint64_t>(column >> 64);
        return high != 0 ? Cells{std::bit_floor(high)} << 64
                         : Cells{std::bit_floor(static_cast<std::uint64_t>(column))};
      }
    }
    return 0;
  }

  static void PaintCells(Cells cells, int plane, const Picture<6>& picture) {
    for (int base = 0; base < 128; base += 64) {
      for (auto half = static_cast<std::uint64_t>(cells >> base); half != 0; half &= half - 1) {
        picture.Set(0, base + std::countr_zero(half), plane);
      }
    }
  }
};

}  // namespace rollout::minatar
