// MinAtar's Seaquest: steer a submarine, shoot fish and enemy submarines, and bring divers up
// before the oxygen is gone.
//
// +1 an enemy shot, and up to +10 for surfacing with six divers, by the oxygen left. Ends on any
// contact with an enemy or its bullet, without oxygen, or on surfacing without a diver. Faster and
// denser with every surfacing while ramping. Step-equal with the `minatar` package; see minatar.h.
#pragma once

#include <array>

#include "envs/minatar/minatar.h"

namespace rollout::minatar {

// A short list, kept in order; entry i may be removed while the entries are walked backwards.
template <class T, int kMost>
class Flock {
 public:
  int size() const { return size_; }
  bool full() const { return size_ == kMost; }
  T& operator[](int i) { return items_[i]; }
  const T& operator[](int i) const { return items_[i]; }
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + size_; }

  void Add(const T& item) {
    if (!full()) items_[size_++] = item;
  }
  void Remove(int i) {
    std::copy(items_.data() + i + 1, items_.data() + size_, items_.data() + i);
    --size_;
  }

 private:
  std::array<T, kMost> items_;
  std::int8_t size_ = 0;
};

struct Seaquest {
  static constexpr const char* kId = "MinAtar-Seaquest-v1";
  static constexpr std::uint8_t kActions[] = {kNoop, kLeft, kUp, kRight, kDown, kFire};
  enum Plane {
    kFront,
    kBack,
    kFriendlyBullet,
    kTrail,
    kEnemyBullet,
    kFish,
    kSub,
    kOxygenGauge,
    kDiverGauge,
    kDiver
  };
  static constexpr const char* kPlaneNames[] = {
      "sub_front",  "sub_back",  "friendly_bullet", "trail",       "enemy_bullet",
      "enemy_fish", "enemy_sub", "oxygen_gauge",    "diver_gauge", "diver"};
  enum Event { kEnemyShot, kDiverTaken, kSurfaced, kDelivered, kHit, kDrowned, kSurfacedEmpty };
  static constexpr const char* kEventNames[] = {
      "enemy_shot", "diver_taken", "surfaced", "delivered", "hit", "drowned", "surfaced_empty"};

  static constexpr int kFullOxygen = 200, kFullLoad = 6;
  static constexpr int kEnemySpawnSteps = 20, kDiverSpawnSteps = 30;
  static constexpr int kEnemyMoveSteps = 5, kFastestMoveSteps = 2, kDiverMoveSteps = 5;
  static constexpr int kFireSteps = 5, kEnemyFireSteps = 10;
  static constexpr int kDeepest = kSize - 2;  // rows 1 to 8 are water

  struct Thing {
    std::int8_t col, row;
    bool rightward;
    std::int8_t timer, fire_timer;  // 0 where it has none

    bool At(int at_col, int at_row) const { return col == at_col && row == at_row; }
    int Behind() const { return rightward ? col - 1 : col + 1; }
    void Move() { col = static_cast<std::int8_t>(rightward ? col + 1 : col - 1); }
    bool Gone() const { return col < 0 || col >= kSize; }
  };

  struct World {
    // a bullet crosses in ten steps, a diver in sixty; an enemy in thirty once one a step may come,
    // and each fires at most once in ten
    Flock<Thing, 8> bullets, divers;
    Flock<Thing, 32> enemy_bullets, fish, subs;
    std::int16_t oxygen;
    std::int8_t col, row;
    bool rightward, surfaced;
    std::int8_t load;  // divers on board; below 0 after a full load was delivered
    std::int8_t enemy_speed, enemy_spawn_speed, enemy_timer, diver_timer;
    std::int8_t fire_timer, ramp_index;
  };

  static void Reset(World& world, auto&) {
    world = {};
    world.oxygen = kFullOxygen;
    world.col = 5;
    world.surfaced = true;
    world.enemy_speed = kEnemyMoveSteps;
    world.enemy_spawn_speed = world.enemy_timer = kEnemySpawnSteps;
    world.diver_timer = kDiverSpawnSteps;
  }

  static Outcome Step(World& world, int action, const Options& options, auto& draws,
                      const Events& events) {
    Outcome outcome;
    if (world.enemy_timer == 0) {
      SpawnEnemy(world, draws);
      world.enemy_timer = world.enemy_spawn_speed;
    }
    if (world.diver_timer == 0) {
      const bool rightward = draws.NextDouble() < 0.5;
      world.divers.Add(Enter(rightward, draws, kDiverMoveSteps, 0));
      world.diver_timer = kDiverSpawnSteps;
    }
    Act(world, action);

    bool hit = false;
    int shot = 0;
    MoveBullets(world, shot);
    MoveDivers(world, events);
    MoveSubs(world, hit, shot);
    MoveEnemyBullets(world, hit);
    MoveFish(world, hit, shot);

    world.enemy_timer -= world.enemy_timer > 0;
    world.diver_timer -= world.diver_timer > 0;
    world.fire_timer -= world.fire_timer > 0;
    outcome.reward = shot;
    outcome.terminated = hit;
    events.Add(kEnemyShot, shot);
    if (hit) events.Add(kHit);
    Breathe(world, options, outcome, events);
    return outcome;
  }

  static void Paint(const World& world, const Picture<10>& picture) {
    picture.Set(world.row, world.col, kFront);
    if (const int back = world.rightward ? world.col - 1 : world.col + 1; OnGrid(back)) {
      picture.Set(world.row, back, kBack);
    }
    for (int col = 0; col < world.oxygen * kSize / kFullOxygen; ++col) {
      picture.Set(kSize - 1, col, kOxygenGauge);
    }
    for (int i = 0; i < world.load; ++i) picture.Set(kSize - 1, kSize - 2 - i, kDiverGauge);
    PaintAll(world.bullets, kFriendlyBullet, false, picture);
    PaintAll(world.enemy_bullets, kEnemyBullet, false, picture);
    PaintAll(world.fish, kFish, true, picture);
    PaintAll(world.subs, kSub, true, picture);
    PaintAll(world.divers, kDiver, true, picture);
  }

  static void Draw(const World& world, int size, std::uint8_t* rgb);  // draw/minatar.cc

 private:
  static bool OnGrid(int col) { return col >= 0 && col < kSize; }

  static void PaintAll(const auto& things, int plane, bool trail, const Picture<10>& picture) {
    for (const Thing& thing : things) {
      picture.Set(thing.row, thing.col, plane);
      const int behind = thing.Behind();
      if (trail && OnGrid(behind)) picture.Set(thing.row, behind, kTrail);
    }
  }

  static Thing Enter(bool rightward, auto& draws, int timer, int fire_timer) {
    const auto row = static_cast<std::int8_t>(1 + draws.Below(kDeepest));
    return {static_cast<std::int8_t>(rightward ? 0 : kSize - 1), row, rightward,
            static_cast<std::int8_t>(timer), static_cast<std::int8_t>(fire_timer)};
  }

  static void SpawnEnemy(World& world, auto& draws) {
    const bool rightward = draws.NextDouble() < 0.5;
    const bool sub = draws.NextDouble() < 1.0 / 3.0;
    const Thing enemy = Enter(rightward, draws, world.enemy_speed, sub ? kEnemyFireSteps : 0);
    const auto opposes = [&](const Thing& other) {
      return other.row == enemy.row && other.rightward != enemy.rightward;
    };
    if (std::any_of(world.subs.begin(), world.subs.end(), opposes) ||
        std::any_of(world.fish.begin(), world.fish.end(), opposes)) {
      return;
    }
    (sub ? world.subs : world.fish).Add(enemy);
  }

  static void Act(World& world, int action) {
    if (action == kFire && world.fire_timer == 0) {
      world.bullets.Add({world.col, world.row, world.rightward, 0, 0});
      world.fire_timer = kFireSteps;
    }
    if (action == kLeft || action == kRight) {
      world.rightward = action == kRight;
      world.col = static_cast<std::int8_t>(
          std::clamp(world.col + (world.rightward ? 1 : -1), 0, kSize - 1));
    }
    const int down = (action == kDown) - (action == kUp);
    world.row = static_cast<std::int8_t>(std::clamp(world.row + down, 0, kDeepest));
  }

  // removes the first of `things` in a cell
  static bool RemoveAt(auto& things, int col, int row) {
    for (int i = 0; i < things.size(); ++i) {
      if (things[i].At(col, row)) {
        things.Remove(i);
        return true;
      }
    }
    return false;
  }

  static void MoveBullets(World& world, int& shot) {
    for (int i = world.bullets.size() - 1; i >= 0; --i) {
      Thing& bullet = world.bullets[i];
      bullet.Move();
      if (bullet.Gone()) {
        world.bullets.Remove(i);
      } else if (RemoveAt(world.fish, bullet.col, bullet.row) ||
                 RemoveAt(world.subs, bullet.col, bullet.row)) {
        world.bullets.Remove(i);
        ++shot;
      }
    }
  }

  static void MoveDivers(World& world, const Events& events) {
    for (int i = world.divers.size() - 1; i >= 0; --i) {
      Thing& diver = world.divers[i];
      const auto taken = [&] { return diver.At(world.col, world.row) && world.load < kFullLoad; };
      bool take = taken();
      if (!take && diver.timer == 0) {
        diver.timer = kDiverMoveSteps;
        diver.Move();
        if (diver.Gone()) {
          world.divers.Remove(i);
          continue;
        }
        take = taken();
      } else {
        --diver.timer;
      }
      if (take) {
        world.divers.Remove(i);
        ++world.load;
        events.Add(kDiverTaken);
      }
    }
  }

  // contact, move, contact again or a friendly bullet; returns whether the enemy stays
  static bool MoveEnemy(World& world, Thing& enemy, bool& hit, int& shot) {
    hit |= enemy.At(world.col, world.row);
    if (enemy.timer != 0) {
      --enemy.timer;
      return true;
    }
    enemy.timer = world.enemy_speed;
    enemy.Move();
    if (enemy.Gone()) return false;
    if (enemy.At(world.col, world.row)) {
      hit = true;
    } else if (RemoveAt(world.bullets, enemy.col, enemy.row)) {
      ++shot;
      return false;
    }
    return true;
  }

  static void MoveSubs(World& world, bool& hit, int& shot) {
    for (int i = world.subs.size() - 1; i >= 0; --i) {
      Thing& sub = world.subs[i];
      const bool stays = MoveEnemy(world, sub, hit, shot);
      // one that is gone shoots all the same
      if (sub.fire_timer == 0) {
        sub.fire_timer = kEnemyFireSteps;
        world.enemy_bullets.Add({sub.col, sub.row, sub.rightward, 0, 0});
      } else {
        --sub.fire_timer;
      }
      if (!stays) world.subs.Remove(i);
    }
  }

  static void MoveFish(World& world, bool& hit, int& shot) {
    for (int i = world.fish.size() - 1; i >= 0; --i) {
      if (!MoveEnemy(world, world.fish[i], hit, shot)) world.fish.Remove(i);
    }
  }

  static void MoveEnemyBullets(World& world, bool& hit) {
    for (int i = world.enemy_bullets.size() - 1; i >= 0; --i) {
      Thing& bullet = world.enemy_bullets[i];
      hit |= bullet.At(world.col, world.row);
      bullet.Move();
      if (bullet.Gone()) {
        world.enemy_bullets.Remove(i);
      } else {
        hit |= bullet.At(world.col, world.row);
      }
    }
  }

  static void Breathe(World& world, const Options& options, Outcome& outcome,
                      const Events& events) {
    if (world.oxygen <= 0) {
      outcome.terminated = true;
      events.Add(kDrowned);
    }
    if (world.row > 0) {
      --world.oxygen;
      world.surfaced = false;
      return;
    }
    if (world.surfaced) return;
    if (world.load == 0) {
      outcome.terminated = true;
      events.Add(kSurfacedEmpty);
      return;
    }
    Surface(world, options, outcome, events);
  }

  static void Surface(World& world, const Options& options, Outcome& outcome,
                      const Events& events) {
    world.surfaced = true;
    events.Add(kSurfaced);
    if (world.load == kFullLoad) {
      outcome.reward += world.oxygen * 10 / kFullOxygen;
      world.load = 0;
      events.Add(kDelivered);
    }
    world.oxygen = kFullOxygen;
    --world.load;
    if (options.difficulty_ramping &&
        (world.enemy_spawn_speed > 1 || world.enemy_speed > kFastestMoveSteps)) {
      if (world.enemy_speed > kFastestMoveSteps && world.ramp_index % 2 == 1) --world.enemy_speed;
      if (world.enemy_spawn_speed > 1) --world.enemy_spawn_speed;
      ++world.ramp_index;
    }
  }
};

}  // namespace rollout::minatar
