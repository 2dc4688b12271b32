// Taxi-v4: drive to the passenger, pick them up, and drop them off where they want to go.
//
// Equal with gymnasium's, rain and fickle passengers included. Source: Dietterich 2000, with the
// map and the rules of gymnasium 1.x.
//
//   +---------+     a state is ((row * 5 + column) * 5 + passenger) * 4 + destination, where
//   |R: | : :G|     passenger and destination are 0 red, 1 green, 2 yellow, 3 blue,
//   | : | : : |     and passenger 4 is in the taxi
//   | : : : : |
//   | | : | : |     actions: 0 south, 1 north, 2 east, 3 west, 4 pick up, 5 drop off
//   |Y| : |B: |
//   +---------+
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "envs/env.h"
#include "envs/numpy_rng.h"
#include "envs/toy/tabular.h"

namespace rollout {

struct Taxi {
  using Action = std::int64_t;
  using Obs = std::int64_t;  // the state
  static constexpr std::size_t kGrainRows = 256;

  static constexpr std::int64_t kSize = 5, kInTaxi = 4, kStops = 4, kActions = 6;
  static constexpr std::int64_t kStates = kSize * kSize * (kStops + 1) * kStops;
  // cells of the four stops
  static constexpr std::int64_t kStop[kStops] = {0, 4, 20, 23};

  struct Rules {
    bool rainy = false;
    double rainy_probability = 0.8;  // of going as intended in rain, else to either side
    bool fickle = false;
    double fickle_probability = 0.3;  // of a passenger who will change the destination once
  };

  struct Params {
    Table table;
    Rules rules;
    std::int64_t max_episode_steps = 200;
  };

  struct State {
    std::int64_t s;
    NumpyIntegers rng;
    bool will_change;  // a fickle passenger names another destination at the next move with them
  };

  struct Place {
    std::int64_t cell, passenger, destination;
  };
  static constexpr Place Decode(std::int64_t s) { return {s / 20, s / 4 % 5, s % 4}; }
  static std::int64_t Encode(const Place& p) {
    return (p.cell * 5 + p.passenger) * 4 + p.destination;
  }

  // whether nothing stops a taxi on `cell` that drives in a direction 0..3
  static constexpr bool Open(std::int64_t cell, std::int64_t direction) {
    const std::int64_t row = cell / kSize, column = cell % kSize;
    if (direction == 0) return row < kSize - 1;
    if (direction == 1) return row > 0;
    // bit c: a wall between columns c and c + 1
    constexpr unsigned kWalls[kSize] = {0b0010, 0b0010, 0b0000, 0b0101, 0b0101};
    const std::int64_t left = direction == 2 ? column : column - 1;
    return left >= 0 && left < kSize - 1 && (kWalls[row] >> left & 1) == 0;
  }

  static std::int64_t Drive(std::int64_t cell, std::int64_t direction) {
    constexpr std::int64_t kStep[] = {kSize, -kSize, 1, -1};
    return Open(cell, direction) ? cell + kStep[direction] : cell;
  }

  // the stop on a cell, or -1
  static constexpr std::int64_t StopAt(std::int64_t cell) {
    for (std::int64_t stop = 0; stop < kStops; ++stop) {
      if (kStop[stop] == cell) return stop;
    }
    return -1;
  }

  static std::vector<Transition> Moves(const Rules& rules, const Place& place,
                                       std::int64_t direction) {
    const auto move = [&place](std::int64_t to, double prob) {
      const std::int64_t next = Encode({to, place.passenger, place.destination});
      return Transition{.prob = prob, .reward = -1.0, .next = static_cast<std::int32_t>(next)};
    };
    const std::int64_t ahead = Drive(place.cell, direction);
    if (!rules.rainy) return {move(ahead, 1.0)};
    // who faces a wall does not drift either
    constexpr std::int64_t kLeft[] = {2, 3, 1, 0}, kRight[] = {3, 2, 0, 1};
    const bool open = Open(place.cell, direction);
    const double lateral = (1.0 - rules.rainy_probability) / 2.0;
    return {move(ahead, rules.rainy_probability),
            move(open ? Drive(place.cell, kLeft[direction]) : place.cell, lateral),
            move(open ? Drive(place.cell, kRight[direction]) : place.cell, lateral)};
  }

  static Transition PickUp(Place place) {
    const bool here = place.passenger != kInTaxi && kStop[place.passenger] == place.cell;
    if (here) place.passenger = kInTaxi;
    return {.prob = 1.0,
            .reward = here ? -1.0 : -10.0,
            .next = static_cast<std::int32_t>(Encode(place))};
  }

  static Transition DropOff(Place place) {
    const std::int64_t stop = StopAt(place.cell);
    const bool out = place.passenger == kInTaxi && stop >= 0;
    const bool arrived = out && stop == place.destination;
    if (out) place.passenger = stop;
    return {.prob = 1.0,
            .reward = arrived ? 20.0
                      : out   ? -1.0
                              : -10.0,
            .next = static_cast<std::int32_t>(Encode(place)),
            .terminated = arrived};
  }

  // Without fickleness, which depends on more than the state.
  static Table MakeTable(const Rules& rules) {
    Table table(kStates, kActions, rules.rainy ? 3 : 1);
    std::vector<std::int64_t> starts;
    for (std::int64_t s = 0; s < kStates; ++s) {
      const Place place = Decode(s);
      if (place.passenger != kInTaxi && place.passenger != place.destination) starts.push_back(s);
      for (std::int64_t a = 0; a < 4; ++a) table.Set(s, a, Moves(rules, place, a));
      table.Set(s, 4, {PickUp(place)});
      table.Set(s, 5, {DropOff(place)});
    }
    table.SetStart(starts);
    return table;
  }

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "Taxi-v4";
    spec.obs_dtype = Dtype::kInt64;
    spec.obs_nvec = {kStates};
    spec.action_nvec = {kActions};
    spec.max_episode_steps = params.max_episode_steps;
    spec.signal_names = {"prob"};  // of what happened, given the state and the action
    spec.signal_widths = {1};
    return spec;
  }

  static void Reset(const Params& params, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    state.s = params.table.DrawStart(state.rng.NextDouble());
    state.will_change =
        params.rules.fickle && state.rng.NextDouble() < params.rules.fickle_probability;
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const Transition& drawn = params.table.Draw(state.s, *action, state.rng.NextDouble());
    if (extras.signals != nullptr) extras.signals[0] = static_cast<float>(drawn.prob);
    const std::int64_t before = state.s;
    state.s = drawn.next;
    if (state.will_change) ChangeMind(state, Decode(before));
    return {drawn.reward, drawn.terminated};
  }

  static void ChangeMind(State& state, const Place& before) {
    Place place = Decode(state.s);
    if (before.passenger != kInTaxi || place.cell == before.cell) return;
    state.will_change = false;
    const std::int64_t pick = state.rng.Integer(0, kStops - 1);  // among the others
    place.destination = pick + (pick >= before.destination ? 1 : 0);
    state.s = Encode(place);
  }

  static void Observe(const Params&, const State& state, Obs* out) { *out = state.s; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/toy.cc

  // Which actions change the state. The others are allowed: they waste a step, or cost 10.
  static void LegalActions(const Params&, const State& state, std::int8_t* mask) {
    std::memcpy(mask, kChanges[static_cast<std::size_t>(state.s)].data(), kActions);
  }

 private:
  static const std::array<std::array<std::int8_t, 8>, kStates> kChanges;  // [S, A and two more]
};

inline constexpr std::array<std::array<std::int8_t, 8>, Taxi::kStates> Taxi::kChanges = [] {
  std::array<std::array<std::int8_t, 8>, kStates> table{};
  for (std::int64_t s = 0; s < kStates; ++s) {
    const Place place = Decode(s);
    std::array<std::int8_t, 8>& mask = table[static_cast<std::size_t>(s)];
    for (std::int64_t a = 0; a < 4; ++a) mask[static_cast<std::size_t>(a)] = Open(place.cell, a);
    const bool waits = place.passenger != kInTaxi;
    mask[4] = waits && kStop[place.passenger] == place.cell;
    mask[5] = !waits && StopAt(place.cell) >= 0;
  }
  return table;
}();

static_assert(Environment<Taxi>);

}  // namespace rollout
