// MountainCarContinuous-v0: the mountain car with a force of any size, which costs.
//
// Bit-equal with gymnasium's MountainCarContinuous-v0 under NumPy 2's promotion rules (state,
// observation, reward, ends, and resets from the same seed). The original keeps its state in
// float64 until the first step and in float32 from then on, and computes in whatever meets.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "envs/classic/mountain_car.h"

namespace rollout {

struct MountainCarContinuous : MountainTrack {
  using Action = float;  // the force, clipped to [-1, 1]; its square costs unclipped
  using Obs = float;
  static constexpr std::size_t kGrainRows = 256;

  static constexpr double kPower = 0.0015;
  static constexpr double kGoal = 0.45;
  static constexpr double kMaxForce = 1.0;
  static constexpr double kGoalReward = 100.0;
  static constexpr double kForceCost = 0.1;  // of the force squared

  struct Params {
    std::int64_t max_episode_steps = 999;
    double goal_velocity = 0.0;  // the least speed at the goal that ends the episode
  };

  struct State {
    double position, velocity;
    NumpyGenerator rng;
    bool fresh;  // not stepped since the reset: the state is float64
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "MountainCarContinuous-v0";
    DescribeObs(spec);
    spec.action_low = {-kMaxForce};
    spec.action_high = {kMaxForce};
    spec.max_episode_steps = params.max_episode_steps;
    return spec;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    state.position = state.rng.Uniform(kResetLow, kResetHigh);
    state.velocity = 0.0;
    state.fresh = true;
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    const bool terminated =
        state.fresh ? Move<double>(params, state, *action) : Move<float>(params, state, *action);
    state.fresh = false;
    const double force = *action;
    return {(terminated ? kGoalReward : 0.0) - force * force * kForceCost, terminated};
  }

  // One step with the state in `Real`; true at the goal. Python's floats, written as doubles here,
  // take the type of the NumPy scalar that they meet.
  template <class Real>
  static bool Move(const Params& params, State& state, float action) {
    Real position = static_cast<Real>(state.position), velocity = static_cast<Real>(state.velocity);
    const double slope = kGravity * std::cos(static_cast<double>(Real{3} * position));
    if (action > kMaxForce || action < -kMaxForce) {
      // a clipped force is a Python float
      const double force = action > 0 ? kMaxForce : -kMaxForce;
      velocity += static_cast<Real>(force * kPower - slope);
    } else {
      velocity += action * static_cast<float>(kPower) - static_cast<float>(slope);
    }
    constexpr Real kMost = static_cast<Real>(kMaxSpeed);
    constexpr Real kFrom = static_cast<Real>(kLeft), kTo = static_cast<Real>(kRight);
    // a clipped velocity is a Python float as well, and is compared as one
    const bool clipped = velocity > kMost || velocity < -kMost;
    if (clipped) velocity = velocity > 0 ? kMost : -kMost;
    position += velocity;
    if (position > kTo) position = kTo;
    if (position < kFrom) position = kFrom;
    if (position == kFrom && velocity < 0) velocity = 0;

    const bool fast_enough = clipped
                                 ? (velocity > 0 ? kMaxSpeed : -kMaxSpeed) >= params.goal_velocity
                                 : velocity >= static_cast<Real>(params.goal_velocity);
    state.position = static_cast<double>(position);
    state.velocity = static_cast<double>(velocity);
    Narrow(state);
    return position >= static_cast<Real>(kGoal) && fast_enough;
  }

  // to float32, which every state but a fresh one is
  static void Narrow(State& state) {
    state.position = static_cast<double>(static_cast<float>(state.position));
    state.velocity = static_cast<double>(static_cast<float>(state.velocity));
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    out[0] = static_cast<float>(state.position);
    out[1] = static_cast<float>(state.velocity);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/classic.cc
};

static_assert(Environment<MountainCarContinuous>);

}  // namespace rollout
