// Pendulum-v1: swing a pendulum up and hold it there, with a torque too weak to lift it at once.
//
// Bit-equal with gymnasium's Pendulum-v1 (state, observation, reward, and resets from the same
// seed) wherever NumPy's float64 sin and cos are the C library's. `fast` rows compute in float32
// instead (pendulum_fast.h). Source: the constants and the order of operations of gymnasium 1.x. It
// never terminates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "envs/env.h"
#include "envs/libm.h"
#include "envs/libm_avx2.h"
#include "envs/libm_avx512.h"
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
    bool fast = false;      // float32
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

  static void Reset(const Params& params, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    const double theta = state.rng.Uniform(-kPi, kPi);
    Place(state, theta, state.rng.Uniform(-1.0, 1.0));
    if (params.fast) Narrow(state);
  }

  // to float32, which the states of fast rows are
  static void Narrow(State& state) {
    for (double* value : {&state.theta, &state.theta_dot, &state.sin, &state.cos}) {
      *value = static_cast<double>(static_cast<float>(*value));
    }
  }

  static double Cost(double theta, double theta_dot, float torque) {
    return PowTwo(Wrapped(theta)) + kSpeedCost * PowTwo(theta_dot) +
           static_cast<double>(kTorqueCost * PowTwo(torque));
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    if (params.fast) return StepFast(params, state, action);
    const float torque = std::clamp(*action, -kMaxTorque, kMaxTorque);
    const double cost = Cost(state.theta, state.theta_dot, torque);

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

  static Outcome StepFast(const Params& params, State& state, const Action* action);
  static void StepManyFast(const Params& params, State* const* states, const Action* const* actions,
                           Outcome* outcomes, std::size_t n);
  static void RollMany(const Params& params, State* const* states, std::size_t n,
                       const Course<Action>& course);
  static void RollManyExact(const Params& params, State* const* states, std::size_t n,
                            const Course<Action>& course);

#ifdef ROLLOUT_HAS_AVX2_TARGET
  struct FourBodies;
  static void StepFour(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes);
  static void RollFours(const Params& params, State* const* states, std::size_t n,
                        const Course<Action>& course);
  struct EightBodies;
  static void RollEights(const Params& params, State* const* states, std::size_t n,
                         const Course<Action>& course);
#endif

  static void StepMany(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes, std::size_t n) {
    if (params.fast) return StepManyFast(params, states, actions, outcomes, n);
    std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() >= SimdLevel::kAvx2) {
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

// Four rows, a lane a row: the operations of Step in their order, so the same bits.
struct Pendulum::FourBodies {
  using Four = __m256d;
  Four theta, speed, sin, cos;

  // a state's first four numbers are contiguous
  ROLLOUT_AVX2 void Load(const State* const* states) {
    Four row[4];
    for (int k = 0; k < 4; ++k) row[k] = _mm256_loadu_pd(&states[k]->theta);
    internal::Transpose(row);
    theta = row[0], speed = row[1], sin = row[2], cos = row[3];
  }

  ROLLOUT_AVX2 void Store(State* const* states) const {
    Four row[4] = {theta, speed, sin, cos};
    internal::Transpose(row);
    for (int k = 0; k < 4; ++k) _mm256_storeu_pd(&states[k]->theta, row[k]);
  }

  ROLLOUT_AVX2 static __m128 Torque(__m128 action) {
    return _mm_min_ps(_mm_max_ps(action, _mm_set1_ps(-kMaxTorque)), _mm_set1_ps(kMaxTorque));
  }

  // Wrapped: the remainder of a positive number by a whole turn is exact
  ROLLOUT_AVX2 Four Angle() const {
    using internal::All;
    using internal::Less;
    constexpr double kTurn = 2 * kPi;
    const Four shifted = theta + All(kPi);
    const Four size = internal::Abs(shifted);
    const Four turns = _mm256_floor_pd(size * All(1 / kTurn));
    Four rest = _mm256_fnmadd_pd(turns, All(kTurn), size);
    const Four few = _mm256_cmp_pd(rest, All(kTurn), _CMP_GE_OQ), many = Less(rest, All(0.0));
    const Four exact = turns + _mm256_and_pd(few, All(1.0)) - _mm256_and_pd(many, All(1.0));
    rest = _mm256_fnmadd_pd(exact, All(kTurn), size);
    const Four back =
        _mm256_and_pd(Less(shifted, All(0.0)), _mm256_cmp_pd(rest, All(0.0), _CMP_NEQ_OQ));
    return _mm256_blendv_pd(rest, All(kTurn) - rest, back) - All(kPi);
  }

  ROLLOUT_AVX2 Four Cost(__m128 torque) const {
    const __m128 torque_cost = _mm_mul_ps(
        _mm_set1_ps(kTorqueCost), _mm256_cvtpd_ps(PowTwoFloatAvx2(_mm256_cvtps_pd(torque))));
    return PowTwoAvx2(Angle()) + internal::All(kSpeedCost) * PowTwoAvx2(speed) +
           _mm256_cvtps_pd(torque_cost);
  }

  // The cost rounded to float, without the bits of the squares in between: bounds on it, and the
  // library where they round apart.
  ROLLOUT_AVX2 __m128 RoundedCost(__m128 torque) const {
    using internal::All;
    // of a float's unit in the last place: how near to a midpoint powf may round either way
    constexpr double kMargin = 0x1p29 / 16;
    constexpr double kTiny = 0x1p-20;   // below, powf may be further off
    constexpr double kSlack = 0x1p-49;  // of three squares and two sums in double
    const Four angle = Angle(), wide = _mm256_cvtps_pd(torque), square = wide * wide;
    const Four margin = internal::Ulp(square) * All(kMargin);
    const __m128 each = _mm_set1_ps(kTorqueCost);
    const Four down = _mm256_cvtps_pd(_mm_mul_ps(each, _mm256_cvtpd_ps(square - margin)));
    const Four up = _mm256_cvtps_pd(_mm_mul_ps(each, _mm256_cvtpd_ps(square + margin)));
    const Four moving = angle * angle + All(kSpeedCost) * (speed * speed);
    const __m128 low = _mm256_cvtpd_ps((moving + down) * All(1 - kSlack));
    const __m128 high = _mm256_cvtpd_ps((moving + up) * All(1 + kSlack));
    const __m128 tiny =
        _mm256_cvtpd_ps(_mm256_and_pd(_mm256_cmp_pd(square, All(kTiny), _CMP_NGE_UQ), All(1.0)));
    const __m128 unsure =
        _mm_or_ps(_mm_cmpneq_ps(low, high), _mm_cmpneq_ps(tiny, _mm_setzero_ps()));
    const int lanes = _mm_movemask_ps(unsure);
    if (__builtin_expect(lanes == 0, 1)) return low;
    alignas(32) double angles[4], speeds[4];
    alignas(16) float torques[4], costs[4];
    _mm256_store_pd(angles, theta);
    _mm256_store_pd(speeds, speed);
    _mm_store_ps(torques, torque);
    _mm_store_ps(costs, low);
    for (int k = 0; k < 4; ++k) {
      if ((lanes >> k & 1) == 0) continue;
      costs[k] = static_cast<float>(Pendulum::Cost(angles[k], speeds[k], torques[k]));
    }
    return _mm_load_ps(costs);
  }

  template <Trig kWanted>
  ROLLOUT_AVX2 void Move(const Params& params, __m128 torque) {
    using internal::All;
    constexpr float kPerInertia = 3.0 / (kMass * kLength * kLength);
    const Four pull = All(3 * params.gravity / (2 * kLength)) * sin;
    const Four push = _mm256_cvtps_pd(_mm_mul_ps(_mm_set1_ps(kPerInertia), torque));
    speed = internal::Clamp(speed + (pull + push) * All(kTauSeconds), -kMaxSpeed, kMaxSpeed);
    theta = theta + speed * All(kTauSeconds);
    const SinCos4 turned = SinCosAnyAvx2<kWanted>(theta);
    sin = turned.sin;
    cos = turned.cos;
  }
};

ROLLOUT_AVX2_TARGET inline void Pendulum::StepFour(const Params& params, State* const* states,
                                                   const Action* const* actions,
                                                   Outcome* outcomes) {
  FourBodies bodies;
  bodies.Load(states);
  const __m128 torque =
      FourBodies::Torque(_mm_set_ps(*actions[3], *actions[2], *actions[1], *actions[0]));
  alignas(32) double costs[4];
  _mm256_store_pd(costs, bodies.Cost(torque));
  bodies.Move<Trig::kBoth>(params, torque);
  bodies.Store(states);
  for (int k = 0; k < 4; ++k) outcomes[k] = {-costs[k], false};
}

// n is a multiple of four; groups go side by side, since a step is one long chain of operations
ROLLOUT_AVX2_TARGET inline void Pendulum::RollFours(const Params& params, State* const* states,
                                                    std::size_t n, const Course<Action>& course) {
  constexpr std::size_t kMost = 16;
  FourBodies bodies[kMost];
  const auto roll = [&](std::size_t first,
                        std::size_t groups) __attribute__((target("avx2,fma"), always_inline)) {
    for (std::size_t g = 0; g < groups; ++g) bodies[g].Load(states + first + 4 * g);
    for (std::size_t t = 0; t < course.horizon; ++t) {
      for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t at = t * course.stride + first + 4 * g;
        const __m128 torque = FourBodies::Torque(_mm_loadu_ps(course.actions + at));
        const __m128 cost = bodies[g].RoundedCost(torque);
        _mm_storeu_ps(course.rewards + at, _mm_xor_ps(cost, _mm_set1_ps(-0.0F)));
        bodies[g].Move<Trig::kSin>(params, torque);
      }
    }
    for (std::size_t g = 0; g < groups; ++g) {
      bodies[g].cos = CosAnyAvx2(bodies[g].theta);
      bodies[g].Store(states + first + 4 * g);
    }
  };
  for (std::size_t i = 0; i < n; i += 4 * kMost) roll(i, std::min(kMost, (n - i) / 4));
}

// FourBodies, twice as wide, for rolls: no cosine before the end.
struct Pendulum::EightBodies {
  using Eight = __m512d;
  Eight theta, speed, sin;

  ROLLOUT_AVX512 static Eight Join(__m256d low, __m256d high) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(low), high, 1);
  }

  ROLLOUT_AVX512 void Load(const State* const* states) {
    FourBodies low, high;
    low.Load(states);
    high.Load(states + 4);
    theta = Join(low.theta, high.theta);
    speed = Join(low.speed, high.speed);
    sin = Join(low.sin, high.sin);
  }

  template <int kHalf>
  ROLLOUT_AVX512 void StoreHalf(State* const* states) const {
    FourBodies half;
    half.theta = _mm512_extractf64x4_pd(theta, kHalf);
    half.speed = _mm512_extractf64x4_pd(speed, kHalf);
    half.sin = _mm512_extractf64x4_pd(sin, kHalf);
    half.cos = CosAnyAvx2(half.theta);
    half.Store(states + 4 * kHalf);
  }

  ROLLOUT_AVX512 Eight Angle() const {
    using internal::AllEight;
    constexpr double kTurn = 2 * kPi;
    const Eight shifted = theta + AllEight(kPi), size = _mm512_abs_pd(shifted);
    const Eight turns =
        _mm512_roundscale_pd(size * AllEight(1 / kTurn), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    Eight rest = _mm512_fnmadd_pd(turns, AllEight(kTurn), size);
    const __mmask8 few = _mm512_cmp_pd_mask(rest, AllEight(kTurn), _CMP_GE_OQ);
    const __mmask8 many = _mm512_cmp_pd_mask(rest, AllEight(0.0), _CMP_LT_OQ);
    Eight exact = _mm512_mask_add_pd(turns, few, turns, AllEight(1.0));
    exact = _mm512_mask_sub_pd(exact, many, exact, AllEight(1.0));
    rest = _mm512_fnmadd_pd(exact, AllEight(kTurn), size);
    const __mmask8 back = _mm512_mask_cmp_pd_mask(
        _mm512_cmp_pd_mask(shifted, AllEight(0.0), _CMP_LT_OQ), rest, AllEight(0.0), _CMP_NEQ_OQ);
    return _mm512_mask_sub_pd(rest, back, AllEight(kTurn), rest) - AllEight(kPi);
  }

  ROLLOUT_AVX512 __m256 RoundedCost(__m256 torque) const {
    using internal::AllEight;
    constexpr double kMargin = 0x1p29 / 16, kTiny = 0x1p-20, kSlack = 0x1p-49;
    const Eight angle = Angle(), wide = _mm512_cvtps_pd(torque), square = wide * wide;
    const Eight margin = internal::UlpEight(square) * AllEight(kMargin);
    const __m256 each = _mm256_set1_ps(kTorqueCost);
    const Eight down = _mm512_cvtps_pd(_mm256_mul_ps(each, _mm512_cvtpd_ps(square - margin)));
    const Eight up = _mm512_cvtps_pd(_mm256_mul_ps(each, _mm512_cvtpd_ps(square + margin)));
    const Eight moving = angle * angle + AllEight(kSpeedCost) * (speed * speed);
    const __m256 low = _mm512_cvtpd_ps((moving + down) * AllEight(1 - kSlack));
    const __m256 high = _mm512_cvtpd_ps((moving + up) * AllEight(1 + kSlack));
    const auto unsure =
        static_cast<unsigned>(_mm256_cmp_ps_mask(low, high, _CMP_NEQ_UQ) |
                              _mm512_cmp_pd_mask(square, AllEight(kTiny), _CMP_NGE_UQ));
    if (__builtin_expect(unsure == 0, 1)) return low;
    alignas(64) double angles[8], speeds[8];
    alignas(32) float torques[8], costs[8];
    _mm512_store_pd(angles, theta);
    _mm512_store_pd(speeds, speed);
    _mm256_store_ps(torques, torque);
    _mm256_store_ps(costs, low);
    for (unsigned lanes = unsure; lanes != 0; lanes &= lanes - 1) {
      const int k = __builtin_ctz(lanes);
      costs[k] = static_cast<float>(Pendulum::Cost(angles[k], speeds[k], torques[k]));
    }
    return _mm256_load_ps(costs);
  }

  ROLLOUT_AVX512 void Move(const Params& params, __m256 torque) {
    using internal::AllEight;
    constexpr float kPerInertia = 3.0 / (kMass * kLength * kLength);
    const Eight pull = AllEight(3 * params.gravity / (2 * kLength)) * sin;
    const Eight push = _mm512_cvtps_pd(_mm256_mul_ps(_mm256_set1_ps(kPerInertia), torque));
    const Eight faster = speed + (pull + push) * AllEight(kTauSeconds);
    speed = _mm512_min_pd(_mm512_max_pd(faster, AllEight(-kMaxSpeed)), AllEight(kMaxSpeed));
    theta = theta + speed * AllEight(kTauSeconds);
    sin = SinAnyAvx512(theta);
  }
};

// n is a multiple of eight
ROLLOUT_AVX512_TARGET inline void Pendulum::RollEights(const Params& params, State* const* states,
                                                       std::size_t n,
                                                       const Course<Action>& course) {
  constexpr std::size_t kMost = 8;
  EightBodies bodies[kMost];
  for (std::size_t first = 0; first < n; first += 8 * kMost) {
    const std::size_t groups = std::min(kMost, (n - first) / 8);
    for (std::size_t g = 0; g < groups; ++g) bodies[g].Load(states + first + 8 * g);
    for (std::size_t t = 0; t < course.horizon; ++t) {
      for (std::size_t g = 0; g < groups; ++g) {
        const std::size_t at = t * course.stride + first + 8 * g;
        const __m256 most = _mm256_set1_ps(kMaxTorque), least = _mm256_set1_ps(-kMaxTorque);
        const __m256 torque =
            _mm256_min_ps(_mm256_max_ps(_mm256_loadu_ps(course.actions + at), least), most);
        const __m256 cost = bodies[g].RoundedCost(torque);
        _mm256_storeu_ps(course.rewards + at, _mm256_xor_ps(cost, _mm256_set1_ps(-0.0F)));
        bodies[g].Move(params, torque);
      }
    }
    for (std::size_t g = 0; g < groups; ++g) {
      bodies[g].StoreHalf<0>(states + first + 8 * g);
      bodies[g].StoreHalf<1>(states + first + 8 * g);
    }
  }
}

#endif  // ROLLOUT_HAS_AVX2_TARGET

inline void Pendulum::RollManyExact(const Params& params, State* const* states, std::size_t n,
                                    const Course<Action>& course) {
  std::size_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx512) {
    i = n - n % 8;
    RollEights(params, states, i, course);
  }
  if (ActiveSimd() >= SimdLevel::kAvx2) {
    const std::size_t fours = (n - i) / 4 * 4;
    RollFours(params, states + i, fours,
              {course.actions + i, course.rewards + i, course.stride, course.horizon});
    i += fours;
  }
#endif
  for (; i < n; ++i) {
    for (std::size_t t = 0; t < course.horizon; ++t) {
      const std::size_t at = t * course.stride + i;
      course.rewards[at] =
          static_cast<float>(Step(params, *states[i], course.actions + at, {}, {}).reward);
    }
  }
}

}  // namespace rollout

#include "envs/classic/pendulum_fast.h"
