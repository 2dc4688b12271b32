// Classic control: keywords as gymnasium's, states as dicts.
#include "envs/classic/acrobot.h"
#include "envs/classic/cartpole.h"
#include "envs/classic/mountain_car.h"
#include "envs/classic/mountain_car_continuous.h"
#include "envs/classic/pendulum.h"
#include "fields.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

template <class Params>
Params Limited(Kwargs& kwargs) {
  Params params;
  params.max_episode_steps = kwargs.Int("max_episode_steps", params.max_episode_steps, 0);
  return params;
}

double Finite(Kwargs& kwargs, const char* name, double otherwise) {
  return kwargs.Double(name, otherwise, -kMostDouble, kMostDouble);
}

// cart pole --------------------------------------------------------------------------------------

constexpr Field<CartPole::State> kCartPole[] = {
    {"x", [](CartPole::State& s) -> double& { return s.x; }},
    {"x_dot", [](CartPole::State& s) -> double& { return s.x_dot; }},
    {"theta", [](CartPole::State& s) -> double& { return s.theta; }},
    {"theta_dot", [](CartPole::State& s) -> double& { return s.theta_dot; }},
};

EnvEntry CartPoleEntry() {
  return MakeEntry<CartPole>(
      "CartPole-v1", "balance a pole on a cart; equal to gymnasium's, bit for bit",
      [](Kwargs& kwargs) {
        auto params = Limited<CartPole::Params>(kwargs);
        params.fast = kwargs.Choice("precision", {"exact", "fast"}) == 1;
        params.sutton_barto_reward = kwargs.Bool("sutton_barto_reward", false);
        return params;
      },
      [](const CartPole::Params&, const RowHeader& header, const CartPole::State& state) {
        return FieldsToDict(kCartPole, header, state);
      },
      [](const CartPole::Params& params, RowHeader& header, CartPole::State& state,
         const py::dict& values) {
        FieldsFromDict(kCartPole, header, state, values);
        if (params.fast) CartPole::Narrow(state);
      });
}

// mountain cars ----------------------------------------------------------------------------------

template <class State>
constexpr Field<State> kMountainCar[] = {
    {"position", [](State& s) -> double& { return s.position; }, MountainTrack::kLeft,
     MountainTrack::kRight},
    {"velocity", [](State& s) -> double& { return s.velocity; }, -MountainTrack::kMaxSpeed,
     MountainTrack::kMaxSpeed},
};

template <class E>
EnvEntry MountainCarEntry(const char* id, const char* summary) {
  using State = typename E::State;
  return MakeEntry<E>(
      id, summary,
      [](Kwargs& kwargs) {
        auto params = Limited<typename E::Params>(kwargs);
        params.goal_velocity = Finite(kwargs, "goal_velocity", params.goal_velocity);
        return params;
      },
      [](const typename E::Params&, const RowHeader& header, const State& state) {
        return FieldsToDict(kMountainCar<State>, header, state);
      },
      [](const typename E::Params&, RowHeader& header, State& state, const py::dict& values) {
        FieldsFromDict(kMountainCar<State>, header, state, values);
        if constexpr (requires { E::Narrow(state); }) {
          if (!(state.fresh = header.step == 0)) E::Narrow(state);
        }
      });
}

// pendulum ---------------------------------------------------------------------------------------

constexpr Field<Pendulum::State> kPendulum[] = {
    {"theta", [](Pendulum::State& s) -> double& { return s.theta; }},
    {"theta_dot", [](Pendulum::State& s) -> double& { return s.theta_dot; }, -Pendulum::kMaxSpeed,
     Pendulum::kMaxSpeed},
};

EnvEntry PendulumEntry() {
  return MakeEntry<Pendulum>(
      "Pendulum-v1", "swing a pendulum up and hold it; equal to gymnasium's, bit for bit",
      [](Kwargs& kwargs) {
        auto params = Limited<Pendulum::Params>(kwargs);
        params.gravity = Finite(kwargs, "g", params.gravity);
        params.fast = kwargs.Choice("precision", {"exact", "fast"}) == 1;
        return params;
      },
      [](const Pendulum::Params&, const RowHeader& header, const Pendulum::State& state) {
        return FieldsToDict(kPendulum, header, state);
      },
      [](const Pendulum::Params& params, RowHeader& header, Pendulum::State& state,
         const py::dict& values) {
        FieldsFromDict(kPendulum, header, state, values);
        if (params.fast) Pendulum::Narrow(state);
        Pendulum::Place(state, state.theta, state.theta_dot);
        if (params.fast) Pendulum::Narrow(state);
      });
}

// acrobot ----------------------------------------------------------------------------------------

constexpr Field<Acrobot::State> kAcrobot[] = {
    {"theta1", [](Acrobot::State& s) -> double& { return s.q[0]; }, -Acrobot::kPi, Acrobot::kPi},
    {"theta2", [](Acrobot::State& s) -> double& { return s.q[1]; }, -Acrobot::kPi, Acrobot::kPi},
    {"theta1_dot", [](Acrobot::State& s) -> double& { return s.q[2]; }, -Acrobot::kMaxSpeed1,
     Acrobot::kMaxSpeed1},
    {"theta2_dot", [](Acrobot::State& s) -> double& { return s.q[3]; }, -Acrobot::kMaxSpeed2,
     Acrobot::kMaxSpeed2},
};

EnvEntry AcrobotEntry() {
  return MakeEntry<Acrobot>(
      "Acrobot-v1", "swing a two-link pendulum above a line; equal to gymnasium's, bit for bit",
      [](Kwargs& kwargs) {
        auto params = Limited<Acrobot::Params>(kwargs);
        params.nips = kwargs.Choice("book_or_nips", {"book", "nips"}) == 1;
        params.torque_noise_max = kwargs.Double("torque_noise_max", 0.0, 0.0, 1e6);
        return params;
      },
      [](const Acrobot::Params&, const RowHeader& header, const Acrobot::State& state) {
        return FieldsToDict(kAcrobot, header, state);
      },
      [](const Acrobot::Params&, RowHeader& header, Acrobot::State& state, const py::dict& values) {
        FieldsFromDict(kAcrobot, header, state, values);
        if (header.step == 0) {
          Acrobot::Narrow(state);
        } else {
          Acrobot::Look<double>(state);
        }
      });
}

}  // namespace

std::vector<EnvEntry> ClassicEntries() {
  return {CartPoleEntry(),
          MountainCarEntry<MountainCar>(
              "MountainCar-v0", "rock a weak car up a hill; equal to gymnasium's, bit for bit"),
          MountainCarEntry<MountainCarContinuous>(
              "MountainCarContinuous-v0",
              "rock a weak car up a hill by any force; equal to gymnasium's, bit for bit"),
          PendulumEntry(), AcrobotEntry()};
}

}  // namespace rollout::bindings
