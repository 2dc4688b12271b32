// Environments in a plain native loop, for benches: what a batch could reach at best.
#include "actions.h"
#include "envs/classic/acrobot.h"
#include "envs/classic/cartpole.h"
#include "envs/classic/mountain_car.h"
#include "envs/classic/mountain_car_continuous.h"
#include "envs/classic/pendulum.h"
#include "envs/control/cart_pole_swing_up.h"
#include "envs/control/reacher.h"
#include "envs/toy/blackjack.h"
#include "envs/toy/tabular.h"
#include "envs/toy/taxi.h"
#include "vec.h"
#include "vec/plain_loop.h"

namespace rollout::bindings {
namespace {

template <Environment E>
bool Loop(EnvBatch& env, std::size_t steps, const void* actions, double* sum) {
  if (dynamic_cast<const KernelOf<E>*>(&env.batch.kernel()) == nullptr) return false;
  const typename E::Params& params = *env.As<E>(0).first;
  const py::gil_scoped_release release;
  *sum = PlainLoop<E>(params, env.batch.num_rows(), steps, actions);
  return true;
}

template <Environment... E>
double AnyLoop(EnvBatch& env, std::size_t steps, const void* actions) {
  double sum = 0.0;
  if (!(Loop<E>(env, steps, actions, &sum) || ...)) {
    throw py::type_error("env: there is no plain loop for " + env.entry->id);
  }
  return sum;
}

double RunPlainLoop(EnvBatch& env, std::size_t steps, const py::object& given) {
  const py::array actions = CheckActions(env.batch.kernel(), given, env.batch.num_rows());
  return AnyLoop<CartPole, MountainCar, MountainCarContinuous, Pendulum, Acrobot, Reacher,
                 CartPoleSwingUp, Tabular, Taxi, Blackjack>(env, steps, actions.data());
}

}  // namespace

void BindFloor(py::module_& m) {
  m.def("plain_loop", &RunPlainLoop, py::arg("env"), py::arg("steps"), py::arg("actions"),
        "Step an environment like env's rows in a plain loop; return the sum of rewards.");
}

}  // namespace rollout::bindings
