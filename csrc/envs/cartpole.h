// CartPole-v1: balance a pole on a cart by pushing left or right.
//
// Bit-equal with gymnasium's CartPole-v1 (state, observation, reward, ends, and resets from the
// same seed) wherever NumPy's float64 sin and cos are the C library's. Source: Barto, Sutton and
// Anderson 1983, with the constants and the order of operations of gymnasium 1.x.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "envs/env.h"
#include "envs/numpy_rng.h"

namespace rollout {

struct CartPole {
  using Action = std::int64_t;  // 0 pushes left, 1 right
  using Obs = float;

  static constexpr double kGravity = 9.8;   // m/s^2
  static constexpr double kCartMass = 1.0;  // kg
  static constexpr double kPoleMass = 0.1;  // kg
  static constexpr double kTotalMass = kPoleMass + kCartMass;
  static constexpr double kHalfLength = 0.5;  // m, half of the pole
  static constexpr double kPoleMassLength = kPoleMass * kHalfLength;
  static constexpr double kForceNewtons = 10.0;
  static constexpr double kTauSeconds = 0.02;  // one explicit Euler step
  static constexpr double kXLimit = 2.4;       // m
  static constexpr double kThetaLimit = 12 * 2 * 3.141592653589793 / 360;  // rad
  static constexpr double kResetBound = 0.05;  // every coordinate starts within this

  struct Params {
    std::int64_t max_episode_steps = 500;
    bool sutton_barto_reward = false;  // 0 a step and -1 at the fall, instead of 1 a step
  };

  struct State {
    double x, x_dot, theta, theta_dot;  // m, m/s, rad, rad/s
    NumpyGenerator rng;
  };

  static EnvSpec Describe(const Params& params) {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    EnvSpec spec;
    spec.id = "CartPole-v1";
    spec.obs_shape = {4};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_high = {kXLimit * 2, kInf, kThetaLimit * 2, kInf};
    for (const double high : spec.obs_high) spec.obs_low.push_back(-high);
    spec.action_nvec = {2};
    spec.max_episode_steps = params.max_episode_steps;
    return spec;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    for (double* value : {&state.x, &state.x_dot, &state.theta, &state.theta_dot}) {
      *value = state.rng.Uniform(-kResetBound, kResetBound);
    }
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    const double force = *action == 1 ? kForceNewtons : -kForceNewtons;
    const double cos_theta = std::cos(state.theta);
    const double sin_theta = std::sin(state.theta);

    // the order of operations is part of the promise: do not rearrange
    const double push =
        (force + kPoleMassLength * (state.theta_dot * state.theta_dot) * sin_theta) / kTotalMass;
    const double theta_acc =
        (kGravity * sin_theta - cos_theta * push) /
        (kHalfLength * (4.0 / 3.0 - kPoleMass * (cos_theta * cos_theta) / kTotalMass));
    const double x_acc = push - kPoleMassLength * theta_acc * cos_theta / kTotalMass;

    state.x += kTauSeconds * state.x_dot;
    state.x_dot += kTauSeconds * x_acc;
    state.theta += kTauSeconds * state.theta_dot;
    state.theta_dot += kTauSeconds * theta_acc;

    Outcome outcome;
    outcome.terminated = state.x < -kXLimit || state.x > kXLimit || state.theta < -kThetaLimit ||
                         state.theta > kThetaLimit;
    outcome.reward = params.sutton_barto_reward ? (outcome.terminated ? -1.0 : 0.0) : 1.0;
    return outcome;
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    out[0] = static_cast<float>(state.x);
    out[1] = static_cast<float>(state.x_dot);
    out[2] = static_cast<float>(state.theta);
    out[3] = static_cast<float>(state.theta_dot);
  }
};

static_assert(Environment<CartPole>);

}  // namespace rollout
