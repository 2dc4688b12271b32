// A finite Markov decision process, written out as a table and played from it.
//
// The table belongs to Params and is read-only while stepping; a state is one number and NumPy's
// stream. A step costs one draw, also where nothing is left to chance: gymnasium's toy text does
// so, and from the same seed these are equal to it, step for step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "envs/env.h"
#include "envs/numpy_rng.h"

namespace rollout {

// What may follow one action in one state.
struct Transition {
  double prob = 0.0;
  double up_to = 0.0;  // the sum of the probabilities until and with this one
  double reward = 0.0;
  std::int32_t next = 0;
  bool terminated = false;
};

class Table {
 public:
  Table(std::int64_t num_states, std::int64_t num_actions, std::int64_t num_outcomes)
      : num_states_(num_states),
        num_actions_(num_actions),
        num_outcomes_(num_outcomes),
        transitions_(static_cast<std::size_t>(num_states * num_actions * num_outcomes)) {}

  std::int64_t num_states() const { return num_states_; }
  std::int64_t num_actions() const { return num_actions_; }
  std::int64_t num_outcomes() const { return num_outcomes_; }  // the most of any action
  const std::vector<Transition>& transitions() const { return transitions_; }
  const std::vector<double>& start() const { return start_; }  // [S] probabilities

  // num_outcomes() of them; the last ones may have a probability of zero
  const Transition* At(std::int64_t state, std::int64_t action) const {
    return &transitions_[Index(state, action)];
  }

  // Writes one row of the table.
  void Set(std::int64_t state, std::int64_t action, const std::vector<Transition>& outcomes) {
    Transition* const out = &transitions_[Index(state, action)];
    double up_to = 0.0;
    for (std::int64_t k = 0; k < num_outcomes_; ++k) {
      if (k < std::ssize(outcomes)) out[k] = outcomes[static_cast<std::size_t>(k)];
      out[k].up_to = up_to += out[k].prob;
    }
  }

  // Every state of `states` is as likely to be the first.
  void SetStart(const std::vector<std::int64_t>& states) {
    start_.assign(static_cast<std::size_t>(num_states_), 0.0);
    const double prob = 1.0 / static_cast<double>(states.size());
    for (const std::int64_t state : states) start_[static_cast<std::size_t>(state)] = prob;
    double up_to = 0.0;
    start_state_.clear();
    start_up_to_.clear();
    for (std::int64_t state = 0; state < num_states_; ++state) {
      if (start_[static_cast<std::size_t>(state)] == 0.0) continue;
      start_state_.push_back(state);
      start_up_to_.push_back(up_to += prob);
    }
  }

  // Both draw as gymnasium does: the first whose sum exceeds the draw, and number 0 if rounding
  // leaves none.
  std::int64_t DrawStart(double draw) const {
    const auto found = std::upper_bound(start_up_to_.begin(), start_up_to_.end(), draw);
    if (found == start_up_to_.end()) return 0;
    return start_state_[static_cast<std::size_t>(found - start_up_to_.begin())];
  }

  const Transition& Draw(std::int64_t state, std::int64_t action, double draw) const {
    // counted without a branch, since nobody can guess where the draw falls
    const Transition* const row = At(state, action);
    std::int64_t k = 0;
    for (std::int64_t j = 0; j < num_outcomes_; ++j) k += row[j].up_to <= draw;
    return row[k < num_outcomes_ ? k : 0];
  }

 private:
  std::size_t Index(std::int64_t state, std::int64_t action) const {
    return static_cast<std::size_t>((state * num_actions_ + action) * num_outcomes_);
  }

  std::int64_t num_states_, num_actions_, num_outcomes_;
  std::vector<Transition> transitions_;  // [S, A, K]
  std::vector<double> start_;
  std::vector<std::int64_t> start_state_;  // those that may be first,
  std::vector<double> start_up_to_;        // and the sums of their probabilities
};

enum class Scenery { kIce, kGrass };

struct Tabular {
  using Action = std::int64_t;
  using Obs = std::int64_t;  // the state
  static constexpr std::size_t kGrainRows = 256;

  struct Params {
    Table table;
    std::int64_t max_episode_steps = 0;
    std::string id;
    // for pictures: a letter a state, rows of one length; 'S' start, 'G' goal, 'H' hole, 'C' cliff
    std::vector<std::string> map;
    Scenery scenery = Scenery::kIce;
  };

  struct State {
    std::int64_t s;
    NumpyGenerator rng;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = params.id;
    spec.obs_dtype = Dtype::kInt64;
    spec.obs_nvec = {params.table.num_states()};
    spec.action_nvec = {params.table.num_actions()};
    spec.max_episode_steps = params.max_episode_steps;
    spec.signal_names = {"prob"};  // of what happened, given the state and the action
    spec.signal_widths = {1};
    return spec;
  }

  static void Reset(const Params& params, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    state.s = params.table.DrawStart(state.rng.NextDouble());
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const Transition& drawn = params.table.Draw(state.s, *action, state.rng.NextDouble());
    state.s = drawn.next;
    if (extras.signals != nullptr) extras.signals[0] = static_cast<float>(drawn.prob);
    return {drawn.reward, drawn.terminated};
  }

  static void Observe(const Params&, const State& state, Obs* out) { *out = state.s; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/toy.cc
};

static_assert(Environment<Tabular>);

}  // namespace rollout
