// Pendulum-v1 in float32, `precision="fast"`: the part of pendulum.h that steps such rows.
//
// The rules, the constants and the starts (rounded) are the exact ones. A step is within some
// float32 roundings of the exact one; docs/envs/classic.md says how far. One source for a row, for
// eight and for sixteen: nothing is fused or reassociated, so all have the same bits.
#pragma once

#include <cstring>

#include "envs/classic/pendulum.h"

// no wide vector crosses a real call, so its ABI is nobody's concern
#pragma GCC diagnostic ignored "-Wpsabi"

namespace rollout {

#define ROLLOUT_WIDE __attribute__((always_inline)) static inline

// Real is float, or a GCC vector of them.
struct PendulumFast {
  using Eight = float __attribute__((vector_size(32)));
  using Sixteen = float __attribute__((vector_size(64)));

  static constexpr float kTau = Pendulum::kTauSeconds, kMaxSpeed = Pendulum::kMaxSpeed;
  static constexpr float kMaxTorque = Pendulum::kMaxTorque;
  static constexpr float kPush = 3.0 / (Pendulum::kMass * Pendulum::kLength * Pendulum::kLength);
  static constexpr float kSpeedCost = Pendulum::kSpeedCost, kTorqueCost = Pendulum::kTorqueCost;
  // a turn in three parts, the first two so short that small multiples of them are exact
  static constexpr float kTurn1 = 6.28125F, kTurn2 = 1.93500518798828125e-3F;
  static constexpr float kTurn3 = 3.01991598195675e-7F, kTurnsARadian = 0.15915494309189535;
  static constexpr float kPi = Pendulum::kPi, kPiRest = -8.742278e-8F;  // kPi + kPiRest is pi
  static constexpr float kHalfPi = kPi / 2, kHalfPiRest = kPiRest / 2;

  static float Pull(const Pendulum::Params& params) {
    return static_cast<float>(3 * params.gravity / (2 * Pendulum::kLength));
  }

  template <class Real>
  ROLLOUT_WIDE Real Clamp(const Real& x, float limit) {
    const Real low = x < -limit ? Real{} - limit : x;
    return low > limit ? Real{} + limit : low;
  }

  template <class Real>
  ROLLOUT_WIDE Real Size(const Real& x) {
    return x < 0.0F ? -x : x;
  }

  // The angle in [-pi, pi].
  template <class Real>
  ROLLOUT_WIDE Real Wrapped(const Real& theta) {
    constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
    const Real turns = (theta * kTurnsARadian + kRound) - kRound;
    return ((theta - turns * kTurn1) - turns * kTurn2) - turns * kTurn3;
  }

  // The sine of an angle in [-pi/2, pi/2], to 1e-7: the series up to y^11.
  template <class Real>
  ROLLOUT_WIDE Real Series(const Real& y) {
    const Real z = y * y;
    Real s = z * (-1.0F / 39916800) + 1.0F / 362880;
    s = s * z - 1.0F / 5040;
    s = s * z + 1.0F / 120;
    s = s * z - 1.0F / 6;
    return y + y * z * s;
  }

  template <class Real>
  ROLLOUT_WIDE Real Sin(const Real& wrapped) {
    const Real size = Size(wrapped);
    const Real sin = Series<Real>(size > kHalfPi ? (kPi - size) + kPiRest : size);
    return wrapped < 0.0F ? -sin : sin;
  }

  template <class Real>
  ROLLOUT_WIDE Real Cos(const Real& wrapped) {
    return Series<Real>((kHalfPi - Size(wrapped)) + kHalfPiRest);
  }

  // Moves a body on; its reward.
  template <class Real>
  ROLLOUT_WIDE Real Advance(float pull, const Real& action, Real* theta, Real* speed) {
    const Real torque = Clamp(action, kMaxTorque), angle = Wrapped(*theta), fast = *speed;
    const Real cost = angle * angle + fast * fast * kSpeedCost + torque * torque * kTorqueCost;
    *speed = Clamp<Real>(fast + (Sin(angle) * pull + torque * kPush) * kTau, kMaxSpeed);
    *theta = *theta + *speed * kTau;
    return -cost;
  }

  // Rows as columns of numbers, a block at a time; a last group may be part empty.
  struct Block {
    static constexpr std::size_t kRows = 64;
    float theta[kRows] = {}, speed[kRows] = {};

    Block(Pendulum::State* const* states, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) {
        theta[i] = static_cast<float>(states[i]->theta);
        speed[i] = static_cast<float>(states[i]->theta_dot);
      }
    }
  };

  template <class Wide>
  ROLLOUT_WIDE Wide Load(const float* from) {
    Wide x;
    std::memcpy(&x, from, sizeof x);
    return x;
  }
  template <class Wide>
  ROLLOUT_WIDE void Store(float* to, const Wide& x) {
    std::memcpy(to, &x, sizeof x);
  }

  template <class Wide>
  ROLLOUT_WIDE void Write(const Block& block, Pendulum::State* const* states, std::size_t n) {
    constexpr std::size_t kLanes = sizeof(Wide) / sizeof(float);
    for (std::size_t i = 0; i < n; i += kLanes) {
      const Wide angle = Wrapped(Load<Wide>(block.theta + i));
      const Wide sin = Sin(angle), cos = Cos(angle);
      for (std::size_t k = 0; k < kLanes && i + k < n; ++k) {
        *states[i + k] = {block.theta[i + k], block.speed[i + k], sin[k], cos[k],
                          states[i + k]->rng};
      }
    }
  }

  // n rows, at most a block.
  template <class Wide>
  ROLLOUT_WIDE void RollBlock(const Pendulum::Params& params, Pendulum::State* const* states,
                              std::size_t n, const Course<float>& course) {
    constexpr std::size_t kLanes = sizeof(Wide) / sizeof(float);
    Block block(states, n);
    const float pull = Pull(params);
    const std::size_t whole = n - n % kLanes, rest = n - whole;
    for (std::size_t t = 0; t < course.horizon; ++t) {
      const float* const actions = course.actions + t * course.stride;
      float* const rewards = course.rewards + t * course.stride;
      const auto advance = [&](std::size_t i, const Wide& action) __attribute__((always_inline)) {
        Wide theta = Load<Wide>(block.theta + i), speed = Load<Wide>(block.speed + i);
        const Wide reward = Advance(pull, action, &theta, &speed);
        Store(block.theta + i, theta);
        Store(block.speed + i, speed);
        return reward;
      };
      for (std::size_t i = 0; i < whole; i += kLanes) {
        Store(rewards + i, advance(i, Load<Wide>(actions + i)));
      }
      if (rest == 0) continue;
      float some[kLanes] = {};
      std::memcpy(some, actions + whole, rest * sizeof(float));
      const Wide reward = advance(whole, Load<Wide>(some));
      std::memcpy(rewards + whole, &reward, rest * sizeof(float));
    }
    Write<Wide>(block, states, n);
  }

  static Outcome Step(const Pendulum::Params& params, Pendulum::State& state, float action) {
    auto theta = static_cast<float>(state.theta), speed = static_cast<float>(state.theta_dot);
    const float reward = Advance(Pull(params), action, &theta, &speed);
    const float angle = Wrapped(theta);
    state = {theta, speed, Sin(angle), Cos(angle), state.rng};
    return {reward, false};
  }

  static void RollPortable(const Pendulum::Params& params, Pendulum::State* const* states,
                           std::size_t n, const Course<float>& course) {
    RollBlock<Eight>(params, states, n, course);
  }

#ifdef ROLLOUT_HAS_AVX2_TARGET
  ROLLOUT_AVX2_TARGET static void RollAvx2(const Pendulum::Params& params,
                                           Pendulum::State* const* states, std::size_t n,
                                           const Course<float>& course) {
    RollBlock<Eight>(params, states, n, course);
  }

  __attribute__((target("avx512f,avx512dq"))) static void RollAvx512(const Pendulum::Params& params,
                                                                     Pendulum::State* const* states,
                                                                     std::size_t n,
                                                                     const Course<float>& course) {
    RollBlock<Sixteen>(params, states, n, course);
  }
#endif

  static void Roll(const Pendulum::Params& params, Pendulum::State* const* states, std::size_t n,
                   const Course<float>& course) {
    auto* roll = &RollPortable;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() >= SimdLevel::kAvx2) roll = &RollAvx2;
    if (ActiveSimd() >= SimdLevel::kAvx512) roll = &RollAvx512;
#endif
    for (std::size_t i = 0; i < n; i += Block::kRows) {
      roll(params, states + i, std::min(Block::kRows, n - i),
           {course.actions + i, course.rewards + i, course.stride, course.horizon});
    }
  }
};

#undef ROLLOUT_WIDE

inline Outcome Pendulum::StepFast(const Params& params, State& state, const Action* action) {
  return PendulumFast::Step(params, state, *action);
}

// A step is a roll of one.
inline void Pendulum::StepManyFast(const Params& params, State* const* states,
                                   const Action* const* actions, Outcome* outcomes, std::size_t n) {
  constexpr std::size_t kRows = PendulumFast::Block::kRows;
  float given[kRows], rewards[kRows];
  for (std::size_t first = 0; first < n; first += kRows) {
    const std::size_t count = std::min(kRows, n - first);
    for (std::size_t i = 0; i < count; ++i) given[i] = *actions[first + i];
    PendulumFast::Roll(params, states + first, count, {given, rewards, count, 1});
    for (std::size_t i = 0; i < count; ++i) outcomes[first + i] = {rewards[i], false};
  }
}

inline void Pendulum::RollMany(const Params& params, State* const* states, std::size_t n,
                               const Course<Action>& course) {
  if (params.fast) return PendulumFast::Roll(params, states, n, course);
  RollManyExact(params, states, n, course);
}

}  // namespace rollout
