// CartPoleSwingUp-v0: swing a hanging pole up by pushing its cart, and balance it in the middle.
//
// The cart and the pole of CartPole-v1 (Barto, Sutton and Anderson 1983) with a force of any size,
// starting with the pole down, and one semi-implicit Euler step a step. Resets draw from philox.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/philox.h"
#include "envs/env.h"

namespace rollout {

struct CartPoleSwingUp {
  using Action = float;  // force in units of kMaxForce, clipped to [-1, 1]
  using Obs = float;
  static constexpr std::size_t kGrainRows = 64;

  static constexpr double kPi = 3.141592653589793;
  static constexpr double kTauSeconds = 0.02;
  static constexpr double kGravity = 9.8;      // m/s^2
  static constexpr double kPoleMass = 0.1;     // kg
  static constexpr double kTotalMass = 1.1;    // kg, with the cart's
  static constexpr double kHalfLength = 0.5;   // m, half of the pole
  static constexpr double kMaxForce = 10.0;    // N
  static constexpr double kXLimit = 2.4;       // m
  static constexpr double kUpright = 0.95;     // cos theta above which the pole counts as up
  static constexpr double kResetBound = 0.05;  // every coordinate starts within this of hanging
  static constexpr std::uint32_t kResetSite = 1;

  struct Params {
    std::int64_t max_episode_steps = 500;
  };

  struct State {
    double x, x_dot, theta, theta_dot;  // m, m/s, rad (0 is up), rad/s
  };

  static EnvSpec Describe(const Params& params) {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    EnvSpec spec;
    spec.id = "CartPoleSwingUp-v0";
    spec.obs_shape = {5};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_high = {kXLimit * 2, kInf, 1.0, 1.0, kInf};
    for (const double high : spec.obs_high) spec.obs_low.push_back(-high);
    spec.action_low = {-1.0};
    spec.action_high = {1.0};
    spec.max_episode_steps = params.max_episode_steps;
    spec.event_names = {"upright", "off_track"};
    return spec;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    PhiloxStream draws(key.seed, key.episode, 0, kResetSite);
    for (double* value : {&state.x, &state.x_dot, &state.theta, &state.theta_dot}) {
      *value = kResetBound * (2 * draws.NextDouble() - 1);
    }
    state.theta = Wrapped(state.theta + kPi);
  }

  static Outcome Step(const Params&, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const double force = kMaxForce * std::clamp(*action, -1.0F, 1.0F);
    const double sin_theta = std::sin(state.theta), cos_theta = std::cos(state.theta);
    const double spin = kPoleMass * kHalfLength * state.theta_dot * state.theta_dot * sin_theta;
    const double push = (force + spin) / kTotalMass;
    const double theta_acc =
        (kGravity * sin_theta - cos_theta * push) /
        (kHalfLength * (4.0 / 3.0 - kPoleMass * cos_theta * cos_theta / kTotalMass));
    const double x_acc = push - kPoleMass * kHalfLength * theta_acc * cos_theta / kTotalMass;
    state.x_dot += kTauSeconds * x_acc;
    state.theta_dot += kTauSeconds * theta_acc;
    state.x += kTauSeconds * state.x_dot;
    state.theta = Wrapped(state.theta + kTauSeconds * state.theta_dot);

    const double height = std::cos(state.theta), off = state.x / kXLimit;
    const bool off_track = off < -1.0 || off > 1.0;
    if (extras.events != nullptr) {
      extras.events[0] = height > kUpright ? 1 : 0;
      extras.events[1] = off_track ? 1 : 0;
    }
    // 1 where the pole stands in the middle, 0 where it hangs or the cart is at an end
    return {off_track ? 0.0 : (1.0 + height) / 2 * (1.0 - off * off), off_track};
  }

  static double Wrapped(double angle) { return std::remainder(angle, 2 * kPi); }

  static void Observe(const Params&, const State& state, Obs* out) {
    const double values[] = {state.x, state.x_dot, std::cos(state.theta), std::sin(state.theta),
                             state.theta_dot};
    for (const double value : values) *out++ = static_cast<float>(value);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/control.cc
};

static_assert(Environment<CartPoleSwingUp>);

}  // namespace rollout
