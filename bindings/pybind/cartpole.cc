#include "envs/cartpole.h"

#include "vec.h"

namespace rollout::bindings {
namespace {

CartPole::Params ParamsFrom(Kwargs& kwargs) {
  CartPole::Params params;
  params.max_episode_steps = kwargs.Int("max_episode_steps", params.max_episode_steps, 0);
  params.sutton_barto_reward = kwargs.Bool("sutton_barto_reward", params.sutton_barto_reward);
  return params;
}

py::dict GetState(const CartPole::Params&, const RowHeader& header, const CartPole::State& state) {
  py::dict out;
  out["x"] = state.x;
  out["x_dot"] = state.x_dot;
  out["theta"] = state.theta;
  out["theta_dot"] = state.theta_dot;
  out["step"] = header.step;
  return out;
}

void SetState(const CartPole::Params&, RowHeader& header, CartPole::State& state,
              const py::dict& values) {
  state.x = values["x"].cast<double>();
  state.x_dot = values["x_dot"].cast<double>();
  state.theta = values["theta"].cast<double>();
  state.theta_dot = values["theta_dot"].cast<double>();
  header.step = values["step"].cast<std::uint32_t>();
}

}  // namespace

EnvEntry CartPoleEntry() {
  return MakeEntry<CartPole>("CartPole-v1",
                             "balance a pole on a cart; equal to gymnasium's, bit for bit",
                             ParamsFrom, GetState, SetState);
}

}  // namespace rollout::bindings
