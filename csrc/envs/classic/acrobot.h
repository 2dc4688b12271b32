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
#include "envs/libm_avx2.h"
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

  static double Torque(const Params& params, State& state, Action action) {
    const double torque = static_cast<double>(action - 1);
    if (params.torque_noise_max == 0) return torque;
    return torque + state.rng.Uniform(-params.torque_noise_max, params.torque_noise_max);
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    const double torque = Torque(params, state, *action);
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

#ifdef ROLLOUT_HAS_AVX2_TARGET
  static void StepFour(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes);
#endif

  static void StepMany(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes, std::size_t n) {
    std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() >= SimdLevel::kAvx2) {
      for (; i + 4 <= n; i += 4) StepFour(params, states + i, actions + i, outcomes + i);
    }
#endif
    for (; i < n; ++i) outcomes[i] = Step(params, *states[i], actions[i], {}, {});
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    for (int i = 0; i < 4; ++i) out[i] = state.seen[i];
    out[4] = static_cast<float>(state.q[2]);
    out[5] = static_cast<float>(state.q[3]);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/classic.cc
};

static_assert(Environment<Acrobot>);

#ifdef ROLLOUT_HAS_AVX2_TARGET

// Four rows at a time, a lane a row: the same operations in the same order, so the same bits.
struct AcrobotFour {
  using Env = Acrobot;
  using Four = __m256d;

  struct Vector {
    Four theta1, theta2, rate1, rate2;
  };

  ROLLOUT_AVX2_TARGET static Vector Rates(const Env::Params& params, const Vector& q, Four torque) {
    using internal::All;
    constexpr double kElbow = Env::kMass2 * Env::kLength1 * Env::kCenter2;
    constexpr double kLink2 = Env::kMass2 * Env::kCenter2 * Env::kCenter2;
    const auto [sin2, cos2] = SinCosAnyAvx2(q.theta2);
    const Four d1 =
        All(Env::kMass1 * Env::kCenter1 * Env::kCenter1) +
        All(Env::kMass2) * (All(Env::kLength1 * Env::kLength1 + Env::kCenter2 * Env::kCenter2) +
                            All(2 * Env::kLength1 * Env::kCenter2) * cos2) +
        All(Env::kInertia) + All(Env::kInertia);
    const Four d2 = All(Env::kMass2) * (All(Env::kCenter2 * Env::kCenter2) +
                                        All(Env::kLength1 * Env::kCenter2) * cos2) +
                    All(Env::kInertia);
    const Four phi2 = All(Env::kMass2 * Env::kCenter2 * Env::kGravity) *
                      CosAnyAvx2(q.theta1 + q.theta2 - All(Env::kPi / 2));
    const Four phi1 =
        All(-kElbow) * PowTwoAvx2(q.rate2) * sin2 - All(2 * kElbow) * q.rate2 * q.rate1 * sin2 +
        All((Env::kMass1 * Env::kCenter1 + Env::kMass2 * Env::kLength1) * Env::kGravity) *
            CosAnyAvx2(q.theta1 - All(Env::kPi / 2)) +
        phi2;
    Four drive = torque + d2 / d1 * phi1;
    if (!params.nips) drive -= All(kElbow) * PowTwoAvx2(q.rate1) * sin2;
    const Four accel2 = (drive - phi2) / (All(kLink2 + Env::kInertia) - PowTwoAvx2(d2) / d1);
    const Four accel1 = _mm256_xor_pd(d2 * accel2 + phi1, All(-0.0)) / d1;
    return {q.rate1, q.rate2, accel1, accel2};
  }

  ROLLOUT_AVX2 static Vector Ahead(const Vector& q, double seconds, const Vector& rate) {
    const Four by = internal::All(seconds);
    return {q.theta1 + by * rate.theta1, q.theta2 + by * rate.theta2, q.rate1 + by * rate.rate1,
            q.rate2 + by * rate.rate2};
  }

  ROLLOUT_AVX2 static Four Sum(Four k1, Four k2, Four k3, Four k4) {
    const Four two = internal::All(2.0);
    return k1 + two * k2 + two * k3 + k4;
  }

  ROLLOUT_AVX2 static Four Wrapped(Four angle) {
    using internal::All;
    const Four turn = All(2 * Env::kPi);
    for (Four over; _mm256_movemask_pd(over = internal::Less(All(Env::kPi), angle)) != 0;) {
      angle = _mm256_blendv_pd(angle, angle - turn, over);
    }
    for (Four under; _mm256_movemask_pd(under = internal::Less(angle, All(-Env::kPi))) != 0;) {
      angle = _mm256_blendv_pd(angle, angle + turn, under);
    }
    return angle;
  }
};

ROLLOUT_AVX2_TARGET inline void Acrobot::StepFour(const Params& params, State* const* states,
                                                  const Action* const* actions, Outcome* outcomes) {
  using internal::All;
  using internal::Clamp;
  using F = AcrobotFour;
  using Four = __m256d;

  alignas(32) double torques[4];
  Four row[4];
  for (int k = 0; k < 4; ++k) {
    torques[k] = Torque(params, *states[k], *actions[k]);
    row[k] = _mm256_loadu_pd(states[k]->q.data());
  }
  internal::Transpose(row);
  const Four torque = _mm256_load_pd(torques);
  const F::Vector q = {row[0], row[1], row[2], row[3]};
  const F::Vector k1 = F::Rates(params, q, torque);
  const F::Vector k2 = F::Rates(params, F::Ahead(q, kTauSeconds / 2, k1), torque);
  const F::Vector k3 = F::Rates(params, F::Ahead(q, kTauSeconds / 2, k2), torque);
  const F::Vector k4 = F::Rates(params, F::Ahead(q, kTauSeconds, k3), torque);
  const F::Vector sum = {F::Sum(k1.theta1, k2.theta1, k3.theta1, k4.theta1),
                         F::Sum(k1.theta2, k2.theta2, k3.theta2, k4.theta2),
                         F::Sum(k1.rate1, k2.rate1, k3.rate1, k4.rate1),
                         F::Sum(k1.rate2, k2.rate2, k3.rate2, k4.rate2)};
  const F::Vector to = F::Ahead(q, kTauSeconds / 6, sum);
  row[0] = F::Wrapped(to.theta1);
  row[1] = F::Wrapped(to.theta2);
  row[2] = Clamp(to.rate1, -kMaxSpeed1, kMaxSpeed1);
  row[3] = Clamp(to.rate2, -kMaxSpeed2, kMaxSpeed2);

  const SinCos4 first = SinCosAnyAvx2(row[0]), second = SinCosAnyAvx2(row[1]);
  const Four height = _mm256_xor_pd(first.cos, All(-0.0)) - CosAnyAvx2(row[1] + row[0]);
  const int up = _mm256_movemask_pd(internal::Less(All(kGoalHeight), height));
  internal::Transpose(row);
  Four seen[4] = {first.cos, first.sin, second.cos, second.sin};
  internal::Transpose(seen);
  for (int k = 0; k < 4; ++k) {
    _mm256_storeu_pd(states[k]->q.data(), row[k]);
    _mm_storeu_ps(states[k]->seen, _mm256_cvtpd_ps(seen[k]));
    const bool terminated = (up >> k & 1) != 0;
    outcomes[k] = {terminated ? 0.0 : -1.0, terminated};
  }
}

#endif  // ROLLOUT_HAS_AVX2_TARGET

}  // namespace rollout
