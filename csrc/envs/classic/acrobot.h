// Acrobot-v1: swing the tip of a two-link pendulum above a line by torques at its elbow.
//
// Bit-equal with gymnasium's Acrobot-v1 (state, observation, reward, ends, and resets from the same
// seed) wherever NumPy's sin and cos are the C library's; its observations right after a reset take
// those of float32. Source: Sutton 1996, with the constants and the order of operations of
// gymnasium 1.x.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "envs/env.h"
#include "envs/libm.h"
#include "envs/numpy_rng.h"

namespace rollout {

struct Acrobot {
  using Action = std::int64_t;  // the torque at the elbow is the action - 1, in N m
  using Obs = float;
  static constexpr std::size_t kGrainRows = 16;

  static constexpr double kPi = 3.141592653589793;
  static constexpr double kTauSeconds = 0.2;                           // one Runge-Kutta step
  static constexpr double kGravity = 9.8;                              // m/s^2
  static constexpr double kLength1 = 1.0;                              // m
  static constexpr double kMass1 = 1.0, kMass2 = 1.0;                  // kg
  static constexpr double kCenter1 = 0.5, kCenter2 = 0.5;              // m, of mass
  static constexpr double kInertia = 1.0;                              // kg m^2, of either link
  static constexpr double kMaxSpeed1 = 4 * kPi, kMaxSpeed2 = 9 * kPi;  // rad/s
  static constexpr double kResetBound = 0.1;  // every coordinate starts within this
  static constexpr double kGoalHeight = 1.0;  // m above the upper joint

  struct Params {
    std::int64_t max_episode_steps = 500;
    bool nips = false;              // the equations of the 1996 paper rather than of the book
    double torque_noise_max = 0.0;  // uniform noise within this is added to the torque
  };

  using Vector = std::array<double, 4>;

  struct State {
    Vector q;       // rad and rad/s: theta1 (0 hangs), theta2 (from link 1), their rates
    float seen[4];  // cos and sin of theta1, then of theta2
    NumpyGenerator rng;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "Acrobot-v1";
    spec.obs_shape = {6};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_high = {1.0, 1.0, 1.0, 1.0, kMaxSpeed1, kMaxSpeed2};
    for (const double high : spec.obs_high) spec.obs_low.push_back(-high);
    spec.action_nvec = {3};
    spec.max_episode_steps = params.max_episode_steps;
    return spec;
  }

  // Real is the type that the original takes sines of
  template <class Real>
  static void Look(State& state) {
    for (int joint = 0; joint < 2; ++joint) {
      const Real angle = static_cast<Real>(state.q[joint]);
      state.seen[2 * joint] = static_cast<float>(std::cos(angle));
      state.seen[2 * joint + 1] = static_cast<float>(std::sin(angle));
    }
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    for (double& value : state.q) value = state.rng.Uniform(-kResetBound, kResetBound);
    Narrow(state);
  }

  // to float32, which a state is before its first step
  static void Narrow(State& state) {
    for (double& value : state.q) value = static_cast<double>(static_cast<float>(value));
    Look<float>(state);
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    double torque = static_cast<double>(*action - 1);
    if (params.torque_noise_max > 0) {
      torque += state.rng.Uniform(-params.torque_noise_max, params.torque_noise_max);
    }
    Vector& q = state.q;
    const auto ahead = [&q](double seconds, const Vector& rate) {
      Vector out;
      for (int i = 0; i < 4; ++i) out[i] = q[i] + seconds * rate[i];
      return out;
    };
    const Vector k1 = Rates(params, q, torque);
    const Vector k2 = Rates(params, ahead(kTauSeconds / 2, k1), torque);
    const Vector k3 = Rates(params, ahead(kTauSeconds / 2, k2), torque);
    const Vector k4 = Rates(params, ahead(kTauSeconds, k3), torque);
    for (int i = 0; i < 4; ++i) {
      q[i] += kTauSeconds / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    }
    q[0] = Wrapped(q[0]);
    q[1] = Wrapped(q[1]);
    q[2] = std::clamp(q[2], -kMaxSpeed1, kMaxSpeed1);
    q[3] = std::clamp(q[3], -kMaxSpeed2, kMaxSpeed2);
    Look<double>(state);
    const bool terminated = -std::cos(q[0]) - std::cos(q[1] + q[0]) > kGoalHeight;
    return {terminated ? 0.0 : -1.0, terminated};
  }

  // The derivative of q. The order of operations is part of the promise: do not rearrange.
  static Vector Rates(const Params& params, const Vector& q, double torque) {
    const auto [theta1, theta2, rate1, rate2] = q;
    const double cos2 = std::cos(theta2), sin2 = std::sin(theta2);
    const double d1 =
        kMass1 * kCenter1 * kCenter1 +
        kMass2 * (kLength1 * kLength1 + kCenter2 * kCenter2 + 2 * kLength1 * kCenter2 * cos2) +
        kInertia + kInertia;
    const double d2 = kMass2 * (kCenter2 * kCenter2 + kLength1 * kCenter2 * cos2) + kInertia;
    const double phi2 = kMass2 * kCenter2 * kGravity * std::cos(theta1 + theta2 - kPi / 2);
    const double phi1 =
        -kMass2 * kLength1 * kCenter2 * PowTwo(rate2) * sin2 -
        2 * kMass2 * kLength1 * kCenter2 * rate2 * rate1 * sin2 +
        (kMass1 * kCenter1 + kMass2 * kLength1) * kGravity * std::cos(theta1 - kPi / 2) + phi2;
    double drive = torque + d2 / d1 * phi1;
    if (!params.nips) drive -= kMass2 * kLength1 * kCenter2 * PowTwo(rate1) * sin2;
    const double accel2 =
        (drive - phi2) / (kMass2 * kCenter2 * kCenter2 + kInertia - PowTwo(d2) / d1);
    const double accel1 = -(d2 * accel2 + phi1) / d1;
    return {rate1, rate2, accel1, accel2};
  }

  static double Wrapped(double angle) {
    while (angle > kPi) angle -= 2 * kPi;
    while (angle < -kPi) angle += 2 * kPi;
    return angle;
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    for (int i = 0; i < 4; ++i) out[i] = state.seen[i];
    out[4] = static_cast<float>(state.q[2]);
    out[5] = static_cast<float>(state.q[3]);
  }
};

static_assert(Environment<Acrobot>);

}  // namespace rollout
