// CartPole-v1: balance a pole on a cart by pushing left or right.
//
// Bit-equal with gymnasium's CartPole-v1 (state, observation, reward, ends, and resets from the
// same seed) wherever NumPy's float64 sin and cos are the C library's. `fast` rows compute in
// float32 instead (cartpole_fast.h). Source: Barto, Sutton and
// Anderson 1983, with the constants and the order of operations of gymnasium 1.x.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "envs/env.h"
#include "envs/numpy_rng.h"
#include "envs/sincos_avx2.h"

namespace rollout {

struct CartPole {
  using Action = std::int64_t;  // 0 pushes left, 1 right
  using Obs = float;
  static constexpr std::size_t kGrainRows = 256;

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
    bool fast = false;                 // float32
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

  static void Reset(const Params& params, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    for (double* value : {&state.x, &state.x_dot, &state.theta, &state.theta_dot}) {
      *value = state.rng.Uniform(-kResetBound, kResetBound);
    }
    if (params.fast) Narrow(state);
  }

  // to float32, which the states of fast rows are
  static void Narrow(State& state) {
    for (double* value : {&state.x, &state.x_dot, &state.theta, &state.theta_dot}) {
      *value = static_cast<double>(static_cast<float>(*value));
    }
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    if (params.fast) return StepFast(params, state, action);
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
    outcome.reward = Reward(params, outcome.terminated);
    return outcome;
  }

  static double Reward(const Params& params, bool terminated) {
    return params.sutton_barto_reward ? (terminated ? -1.0 : 0.0) : 1.0;
  }

  static Outcome StepFast(const Params& params, State& state, const Action* action);
  static void StepManyFast(const Params& params, State* const* states, const Action* const* actions,
                           Outcome* outcomes, std::size_t n);

  // Step and Observe; a state's numbers are all that they change, and Reset sets them.
  static void Sweep(const Params& params, const Strip<CartPole>& strip) {
    std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() >= SimdLevel::kAvx2) i = params.fast ? SweepEights(strip) : SweepFours(strip);
#endif
    for (; i < strip.n; ++i) {
      strip.terminated[i] = Step(params, strip.state(i), strip.actions + i, {}, {}).terminated;
      if (strip.obs != nullptr) Observe(params, strip.state(i), strip.obs + 4 * i);
    }
    for (i = 0; i < strip.n; ++i) strip.reward[i] = Reward(params, strip.terminated[i]);
  }

#ifdef ROLLOUT_HAS_AVX2_TARGET
  // Both leave the last few rows, and the rewards; they return how many rows they stepped.
  static std::size_t SweepFours(const Strip<CartPole>& strip);
  static std::size_t SweepEights(const Strip<CartPole>& strip);
  static std::size_t StepEights(State* const* states, const Action* const* actions,
                                Outcome* outcomes, std::size_t n);
  static std::size_t StepFours(State* const* states, const Action* const* actions,
                               Outcome* outcomes, std::size_t n);
  // Step for four rows, a lane a row. Returns a bit a row where the pole is down.
  static int StepFour(State* const* states, const Action* const* actions, __m256d* next);
#endif

  static void StepMany(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes, std::size_t n) {
    if (params.fast) return StepManyFast(params, states, actions, outcomes, n);
    std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() >= SimdLevel::kAvx2) {
      i = StepFours(states, actions, outcomes, n);
      for (std::size_t k = 0; k < i; ++k) {
        outcomes[k].reward = Reward(params, outcomes[k].terminated);
      }
    }
#endif
    for (; i < n; ++i) outcomes[i] = Step(params, *states[i], actions[i], {}, {});
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    out[0] = static_cast<float>(state.x);
    out[1] = static_cast<float>(state.x_dot);
    out[2] = static_cast<float>(state.theta);
    out[3] = static_cast<float>(state.theta_dot);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/classic.cc
};

static_assert(Environment<CartPole>);
static_assert(offsetof(CartPole::State, theta_dot) == 3 * sizeof(double));

#ifdef ROLLOUT_HAS_AVX2_TARGET

// The same operations in the same order, so the same bits.
ROLLOUT_AVX2 int CartPole::StepFour(State* const* states, const Action* const* actions,
                                    __m256d* row) {
  using internal::Abs;
  using internal::All;
  using internal::Transpose;
  using Four = __m256d;

  // a state's first four numbers are contiguous: load four states and transpose
  for (int k = 0; k < 4; ++k) row[k] = _mm256_loadu_pd(&states[k]->x);
  Transpose(row);
  Four x = row[0], x_dot = row[1], theta = row[2], theta_dot = row[3];

  const __m256i action = _mm256_set_epi64x(*actions[3], *actions[2], *actions[1], *actions[0]);
  const Four right = _mm256_castsi256_pd(_mm256_cmpeq_epi64(action, _mm256_set1_epi64x(1)));
  const Four force = _mm256_blendv_pd(All(-kForceNewtons), All(kForceNewtons), right);
  const auto [sin_theta, cos_theta] = SinCosAvx2(theta);

  const Four spin = All(kPoleMassLength) * (theta_dot * theta_dot) * sin_theta;
  const Four push = (force + spin) / All(kTotalMass);
  const Four theta_acc =
      (All(kGravity) * sin_theta - cos_theta * push) /
      (All(kHalfLength) *
       (All(4.0 / 3.0) - All(kPoleMass) * (cos_theta * cos_theta) / All(kTotalMass)));
  const Four x_acc = push - All(kPoleMassLength) * theta_acc * cos_theta / All(kTotalMass);

  row[0] = x = x + All(kTauSeconds) * x_dot;
  row[1] = x_dot + All(kTauSeconds) * x_acc;
  row[2] = theta = theta + All(kTauSeconds) * theta_dot;
  row[3] = theta_dot + All(kTauSeconds) * theta_acc;
  const int fallen =
      _mm256_movemask_pd(_mm256_or_pd(_mm256_cmp_pd(Abs(x), All(kXLimit), _CMP_GT_OQ),
                                      _mm256_cmp_pd(Abs(theta), All(kThetaLimit), _CMP_GT_OQ)));

  Transpose(row);
  for (int k = 0; k < 4; ++k) _mm256_storeu_pd(&states[k]->x, row[k]);
  return fallen;
}

ROLLOUT_AVX2_TARGET inline std::size_t CartPole::SweepFours(const Strip<CartPole>& strip) {
  std::size_t i = 0;
  for (; i + 4 <= strip.n; i += 4) {
    State* states[4];
    const Action* actions[4];
    for (std::size_t k = 0; k < 4; ++k) {
      states[k] = &strip.state(i + k);
      actions[k] = strip.actions + i + k;
    }
    __m256d next[4];
    const int down = StepFour(states, actions, next);
    for (std::size_t k = 0; k < 4; ++k) strip.terminated[i + k] = (down >> k & 1) != 0;
    if (strip.obs == nullptr) continue;
    for (std::size_t k = 0; k < 4; ++k) {
      _mm_storeu_ps(strip.obs + 4 * (i + k), _mm256_cvtpd_ps(next[k]));
    }
  }
  return i;
}

ROLLOUT_AVX2_TARGET inline std::size_t CartPole::StepFours(State* const* states,
                                                           const Action* const* actions,
                                                           Outcome* outcomes, std::size_t n) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    __m256d next[4];
    const int down = StepFour(states + i, actions + i, next);
    for (int k = 0; k < 4; ++k) outcomes[i + k].terminated = (down >> k & 1) != 0;
  }
  return i;
}

#endif  // ROLLOUT_HAS_AVX2_TARGET

}  // namespace rollout

#include "envs/classic/cartpole_fast.h"
