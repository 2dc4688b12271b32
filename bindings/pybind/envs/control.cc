// Continuous control in closed form: keywords, states as dicts.
#include "envs/control/cart_pole_swing_up.h"
#include "envs/control/reacher.h"
#include "fields.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

constexpr double kTurn = Reacher::kPi;

constexpr Field<Reacher::State> kReacher[] = {
    {"angle1", [](Reacher::State& s) -> double& { return s.angle1; }, -kTurn, kTurn},
    {"angle2", [](Reacher::State& s) -> double& { return s.angle2; }, -kTurn, kTurn},
    {"speed1", [](Reacher::State& s) -> double& { return s.speed1; }, -Reacher::kMaxSpeed,
     Reacher::kMaxSpeed},
    {"speed2", [](Reacher::State& s) -> double& { return s.speed2; }, -Reacher::kMaxSpeed,
     Reacher::kMaxSpeed},
    {"target_x", [](Reacher::State& s) -> double& { return s.target_x; }, -Reacher::kTargetRadius,
     Reacher::kTargetRadius},
    {"target_y", [](Reacher::State& s) -> double& { return s.target_y; }, -Reacher::kTargetRadius,
     Reacher::kTargetRadius},
};

constexpr Field<CartPoleSwingUp::State> kSwingUp[] = {
    {"x", [](CartPoleSwingUp::State& s) -> double& { return s.x; }, -CartPoleSwingUp::kXLimit,
     CartPoleSwingUp::kXLimit},
    {"x_dot", [](CartPoleSwingUp::State& s) -> double& { return s.x_dot; }, -1e3, 1e3},
    {"theta", [](CartPoleSwingUp::State& s) -> double& { return s.theta; }, -kTurn, kTurn},
    {"theta_dot", [](CartPoleSwingUp::State& s) -> double& { return s.theta_dot; }, -1e3, 1e3},
};

template <class E>
typename E::Params ParamsFrom(Kwargs& kwargs) {
  typename E::Params params;
  params.max_episode_steps = kwargs.Int("max_episode_steps", params.max_episode_steps, 0);
  return params;
}

}  // namespace

std::vector<EnvEntry> ControlEntries() {
  return {
      MakeEntry<Reacher>(
          "Reacher-v0", "bring the tip of a two-link arm to a target", ParamsFrom<Reacher>,
          [](const Reacher::Params&, const RowHeader& header, const Reacher::State& state) {
            return FieldsToDict(kReacher, header, state);
          },
          [](const Reacher::Params&, RowHeader& header, Reacher::State& state,
             const py::dict& values) { FieldsFromDict(kReacher, header, state, values); }),
      MakeEntry<CartPoleSwingUp>(
          "CartPoleSwingUp-v0", "swing a pole up from a cart and balance it",
          ParamsFrom<CartPoleSwingUp>,
          [](const CartPoleSwingUp::Params&, const RowHeader& header,
             const CartPoleSwingUp::State& state) { return FieldsToDict(kSwingUp, header, state); },
          [](const CartPoleSwingUp::Params&, RowHeader& header, CartPoleSwingUp::State& state,
             const py::dict& values) { FieldsFromDict(kSwingUp, header, state, values); })};
}

}  // namespace rollout::bindings
