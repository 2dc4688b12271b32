// Pendulum-v1: swing a pendulum up and hold it there, with a torque too weak to lift it at once.
//
// Bit-equal with gymnasium's Pendulum-v1 (state, observation, reward, and resets from the same
// seed) wherever NumPy's float64 sin and cos are the C library's. Source: the constants and the
// order of operations of gymnasium 1.x. It never terminates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "envs/env.h"
#include "envs/libm.h"
#include "envs/numpy_rng.h"

namespace rollout {

struct Pendulum {
  using Action = float;  // torque in N m, clipped to [-2, 2]
  using Obs = float;
  static constexpr std::size_t kGrainRows = 64;

  static constexpr double kPi = 3.141592653589793;
  static constexpr double kMass = 1.0;         // kg
  static constexpr double kLength = 1.0;       // m
  static constexpr double kTauSeconds = 0.05;  // one semi-implicit Euler step
  static constexpr double kMaxSpeed = 8.0;     // rad/s
  static constexpr float kMaxTorque = 2.0F;
  static constexpr double kSpeedCost = 0.1;
  static constexpr float kTorqueCost = 0.001F;

  struct Params {
    std::int64_t max_episode_steps = 200;
    double gravity = 10.0;  // m/s^2
  };

  struct State {
    double theta, theta_dot;  // rad, 0 is up and never wrapped; rad/s
    double sin, cos;          // of theta: what is observed is needed again in the next step
    NumpyGenerator rng;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "Pendulum-v1";
    spec.obs_shape = {3};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_low = {-1.0, -1.0, -kMaxSpeed};
    spec.obs_high = {1.0, 1.0, kMaxSpeed};
    spec.action_low = {-kMaxTorque};
    spec.action_high = {kMaxTorque};
    spec.max_episode_steps = params.max_episode_steps;
    return spec;
  }

  static void Place(State& state, double theta, double theta_dot) {
    state.theta = theta;
    state.theta_dot = theta_dot;
    state.sin = std::sin(theta);
    state.cos = std::cos(theta);
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    const double theta = state.rng.Uniform(-kPi, kPi);
    Place(state, theta, state.rng.Uniform(-1.0, 1.0));
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    const float torque = std::clamp(*action, -kMaxTorque, kMaxTorque);
    const double cost = PowTwo(Wrapped(state.theta)) + kSpeedCost * PowTwo(state.theta_dot) +
                        static_cast<double>(kTorqueCost * PowTwo(torque));

    // the order of operations is part of the promise: do not rearrange
    constexpr float kPerInertia = 3.0 / (kMass * kLength * kLength);
    const double pull = 3 * params.gravity / (2 * kLength) * state.sin;
    const double push = static_cast<double>(kPerInertia * torque);
    const double theta_dot =
        std::clamp(state.theta_dot + (pull + push) * kTauSeconds, -kMaxSpeed, kMaxSpeed);
    Place(state, state.theta + theta_dot * kTauSeconds, theta_dot);
    return {-cost, false};
  }

  // the angle in [-pi, pi), with the roundings of Python's modulo
  static double Wrapped(double theta) {
    double turned = std::fmod(theta + kPi, 2 * kPi);
    if (turned < 0) turned += 2 * kPi;
    return turned - kPi;
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    out[0] = static_cast<float>(state.cos);
    out[1] = static_cast<float>(state.sin);
    out[2] = static_cast<float>(state.theta_dot);
  }
};

static_assert(Environment<Pendulum>);

}  // namespace rollout
