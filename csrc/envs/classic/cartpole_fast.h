// CartPole-v1 in float32, `precision="fast"`: the part of cartpole.h that steps such rows.
//
// The rules, the constants and the starts (rounded) are the exact ones. An episode drifts from the
// exact one by a few float32 roundings a step; docs/envs/classic.md says how far. Eight rows at a
// time where the processor has AVX2, with the bits of the plain build: nothing is fused.
#pragma once

#include "envs/classic/cartpole.h"

namespace rollout {

struct CartPoleFast {
  // what the exact rules divide by is multiplied here
  static constexpr float kForce = CartPole::kForceNewtons / CartPole::kTotalMass;
  static constexpr float kSpin = CartPole::kPoleMassLength / CartPole::kTotalMass;
  static constexpr float kGravity = CartPole::kGravity;
  static constexpr float kTau = CartPole::kTauSeconds;
  static constexpr float kArm = CartPole::kHalfLength * 4.0 / 3.0;
  static constexpr float kArmLoss =
      CartPole::kHalfLength * CartPole::kPoleMass / CartPole::kTotalMass;
  static constexpr float kXLimit = CartPole::kXLimit, kThetaLimit = CartPole::kThetaLimit;
  // the series below have float32's precision within this; a pole is down long before
  static constexpr float kSeriesLimit = 0.5F;
  static constexpr float kSin3 = -1.0 / 6, kSin5 = 1.0 / 120, kSin7 = -1.0 / 5040;
  static constexpr float kCos4 = 1.0 / 24, kCos6 = -1.0 / 720, kCos8 = 1.0 / 40320;

  // Returns whether the pole is down.
  static bool Step(CartPole::State& state, CartPole::Action action) {
    const auto x = static_cast<float>(state.x), x_dot = static_cast<float>(state.x_dot);
    const auto theta = static_cast<float>(state.theta);
    const auto theta_dot = static_cast<float>(state.theta_dot);
    const float t = theta * theta;
    float sin = theta + theta * t * (kSin3 + t * (kSin5 + t * kSin7));
    float cos = 1.0F + t * (-0.5F + t * (kCos4 + t * (kCos6 + t * kCos8)));
    if (!(std::fabs(theta) <= kSeriesLimit)) {
      sin = std::sin(theta);
      cos = std::cos(theta);
    }
    const float push = (action == 1 ? kForce : -kForce) + kSpin * (theta_dot * theta_dot) * sin;
    const float theta_acc = (kGravity * sin - cos * push) / (kArm - kArmLoss * (cos * cos));
    const float x_acc = push - kSpin * theta_acc * cos;
    const float next_x = x + kTau * x_dot, next_theta = theta + kTau * theta_dot;
    state.x = next_x;
    state.x_dot = x_dot + kTau * x_acc;
    state.theta = next_theta;
    state.theta_dot = theta_dot + kTau * theta_acc;
    return !(std::fabs(next_x) <= kXLimit) || !(std::fabs(next_theta) <= kThetaLimit);
  }

#ifdef ROLLOUT_HAS_AVX2_TARGET
  using Eight = __m256;

  ROLLOUT_AVX2 static Eight All(float value) { return _mm256_set1_ps(value); }

  ROLLOUT_AVX2 static Eight Beyond(Eight v, float limit) {
    return _mm256_cmp_ps(_mm256_andnot_ps(All(-0.0F), v), All(limit), _CMP_NLE_UQ);
  }

  // four numbers of rows k and k + 4 a register, to one number of all rows, and back
  ROLLOUT_AVX2 static void Transpose(Eight* r) {
    const Eight low01 = _mm256_unpacklo_ps(r[0], r[1]), high01 = _mm256_unpackhi_ps(r[0], r[1]);
    const Eight low23 = _mm256_unpacklo_ps(r[2], r[3]), high23 = _mm256_unpackhi_ps(r[2], r[3]);
    r[0] = _mm256_shuffle_ps(low01, low23, 0x44);
    r[1] = _mm256_shuffle_ps(low01, low23, 0xEE);
    r[2] = _mm256_shuffle_ps(high01, high23, 0x44);
    r[3] = _mm256_shuffle_ps(high01, high23, 0xEE);
  }

  // Step for eight rows, a lane a row. Returns a bit a row; rows k and k + 4 go to next[k].
  ROLLOUT_AVX2 static unsigned StepEight(CartPole::State* const* states,
                                         const CartPole::Action* const* actions, Eight* next) {
    const auto load = [states](int k) __attribute__((target("avx2,fma"), always_inline)) {
      return _mm256_cvtpd_ps(_mm256_loadu_pd(&states[k]->x));
    };
    Eight row[4];
    for (int k = 0; k < 4; ++k) row[k] = _mm256_set_m128(load(k + 4), load(k));
    Transpose(row);
    Eight x = row[0], x_dot = row[1], theta = row[2], theta_dot = row[3];
    if (__builtin_expect(_mm256_movemask_ps(Beyond(theta, kSeriesLimit)) != 0, 0)) {
      unsigned down = 0;
      for (int k = 0; k < 8; ++k) down |= (Step(*states[k], *actions[k]) ? 1U : 0U) << k;
      for (int k = 0; k < 4; ++k) next[k] = _mm256_set_m128(load(k + 4), load(k));
      return down;
    }
    const Eight t = theta * theta;
    const Eight sin = theta + theta * t * (All(kSin3) + t * (All(kSin5) + t * All(kSin7)));
    const Eight cos =
        All(1.0F) + t * (All(-0.5F) + t * (All(kCos4) + t * (All(kCos6) + t * All(kCos8))));

    // an action of 1 to the sign of a number
    const auto sign = [actions](int k) { return static_cast<int>(*actions[k] << 31); };
    const __m256i right =
        _mm256_set_epi32(sign(7), sign(6), sign(5), sign(4), sign(3), sign(2), sign(1), sign(0));
    const Eight force = _mm256_blendv_ps(All(-kForce), All(kForce), _mm256_castsi256_ps(right));
    const Eight push = force + All(kSpin) * (theta_dot * theta_dot) * sin;
    const Eight theta_acc =
        (All(kGravity) * sin - cos * push) / (All(kArm) - All(kArmLoss) * (cos * cos));
    const Eight x_acc = push - All(kSpin) * theta_acc * cos;
    row[0] = x = x + All(kTau) * x_dot;
    row[1] = x_dot + All(kTau) * x_acc;
    row[2] = theta = theta + All(kTau) * theta_dot;
    row[3] = theta_dot + All(kTau) * theta_acc;
    const int down =
        _mm256_movemask_ps(_mm256_or_ps(Beyond(x, kXLimit), Beyond(theta, kThetaLimit)));
    Transpose(row);
    for (int k = 0; k < 4; ++k) {
      _mm256_storeu_pd(&states[k]->x, _mm256_cvtps_pd(_mm256_castps256_ps128(row[k])));
      _mm256_storeu_pd(&states[k + 4]->x, _mm256_cvtps_pd(_mm256_extractf128_ps(row[k], 1)));
      next[k] = row[k];
    }
    return static_cast<unsigned>(down);
  }
#endif  // ROLLOUT_HAS_AVX2_TARGET
};

inline Outcome CartPole::StepFast(const Params& params, State& state, const Action* action) {
  const bool down = CartPoleFast::Step(state, *action);
  return {Reward(params, down), down};
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
ROLLOUT_AVX2_TARGET inline std::size_t CartPole::SweepEights(const Strip<CartPole>& strip) {
  std::size_t i = 0;
  for (; i + 8 <= strip.n; i += 8) {
    State* states[8];
    const Action* actions[8];
    for (std::size_t k = 0; k < 8; ++k) {
      states[k] = &strip.state(i + k);
      actions[k] = strip.actions + i + k;
    }
    __m256 next[4];
    const unsigned down = CartPoleFast::StepEight(states, actions, next);
    for (std::size_t k = 0; k < 8; ++k) strip.terminated[i + k] = (down >> k & 1) != 0;
    if (strip.obs == nullptr) continue;
    for (std::size_t k = 0; k < 4; ++k) {
      _mm_storeu_ps(strip.obs + 4 * (i + k), _mm256_castps256_ps128(next[k]));
      _mm_storeu_ps(strip.obs + 4 * (i + k + 4), _mm256_extractf128_ps(next[k], 1));
    }
  }
  return i;
}

ROLLOUT_AVX2_TARGET inline std::size_t CartPole::StepEights(State* const* states,
                                                            const Action* const* actions,
                                                            Outcome* outcomes, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 next[4];
    const unsigned down = CartPoleFast::StepEight(states + i, actions + i, next);
    for (int k = 0; k < 8; ++k) outcomes[i + k].terminated = (down >> k & 1) != 0;
  }
  return i;
}
#endif

inline void CartPole::StepManyFast(const Params& params, State* const* states,
                                   const Action* const* actions, Outcome* outcomes, std::size_t n) {
  std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) {
    i = StepEights(states, actions, outcomes, n);
    for (std::size_t k = 0; k < i; ++k) {
      outcomes[k].reward = Reward(params, outcomes[k].terminated);
    }
  }
#endif
  for (; i < n; ++i) outcomes[i] = StepFast(params, *states[i], actions[i]);
}

}  // namespace rollout
