// MinAtar's Asterix: collect gold and avoid enemies, which cross eight rows from both sides.
//
// +1 a piece of gold; ends when an enemy is met. Faster and denser every 102 steps while ramping.
// Step-equal with the `minatar` package; see minatar.h.
#pragma once

#include <array>
#include <bit>

#include "envs/minatar/minatar.h"

namespace rollout::minatar {

struct Asterix {
  static constexpr const char* kId = "MinAtar-Asterix-v1";
  static constexpr std::uint8_t kActions[] = {kNoop, kLeft, kUp, kRight, kDown};
  enum Plane { kPlayer, kEnemy, kTrail, kGold };
  static constexpr const char* kPlaneNames[] = {"player", "enemy", "trail", "gold"};
  enum Event { kGoldTaken, kEnemyMet, kRampedUp };
  static constexpr const char* kEventNames[] = {"gold_taken", "enemy_met", "ramped_up"};

  static constexpr int kSlots = 8;  // one for each of rows 1 to 8
  static constexpr int kSpawnSteps = 10, kMoveSteps = 5;
  static constexpr int kRampSteps = 100;

  struct World {
    std::array<std::int8_t, kSlots> col;
    std::uint8_t present, rightward, gold;  // a bit a slot
    std::int8_t row, player_col;
    std::int8_t spawn_speed, spawn_timer;
    std::int8_t move_speed, move_timer;
    std::int8_t ramp_timer, ramp_index;
  };

  static void Reset(World& world, auto&) {
    world = {};
    world.row = world.player_col = 5;
    world.spawn_speed = world.spawn_timer = kSpawnSteps;
    world.move_speed = world.move_timer = kMoveSteps;
    world.ramp_timer = kRampSteps;
  }

  static Outcome Step(World& world, int action, const Options& options, auto& draws,
                      const Events& events) {
    Outcome outcome;
    if (world.spawn_timer == 0) {
      Spawn(world, draws);
      world.spawn_timer = world.spawn_speed;
    }
    const int right = (action == kRight) - (action == kLeft);
    const int down = (action == kDown) - (action == kUp);
    world.player_col = static_cast<std::int8_t>(std::clamp(world.player_col + right, 0, kSize - 1));
    world.row = static_cast<std::int8_t>(std::clamp(world.row + down, 1, kSlots));

    // only what is in the player's row can be met, before and after it moves
    Meet(world, outcome, events);
    if (world.move_timer == 0) {
      world.move_timer = world.move_speed;
      for (unsigned left = world.present; left != 0; left &= left - 1) {
        const int slot = std::countr_zero(left);
        const int col = world.col[slot] += (world.rightward >> slot & 1) != 0 ? 1 : -1;
        if (col < 0 || col >= kSize) {
          world.present &= ~(1U << slot);
          world.col[slot] = 0;
        }
      }
      Meet(world, outcome, events);
    }

    world.spawn_timer -= 1;
    world.move_timer -= 1;
    if (options.difficulty_ramping && (world.spawn_speed > 1 || world.move_speed > 1)) {
      Ramp(world, events);
    }
    return outcome;
  }

  static void Paint(const World& world, const Picture<4>& picture) {
    picture.Set(world.row, world.player_col, kPlayer);
    for (unsigned left = world.present; left != 0; left &= left - 1) {
      const int slot = std::countr_zero(left);
      const int col = world.col[slot];
      const int behind = col - ((world.rightward >> slot & 1) != 0 ? 1 : -1);
      picture.Set(slot + 1, col, (world.gold >> slot & 1) != 0 ? kGold : kEnemy);
      if (behind >= 0 && behind < kSize) picture.Set(slot + 1, behind, kTrail);
    }
  }

  static void Draw(const World& world, int size, std::uint8_t* rgb);  // draw/minatar.cc

 private:
  static void Spawn(World& world, auto& draws) {
    const bool rightward = draws.NextDouble() < 0.5;
    const bool gold = draws.NextDouble() < 1.0 / 3.0;
    unsigned empty = ~world.present & 0xffU;
    if (empty == 0) return;
    const std::uint32_t nth = draws.Below(static_cast<std::uint32_t>(std::popcount(empty)));
    for (std::uint32_t i = 0; i < nth; ++i) empty &= empty - 1;
    const int slot = std::countr_zero(empty);
    const unsigned bit = 1U << slot;
    world.present |= bit;
    world.rightward = rightward ? world.rightward | bit : world.rightward & ~bit;
    world.gold = gold ? world.gold | bit : world.gold & ~bit;
    world.col[slot] = rightward ? 0 : kSize - 1;
  }

  static void Meet(World& world, Outcome& outcome, const Events& events) {
    const int slot = world.row - 1;
    const unsigned bit = 1U << slot;
    if ((world.present & bit) == 0 || world.col[slot] != world.player_col) return;
    if ((world.gold & bit) != 0) {
      world.present &= ~bit;
      outcome.reward += 1.0;
      events.Add(kGoldTaken);
    } else {
      if (!outcome.terminated) events.Add(kEnemyMet);
      outcome.terminated = true;
    }
  }

  static void Ramp(World& world, const Events& events) {
    if (world.ramp_timer >= 0) {
      --world.ramp_timer;
      return;
    }
    if (world.move_speed > 1 && world.ramp_index % 2 == 1) --world.move_speed;
    if (world.spawn_speed > 1) --world.spawn_speed;
    ++world.ramp_index;
    world.ramp_timer = kRampSteps;
    events.Add(kRampedUp);
  }
};

}  // namespace rollout::minatar
