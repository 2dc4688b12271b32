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
#include "envs/libm_avx2.h"
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

#ifdef ROLLOUT_HAS_AVX2_TARGET
  static void StepFour(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes);
#endif

  static void StepMany(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes, std::size_t n) {
    std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() == SimdLevel::kAvx2) {
      for (; i + 4 <= n; i += 4) StepFour(params, states + i, actions + i, outcomes + i);
    }
#endif
    for (; i < n; ++i) outcomes[i] = Step(params, *states[i], actions[i], {}, {});
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    out[0] = static_cast<float>(state.cos);
    out[1] = static_cast<float>(state.sin);
    out[2] = static_cast<float>(state.theta_dot);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/classic.cc
};

static_assert(Environment<Pendulum>);
static_assert(offsetof(Pendulum::State, cos) == 3 * sizeof(double));

#ifdef ROLLOUT_HAS_AVX2_TARGET

// Step for four rows, a lane a row: the same operations in the same order, so the same bits.
ROLLOUT_AVX2_TARGET inline void Pendulum::StepFour(const Params& params, State* const* states,
                                                   const Action* const* actions,
                                                   Outcome* outcomes) {
  using internal::Abs;
  using internal::All;
  using internal::Clamp;
  using internal::Less;
  using Four = __m256d;

  // a state's first four numbers are contiguous
  Four row[4];
  for (int k = 0; k < 4; ++k) row[k] = _mm256_loadu_pd(&states[k]->theta);
  internal::Transpose(row);
  const Four theta = row[0], speed = row[1], sin_theta = row[2];
  const __m128 given = _mm_set_ps(*actions[3], *actions[2], *actions[1], *actions[0]);
  const __m128 torque =
      _mm_min_ps(_mm_max_ps(given, _mm_set1_ps(-kMaxTorque)), _mm_set1_ps(kMaxTorque));

  // Wrapped: the remainder of a positive number by a whole turn is exact
  constexpr double kTurn = 2 * kPi;
  const Four shifted = theta + All(kPi);
  const Four size = Abs(shifted);
  const Four turns = _mm256_floor_pd(size * All(1 / kTurn));
  Four rest = _mm256_fnmadd_pd(turns, All(kTurn), size);
  const Four few = _mm256_cmp_pd(rest, All(kTurn), _CMP_GE_OQ), many = Less(rest, All(0.0));
  const Four exact = turns + _mm256_and_pd(few, All(1.0)) - _mm256_and_pd(many, All(1.0));
  rest = _mm256_fnmadd_pd(exact, All(kTurn), size);
  const Four back =
      _mm256_and_pd(Less(shifted, All(0.0)), _mm256_cmp_pd(rest, All(0.0), _CMP_NEQ_OQ));
  const Four wrapped = _mm256_blendv_pd(rest, All(kTurn) - rest, back) - All(kPi);

  const __m128 torque_cost = _mm_mul_ps(_mm_set1_ps(kTorqueCost),
                                        _mm256_cvtpd_ps(PowTwoFloatAvx2(_mm256_cvtps_pd(torque))));
  const Four cost =
      PowTwoAvx2(wrapped) + All(kSpeedCost) * PowTwoAvx2(speed) + _mm256_cvtps_pd(torque_cost);

  constexpr float kPerInertia = 3.0 / (kMass * kLength * kLength);
  const Four pull = All(3 * params.gravity / (2 * kLength)) * sin_theta;
  const Four push = _mm256_cvtps_pd(_mm_mul_ps(_mm_set1_ps(kPerInertia), torque));
  row[1] = Clamp(speed + (pull + push) * All(kTauSeconds), -kMaxSpeed, kMaxSpeed);
  row[0] = theta + row[1] * All(kTauSeconds);
  const SinCos4 turned = SinCosAnyAvx2(row[0]);
  row[2] = turned.sin;
  row[3] = turned.cos;

  internal::Transpose(row);
  alignas(32) double costs[4];
  _mm256_store_pd(costs, cost);
  for (int k = 0; k < 4; ++k) {
    _mm256_storeu_pd(&states[k]->theta, row[k]);
    outcomes[k] = {-costs[k], false};
  }
}

#endif  // ROLLOUT_HAS_AVX2_TARGET

}  // namespace rollout
