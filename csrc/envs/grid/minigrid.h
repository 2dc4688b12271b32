// MiniGrid's worlds: find the way to a goal past doors, keys and lava, seeing 7 x 7 cells.
//
// Equal with the `minigrid` package 3.2 step for step, and from the same seed: levels, views,
// rewards, ends. A world is a flat State of 100 to 700 bytes; Params are read-only while stepping.
// Thread-safe for distinct states; nothing allocates.
//
// Source: Chevalier-Boisvert et al. 2023, "Minigrid & Miniworld".
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "envs/env.h"
#include "envs/grid/levels.h"
#include "envs/grid/view.h"
#include "envs/grid/world.h"

namespace rollout {
namespace grid {

struct Params {
  Level level;
  std::int64_t max_steps = 0;
  std::vector<Cell> targets;  // by mission; empty where a goal is to be reached

  Cell TargetOf(int mission) const { return targets.empty() ? kNoCell : targets[mission]; }
};

inline Params MakeParams(const Level& level, std::int64_t max_steps) {
  Params params{level, max_steps, {}};
  const int missions = static_cast<int>(Missions(level).size());
  for (int mission = 0; Target(level, 0) != kNoCell && mission < missions; ++mission) {
    params.targets.push_back(Target(level, mission));
  }
  return params;
}

struct Obs {
  std::uint8_t image[kViewCells * 3];
  std::uint8_t unused[5];  // DrawView writes the first of them
  std::int64_t direction;
  std::int64_t mission;
};

// The world from above, with what the agent sees, a view [7, 7, 3], brighter (draw/grid.cc).
void Draw(const World& world, const Agent& agent, const std::uint8_t* view, int size,
          std::uint8_t* rgb);

}  // namespace grid

struct MiniGrid {
  using Action = std::int64_t;
  using Obs = grid::Obs;
  using Params = grid::Params;
  using State = grid::State;
  static constexpr std::size_t kGrainRows = 32;

  static std::size_t StateBytes(const Params& params) {
    return grid::StateBytes(params.level.width, params.level.height);
  }

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = params.level.id;
    const auto missions = static_cast<std::int64_t>(grid::Missions(params.level).size());
    spec.obs_fields = {
        {.name = "image",
         .shape = {grid::kViewSide, grid::kViewSide, 3},
         .dtype = Dtype::kUint8,
         .low = {0},
         .high = {255},
         .nvec = {},
         .offset = offsetof(Obs, image)},
        {.name = "direction",
         .shape = {},
         .dtype = Dtype::kInt64,
         .low = {},
         .high = {},
         .nvec = {4},
         .offset = offsetof(Obs, direction)},
        {.name = "mission",
         .shape = {},
         .dtype = Dtype::kInt64,
         .low = {},
         .high = {},
         .nvec = {missions},
         .offset = offsetof(Obs, mission)},
    };
    spec.action_nvec = {grid::kNumActions};
    spec.max_episode_steps = params.max_steps;
    spec.event_names.assign(std::begin(grid::kEventNames), std::end(grid::kEventNames));
    return spec;
  }

  static grid::World WorldOf(const Params& params, const State& state) {
    // a world is a view; who may write is decided by who holds the state
    return {params.level.width, params.level.height, const_cast<grid::Cell*>(state.cells.data())};
  }

  static void Reset(const Params& params, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    grid::DrawLevel(params.level, WorldOf(params, state), state.agent, state.rng);
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey& key,
                      const StepExtras& extras) {
    const grid::StepResult result =
        grid::Act(WorldOf(params, state), state.agent, static_cast<int>(*action),
                  params.TargetOf(state.agent.mission), extras.events);
    Outcome outcome;
    outcome.terminated = result.terminated;
    if (result.success) {
      outcome.reward =
          1 - 0.9 * (static_cast<double>(key.step) / static_cast<double>(params.max_steps));
    }
    return outcome;
  }

  static void Observe(const Params& params, const State& state, Obs* out) {
    grid::DrawView(WorldOf(params, state), state.agent, params.level.family == grid::Family::kEmpty,
                   out->image);
    out->direction = state.agent.direction;
    out->mission = state.agent.mission;
  }

  static void Render(const Params& params, const State& state, int size, std::uint8_t* rgb) {
    Obs seen;
    Observe(params, state, &seen);
    grid::Draw(WorldOf(params, state), state.agent, seen.image, size, rgb);
  }
};

static_assert(Environment<MiniGrid>);

}  // namespace rollout
