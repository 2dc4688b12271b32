// Toy text: keywords as gymnasium's, states as dicts, and the tables as arrays.
#include <pybind11/stl.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "envs/toy/blackjack.h"
#include "envs/toy/cliff_walking.h"
#include "envs/toy/frozen_lake.h"
#include "envs/toy/tabular.h"
#include "envs/toy/taxi.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

std::int64_t Limit(Kwargs& kwargs, std::int64_t otherwise) {
  return kwargs.Int("max_episode_steps", otherwise, 0);
}

// the state of a tabular environment as a dict, and back
// -------------------------------------------

template <class E>
py::dict GetState(const typename E::Params&, const RowHeader& header,
                  const typename E::State& state) {
  py::dict out;
  out["s"] = state.s;
  if constexpr (requires { state.will_change; }) out["will_change"] = state.will_change;
  out["step"] = header.step;
  return out;
}

template <class E>
void SetState(const typename E::Params& params, RowHeader& header, typename E::State& state,
              const py::dict& dict) {
  Kwargs values("state", dict);
  state.s = values.Int("s", 0, 0, params.table.num_states() - 1);
  if constexpr (requires { state.will_change; }) {
    state.will_change = values.Bool("will_change", false);
  }
  header.step = static_cast<std::uint32_t>(values.Int("step", 0, 0, UINT32_MAX));
}

EnvEntry TabularEntry(const char* id, const char* summary, Tabular::Params (*params)(Kwargs&)) {
  return MakeEntry<Tabular>(id, summary, params, GetState<Tabular>, SetState<Tabular>);
}

// frozen lake ------------------------------------------------------------------------------------

[[noreturn]] void RefuseKeyword(const char* name, const std::string& rule,
                                const py::object& value) {
  throw py::value_error(std::string("FrozenLake: ") + name + ": expected " + rule + ", got " +
                        py::repr(value).cast<std::string>());
}

// a list of numbers or strings; one that is neither is refused by `rule`
template <class T>
std::vector<T> List(const char* name, const std::string& rule, const py::object& value) {
  try {
    return value.cast<std::vector<T>>();
  } catch (const py::cast_error&) {
    RefuseKeyword(name, rule, value);
  }
}

std::vector<std::string> MapFrom(const py::object& value) {
  const std::string rule =
      "a list of strings of one length, of the letters S, F, H and G, with an S";
  const auto map = List<std::string>("desc", rule, value);
  bool good = !map.empty() && !map[0].empty();
  bool start = false;
  for (const std::string& row : map) {
    good =
        good && row.size() == map[0].size() && row.find_first_not_of("SFHG") == std::string::npos;
    start = start || row.find('S') != std::string::npos;
  }
  if (!good || !start) RefuseKeyword("desc", rule, value);
  return map;
}

Tabular::Params FrozenLakeParams(Kwargs& kwargs, std::size_t size, std::int64_t limit,
                                 const char* id) {
  FrozenLakeRules rules;
  if (kwargs.Choice("map_name", {"4x4", "8x8"}, size) == 1) rules.map = FrozenLake8x8();
  if (const py::object map = kwargs.Object("desc"); !map.is_none()) rules.map = MapFrom(map);
  rules.slippery = kwargs.Bool("is_slippery", rules.slippery);
  rules.success_rate = kwargs.Double("success_rate", rules.success_rate, 0.0, 1.0);
  if (const py::object schedule = kwargs.Object("reward_schedule"); !schedule.is_none()) {
    const std::string rule = "three numbers: at a goal, in a hole, on ice";
    const auto rewards = List<double>("reward_schedule", rule, schedule);
    if (rewards.size() != rules.rewards.size()) RefuseKeyword("reward_schedule", rule, schedule);
    std::copy(rewards.begin(), rewards.end(), rules.rewards.begin());
  }
  return {FrozenLakeTable(rules), Limit(kwargs, limit), id, rules.map, Scenery::kIce};
}

// cliff walking ----------------------------------------------------------------------------------

Tabular::Params CliffParams(Kwargs& kwargs, bool slippery, const char* id) {
  slippery = kwargs.Bool("is_slippery", slippery);
  return {CliffWalkingTable(slippery), Limit(kwargs, 0), id, CliffWalkingMap(), Scenery::kGrass};
}

// taxi -------------------------------------------------------------------------------------------

Taxi::Params TaxiParams(Kwargs& kwargs) {
  Taxi::Rules rules;
  rules.rainy = kwargs.Bool("is_rainy", rules.rainy);
  rules.rainy_probability = kwargs.Double("rainy_probability", rules.rainy_probability, 0.0, 1.0);
  rules.fickle = kwargs.Bool("fickle_passenger", rules.fickle);
  rules.fickle_probability =
      kwargs.Double("fickle_probability", rules.fickle_probability, 0.0, 1.0);
  return {Taxi::MakeTable(rules), rules, Limit(kwargs, 200)};
}

// blackjack --------------------------------------------------------------------------------------

Blackjack::Params BlackjackParams(Kwargs& kwargs) {
  Blackjack::Params params;
  params.natural = kwargs.Bool("natural", params.natural);
  params.sab = kwargs.Bool("sab", params.sab);
  params.max_episode_steps = Limit(kwargs, params.max_episode_steps);
  return params;
}

py::dict HandDict(const Blackjack::Hand& hand) {
  py::dict out;
  out["hard"] = hand.hard;
  out["cards"] = hand.cards;
  out["ace"] = hand.ace;
  return out;
}

Blackjack::Hand HandFrom(const char* name, const py::object& value) {
  if (!py::isinstance<py::dict>(value)) {
    throw py::value_error(std::string("state: ") + name + ": expected a dict, got " +
                          py::repr(value).cast<std::string>());
  }
  Kwargs values(std::string("state: ") + name, py::dict(value.attr("copy")()));
  Blackjack::Hand hand;
  hand.cards = static_cast<std::int32_t>(values.Int("cards", 2, 1, 22));
  hand.ace = values.Bool("ace", false);
  // the least is all aces, or all twos if there is none; the most is all tens but one ace
  const std::int32_t least = hand.ace ? hand.cards : 2 * hand.cards;
  const std::int32_t most = std::min(10 * hand.cards - (hand.ace ? 9 : 0), 31);
  hand.hard = static_cast<std::int32_t>(values.Int("hard", least, least, most));
  values.RefuseRest();
  return hand;
}

EnvEntry BlackjackEntry() {
  return MakeEntry<Blackjack>(
      "Blackjack-v1", "draw cards towards 21 against a dealer; equal to gymnasium's",
      BlackjackParams,
      [](const Blackjack::Params&, const RowHeader& header, const Blackjack::State& state) {
        py::dict out;
        out["player"] = HandDict(state.player);
        out["dealer"] = HandDict(state.dealer);
        out["shown"] = state.shown;
        out["step"] = header.step;
        return out;
      },
      [](const Blackjack::Params&, RowHeader& header, Blackjack::State& state,
         const py::dict& dict) {
        Kwargs values("state", dict);
        state.player = HandFrom("player", values.Object("player"));
        state.dealer = HandFrom("dealer", values.Object("dealer"));
        state.shown = values.Int("shown", 1, 1, 10);
        header.step = static_cast<std::uint32_t>(values.Int("step", 0, 0, UINT32_MAX));
      });
}

// tables as arrays -------------------------------------------------------------------------------

const Table& TableOf(EnvBatch& env) {
  const Kernel* const kernel = &env.batch.kernel();
  if (dynamic_cast<const KernelOf<Tabular>*>(kernel) != nullptr) {
    return env.As<Tabular>(0).first->table;
  }
  if (dynamic_cast<const KernelOf<Taxi>*>(kernel) != nullptr) {
    return env.As<Taxi>(0).first->table;
  }
  throw py::type_error("id: " + env.entry->id +
                       " is not written as a table; FrozenLake, CliffWalking and Taxi are");
}

py::tuple Transitions(EnvBatch& env) {
  const Table& table = TableOf(env);
  const std::vector<py::ssize_t> shape = {table.num_states(), table.num_actions(),
                                          table.num_outcomes()};
  py::array_t<std::int64_t> next(shape);
  py::array_t<double> prob(shape), reward(shape);
  py::array_t<bool> terminated(shape);
  for (std::size_t i = 0; i < table.transitions().size(); ++i) {
    const Transition& one = table.transitions()[i];
    next.mutable_data()[i] = one.next;
    prob.mutable_data()[i] = one.prob;
    reward.mutable_data()[i] = one.reward;
    terminated.mutable_data()[i] = one.terminated;
  }
  return py::make_tuple(next, prob, reward, terminated,
                        py::array_t<double>(std::ssize(table.start()), table.start().data()));
}

}  // namespace

std::vector<EnvEntry> ToyEntries() {
  const char* const lake = "cross slippery ice without falling in; equal to gymnasium's";
  const char* const cliff = "walk to a goal along a cliff; equal to gymnasium's";
  return {
      TabularEntry(
          "FrozenLake-v1", lake,
          [](Kwargs& kwargs) { return FrozenLakeParams(kwargs, 0, 100, "FrozenLake-v1"); }),
      TabularEntry(
          "FrozenLake8x8-v1", lake,
          [](Kwargs& kwargs) { return FrozenLakeParams(kwargs, 1, 200, "FrozenLake8x8-v1"); }),
      TabularEntry("CliffWalking-v1", cliff,
                   [](Kwargs& kwargs) { return CliffParams(kwargs, false, "CliffWalking-v1"); }),
      TabularEntry(
          "CliffWalkingSlippery-v1", cliff,
          [](Kwargs& kwargs) { return CliffParams(kwargs, true, "CliffWalkingSlippery-v1"); }),
      MakeEntry<Taxi>("Taxi-v4", "fetch a passenger and bring them home; equal to gymnasium's",
                      TaxiParams, GetState<Taxi>, SetState<Taxi>),
      BlackjackEntry()};
}

void BindToy(py::module_& m) {
  m.def("tabular_transitions", &Transitions, py::arg("env"),
        "Return the table of an environment as arrays.");
}

}  // namespace rollout::bindings
