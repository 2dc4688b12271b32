#include <limits>

#include "envs/classic/cartpole.h"
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
  Kwargs fields("state", values);
  constexpr double kMost = std::numeric_limits<double>::max();  // finite
  state.x = fields.Double("x", 0.0, -kMost, kMost);
  state.x_dot = fields.Double("x_dot", 0.0, -kMost, kMost);
  state.theta = fields.Double("theta", 0.0, -kMost, kMost);
  state.theta_dot = fields.Double("theta_dot", 0.0, -kMost, kMost);
  header.step = static_cast<std::uint32_t>(fields.Int("step", 0, 0, UINT32_MAX));
}

}  // namespace

std::vector<EnvEntry> ClassicEntries() {
  return {MakeEntry<CartPole>("CartPole-v1",
                              "balance a pole on a cart; equal to gymnasium's, bit for bit",
                              ParamsFrom, GetState, SetState)};
}

}  // namespace rollout::bindings
