// MountainCar-v0: a car too weak for a hill must swing in the valley to gain speed.
//
// Bit-equal with gymnasium's MountainCar-v0 (state, observation, reward, ends, and resets from the
// same seed). Source: Moore 1990, with the constants and the order of operations of gymnasium 1.x.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "envs/env.h"
#include "envs/numpy_rng.h"

namespace rollout {

// what both mountain cars share
struct MountainTrack {
  static constexpr double kLeft = -1.2, kRight = 0.6;  // the wall on the left, and the far end
  static constexpr double kMaxSpeed = 0.07;            // a step
  static constexpr double kGravity = 0.0025;
  static constexpr double kResetLow = -0.6, kResetHigh = -0.4;

  static void DescribeObs(EnvSpec& spec) {
    spec.obs_shape = {2};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_low = {kLeft, -kMaxSpeed};
    spec.obs_high = {kRight, kMaxSpeed};
  }
};

struct MountainCar : MountainTrack {
  using Action = std::int64_t;  // 0 pushes left, 1 not at all, 2 right
  using Obs = float;
  static constexpr std::size_t kGrainRows = 256;

  static constexpr double kForce = 0.001;
  static constexpr double kGoal = 0.5;

  struct Params {
    std::int64_t max_episode_steps = 200;
    double goal_velocity = 0.0;  // the least speed at the goal that ends the episode
  };

  struct State {
    double position, velocity;
    NumpyGenerator rng;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "MountainCar-v0";
    DescribeObs(spec);
    spec.action_nvec = {3};
    spec.max_episode_steps = params.max_episode_steps;
    return spec;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    state.position = state.rng.Uniform(kResetLow, kResetHigh);
    state.velocity = 0.0;
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    double position = state.position, velocity = state.velocity;
    velocity += static_cast<double>(*action - 1) * kForce + std::cos(3 * position) * -kGravity;
    velocity = std::clamp(velocity, -kMaxSpeed, kMaxSpeed);
    position = std::clamp(position + velocity, kLeft, kRight);
    if (position == kLeft && velocity < 0) velocity = 0.0;
    state.position = position;
    state.velocity = velocity;
    return {-1.0, position >= kGoal && velocity >= params.goal_velocity};
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    out[0] = static_cast<float>(state.position);
    out[1] = static_cast<float>(state.velocity);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/classic.cc
};

static_assert(Environment<MountainCar>);

}  // namespace rollout
