// Reacher-v0: bring the tip of a two-link arm to a target in the plane, by torques at both joints.
//
// The arm lies flat, so gravity does nothing: two uniform rods with friction in the joints, their
// equations solved in closed form (Spong, Hutchinson and Vidyasagar, Robot Modeling and Control,
// the planar elbow arm) and one semi-implicit Euler step a step. Observations are laid out as
// MuJoCo's Reacher. It never terminates. Resets draw from philox.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/philox.h"
#include "envs/env.h"

namespace rollout {

struct Reacher {
  using Action = float;  // two torques in units of kMaxTorque, clipped to [-1, 1]
  using Obs = float;
  static constexpr std::size_t kGrainRows = 64;

  static constexpr double kPi = 3.141592653589793;
  static constexpr double kTauSeconds = 0.04;
  static constexpr double kLength = 0.5;                              // m, of either link
  static constexpr double kCenter = kLength / 2;                      // m, to its center of mass
  static constexpr double kMass = 1.0;                                // kg, of either link
  static constexpr double kInertia = kMass * kLength * kLength / 12;  // kg m^2, about the center
  static constexpr double kFriction = 0.5;                            // N m s/rad
  static constexpr double kMaxTorque = 2.0;                           // N m
  static constexpr double kMaxSpeed = 8.0;                            // rad/s
  static constexpr double kTargetRadius = 0.9;  // m; targets are uniform in a disk of it
  static constexpr double kNear = 0.05;         // m, counts as reached
  static constexpr double kActionCost = 0.1;    // of the sum of squares
  static constexpr std::uint32_t kResetSite = 1;

  struct Params {
    std::int64_t max_episode_steps = 100;
  };

  struct State {
    double angle1, angle2;      // rad; the second from the first link on
    double speed1, speed2;      // rad/s
    double target_x, target_y;  // m
  };

  static EnvSpec Describe(const Params& params) {
    constexpr double kReach = 2 * kLength + kTargetRadius;
    EnvSpec spec;
    spec.id = "Reacher-v0";
    spec.obs_shape = {10};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_high = {1,         1,         1,      1,     kTargetRadius, kTargetRadius,
                     kMaxSpeed, kMaxSpeed, kReach, kReach};
    for (const double high : spec.obs_high) spec.obs_low.push_back(-high);
    spec.action_low = {-1.0, -1.0};
    spec.action_high = {1.0, 1.0};
    spec.max_episode_steps = params.max_episode_steps;
    spec.event_names = {"at_target"};
    return spec;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    PhiloxStream draws(key.seed, key.episode, 0, kResetSite);
    const auto angle = [&draws] { return kPi * (2 * draws.NextDouble() - 1); };
    state.angle1 = angle();
    state.angle2 = angle();
    state.speed1 = state.speed2 = 0.0;
    const double radius = kTargetRadius * std::sqrt(draws.NextDouble());
    const double direction = angle();
    state.target_x = radius * std::cos(direction);
    state.target_y = radius * std::sin(direction);
  }

  // from the target to the tip, in m
  struct Offset {
    double x, y;
    double length() const { return std::sqrt(x * x + y * y); }
  };
  static Offset FromTarget(const State& state) {
    const double elbow = state.angle1 + state.angle2;
    return {kLength * std::cos(state.angle1) + kLength * std::cos(elbow) - state.target_x,
            kLength * std::sin(state.angle1) + kLength * std::sin(elbow) - state.target_y};
  }

  static Outcome Step(const Params&, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const double a1 = std::clamp(action[0], -1.0F, 1.0F), a2 = std::clamp(action[1], -1.0F, 1.0F);
    const double speed1 = state.speed1, speed2 = state.speed2;

    // inertia * acceleration = torque, less friction and what the turning of the links brings
    const double couple = kMass * kLength * kCenter * std::cos(state.angle2);
    const double whirl = kMass * kLength * kCenter * std::sin(state.angle2);
    const double m22 = kInertia + kMass * kCenter * kCenter;
    const double m12 = m22 + couple;
    const double m11 = 2 * m22 + kMass * kLength * kLength + 2 * couple;
    const double force1 =
        kMaxTorque * a1 - kFriction * speed1 + whirl * (2 * speed1 * speed2 + speed2 * speed2);
    const double force2 = kMaxTorque * a2 - kFriction * speed2 - whirl * speed1 * speed1;
    const double determinant = m11 * m22 - m12 * m12;
    const double accel1 = (m22 * force1 - m12 * force2) / determinant;
    const double accel2 = (m11 * force2 - m12 * force1) / determinant;

    state.speed1 = std::clamp(speed1 + kTauSeconds * accel1, -kMaxSpeed, kMaxSpeed);
    state.speed2 = std::clamp(speed2 + kTauSeconds * accel2, -kMaxSpeed, kMaxSpeed);
    state.angle1 = Wrapped(state.angle1 + kTauSeconds * state.speed1);
    state.angle2 = Wrapped(state.angle2 + kTauSeconds * state.speed2);

    const double distance = FromTarget(state).length();
    if (extras.events != nullptr) extras.events[0] = distance < kNear ? 1 : 0;
    return {-distance - kActionCost * (a1 * a1 + a2 * a2), false};
  }

  // within [-pi, pi] again, after less than a turn
  static double Wrapped(double angle) {
    if (angle > kPi) return angle - 2 * kPi;
    if (angle < -kPi) return angle + 2 * kPi;
    return angle;
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    const Offset offset = FromTarget(state);
    const double values[] = {std::cos(state.angle1),
                             std::cos(state.angle2),
                             std::sin(state.angle1),
                             std::sin(state.angle2),
                             state.target_x,
                             state.target_y,
                             state.speed1,
                             state.speed2,
                             offset.x,
                             offset.y};
    for (const double value : values) *out++ = static_cast<float>(value);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/control.cc
};

static_assert(Environment<Reacher>);

}  // namespace rollout
