// Tree searches with a model that hashes the actions taken: every rule, then on from the subtrees
// that are kept, and what a model may say besides.
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "search/custom/search.h"
#include "search/gumbel/search.h"
#include "search/open_loop/search.h"
#include "search/puct/search.h"
#include "search/regularised/search.h"
#include "search/simultaneous/search.h"
#include "stress.h"

namespace rollout::stress {
namespace {

constexpr std::size_t kTrees = 48;
constexpr std::int32_t kSimulations = 40;

// A number in [-0.5, 0.5) that a state and a question have.
float Number(std::uint64_t state, std::uint64_t what) {
  return static_cast<float>(Mixed(state + what) >> 40) / (1 << 24) - 0.5F;
}

std::vector<search::RowKey> Keys() {
  std::vector<search::RowKey> keys(kTrees);
  for (std::size_t i = 0; i < kTrees; ++i) keys[i] = {11, static_cast<std::uint32_t>(i)};
  return keys;
}

// What the model says of many states, a state being a number.
struct Model {
  // beyond what each says
  struct Extras {
    bool masks = false, excess = false, spread = false;
  };

  std::size_t actions, players, outcomes, columns;
  Extras extras;
  std::vector<float> reward, discount, logits, value, excess, spread;
  std::vector<std::uint8_t> invalid, done, chance;
  std::vector<std::int64_t> mover;
  std::vector<std::uint64_t> states;

  Model(const search::Shape& shape, Extras extras, std::size_t lanes)
      : actions(shape.actions),
        players(shape.players),
        outcomes(shape.outcomes),
        columns(std::max(actions, outcomes)),
        extras(extras),
        reward(lanes * players),
        discount(lanes),
        logits(lanes * columns),
        value(lanes * players),
        excess(lanes),
        spread(lanes),
        invalid(lanes * columns),
        done(lanes),
        chance(lanes),
        mover(lanes),
        states(lanes) {}

  void Say(std::size_t lane, std::uint64_t state) {
    states[lane] = state;
    for (std::size_t p = 0; p < players; ++p) {
      reward[lane * players + p] = Number(state, 1 + p);
      value[lane * players + p] = Number(state, 5 + p);
    }
    done[lane] = Mixed(state) % 8 == 0;
    discount[lane] = done[lane] != 0 ? 0.0F : 0.97F;
    mover[lane] = static_cast<std::int64_t>(Mixed(state) % players);
    chance[lane] = Mixed(state + 9) % 3 == 0;
    excess[lane] = Number(state, 10) - 0.3F;
    spread[lane] = 0.5F + Number(state, 11);
    for (std::size_t a = 0; a < columns; ++a) {
      logits[lane * columns + a] = 4 * Number(state, 20 + a);
      invalid[lane * columns + a] = a != state % columns && Mixed(state + a) % 4 == 0;
    }
  }

  search::Outputs outputs(bool root) const {
    search::Outputs out;
    const auto wide = static_cast<std::ptrdiff_t>(players);
    out.reward = {reward.data(), wide};
    out.discount = {discount.data(), 1};
    out.prior_logits = {logits.data(), static_cast<std::ptrdiff_t>(columns)};
    out.value = {value.data(), wide};
    if (players > 1) out.mover = mover.data();
    if (root) return out;
    out.done = done.data();
    if (extras.masks) out.invalid = invalid.data();
    if (outcomes > 0) out.chance = chance.data();
    if (extras.excess) out.excess = excess.data();
    if (extras.spread) out.spread = spread.data();
    return out;
  }

  search::States rows() const {
    return {reinterpret_cast<const std::byte*>(states.data()), sizeof(std::uint64_t)};
  }
};

// Runs a search for so many steps, as if time were up then, and notes what it says; writes the
// actions that it chose. models: one for each half of the rows; where there are two, each speaks
// while the other half is advanced.
void Drive(search::Search& searching, std::int32_t steps, const Model& root,
           std::span<Model> models, std::vector<std::int64_t>& chosen, Notes& notes) {
  const search::Shape& shape = searching.shape();
  const std::size_t lanes = kTrees * static_cast<std::size_t>(shape.wave);
  std::vector<std::int64_t> action(lanes);
  std::vector<std::uint64_t> parents(lanes);
  const search::Batch batch{reinterpret_cast<std::byte*>(parents.data()), sizeof(std::uint64_t)};
  const search::States first = root.rows(), states[] = {models[0].rows(), models[1].rows()};
  bool good = searching.Begin(root.outputs(true), {&first, 1}, action.data(), std::span{&batch, 1});
  const auto open = [&](std::size_t part) {
    return searching.lanes(part) > 0 && searching.simulation(part) < steps;
  };
  std::size_t part = 0;
  while (good && open(part)) {
    for (std::size_t i = 0; i < searching.lanes(part); ++i) {
      const std::size_t lane = searching.first_lane(part) + i;
      const auto taken = static_cast<std::uint64_t>(action[lane]);
      models[part].Say(i, Mixed(parents[lane] * 31 + taken));
    }
    if (searching.started()) good = searching.Finish();
    if (!good) break;
    const search::Outputs outputs = models[part].outputs(false);
    if (searching.parts() == 1) {
      good = searching.Advance(outputs, {states, 1});
      continue;
    }
    searching.Start(outputs, {states + part, 1}, part);
    if (open(1 - part)) {
      part = 1 - part;
    } else {
      good = searching.Finish();
    }
  }
  if (searching.started()) good = searching.Finish();
  searching.Recall();
  const auto depth = static_cast<std::size_t>(shape.max_depth);
  std::vector<std::int64_t> path(kTrees * depth);
  std::vector<float> weights(kTrees * shape.actions), rewards(path.size());
  std::vector<std::int32_t> slots(path.size());
  searching.Decide(chosen.data(), weights.data());
  searching.PrincipalPath(chosen.data(), path.data(), rewards.data(), slots.data());
  notes.Add(chosen);
  notes.Add(weights);
  notes.Add(path);
  if (!good || searching.mean_depth() < 1.0) ++faults;
}

template <class Kind, class Settings>
void Search(search::Shape shape, Model::Extras extras, const Settings& settings, int threads,
            Notes& notes) {
  shape.batch = kTrees;
  shape.simulations = shape.max_depth = kSimulations;
  const std::vector<search::RowKey> keys = Keys();
  const std::size_t lanes = kTrees * static_cast<std::size_t>(shape.wave);
  Model root(shape, extras, kTrees);
  Model models[] = {Model(shape, extras, lanes), Model(shape, extras, lanes)};
  // roots have actions, and no outcomes
  root.columns = shape.actions;
  for (std::size_t i = 0; i < kTrees; ++i) root.Say(i, Mixed(i + 1));
  std::vector<std::int64_t> chosen(kTrees);
  Kind first(shape, keys, threads, settings);
  Drive(first, kSimulations, root, models, chosen, notes);

  // on from what is known of the states that the chosen actions led to, in halves if there are
  // threads for it
  for (std::size_t i = 0; i < kTrees; ++i) {
    root.Say(i, Mixed(root.states[i] * 31 + static_cast<std::uint64_t>(chosen[i])));
  }
  search::Subtrees kept = search::FindSubtrees(first.tree(), chosen.data(), 1, {20, 10});
  shape.inherited = kept.most;
  shape.halves = threads > 1;
  Kind second(shape, keys, threads, settings);
  second.Inherit(first, std::move(kept));
  Drive(second, 6, root, models, chosen, notes);
}

// Open loop: the model keeps one state a row.
void OpenLoop(int threads, Notes& notes) {
  search::Shape shape;
  shape.batch = kTrees;
  shape.actions = 7;
  shape.simulations = kSimulations;
  shape.max_depth = 10;
  search::OpenLoopSearch searching(shape, Keys(), threads, {});
  Model root(shape, {}, kTrees), model(shape, {.masks = true}, kTrees);
  for (std::size_t i = 0; i < kTrees; ++i) root.Say(i, Mixed(i + 1));
  std::vector<std::int64_t> action(kTrees), chosen(kTrees);
  std::vector<std::uint64_t> states = root.states;
  std::vector<std::uint8_t> starts(kTrees);
  std::vector<float> noise(kTrees), weights(kTrees * shape.actions);
  bool good = searching.Begin(root.outputs(true), {}, action.data(), {});
  while (good && searching.lanes() > 0) {
    searching.Lanes(starts.data(), noise.data(), 1);
    searching.ForEachLane(0, [&](std::size_t lane, std::size_t row, const search::Leaf&) {
      const std::uint64_t from = starts[lane] != 0 ? root.states[row] : states[row];
      const auto drawn = static_cast<std::uint64_t>(2 * noise[lane]);
      states[row] = Mixed((from * 31 + static_cast<std::uint64_t>(action[lane])) * 2 + drawn);
      model.Say(lane, states[row]);
    });
    good = searching.Advance(model.outputs(false), {});
  }
  searching.Decide(chosen.data(), weights.data());
  notes.Add(chosen);
  notes.Add(weights);
  if (!good) ++faults;
}

void Simultaneous(bool regret_matching, int threads, Notes& notes) {
  constexpr std::size_t kRows = 100, kPlayers = 3, kActions = 4;
  std::vector<search::RowKey> keys(kRows);
  for (std::size_t i = 0; i < kRows; ++i) keys[i] = {12, static_cast<std::uint32_t>(i)};
  const search::JointShape shape{kRows, kPlayers, kActions, kSimulations, 8};
  search::SimultaneousSearch searching(shape, {.regret_matching = regret_matching}, keys, threads);

  std::vector<std::uint64_t> states(kRows * (kSimulations + 1));
  std::vector<float> reward(kRows * kPlayers), discount(kRows), value(reward.size());
  std::vector<float> logits(reward.size() * kActions);
  std::vector<std::uint8_t> invalid(logits.size()), done(kRows);
  const search::JointOutputs outputs{reward.data(), discount.data(), logits.data(),
                                     value.data(),  invalid.data(),  done.data()};
  const auto say = [&](std::size_t row, std::uint64_t state) {
    done[row] = Mixed(state) % 8 == 0;
    discount[row] = done[row] != 0 ? 0.0F : 0.97F;
    for (std::size_t p = 0; p < kPlayers; ++p) {
      const std::size_t at = row * kPlayers + p;
      reward[at] = Number(state, 1 + p);
      value[at] = Number(state, 5 + p);
      for (std::size_t a = 0; a < kActions; ++a) {
        logits[at * kActions + a] = 2 * Number(state, 20 + p * kActions + a);
        invalid[at * kActions + a] = a > 0 && Mixed(state + p * kActions + a) % 4 == 0;
      }
    }
  };
  std::vector<std::int64_t> action(reward.size()), from(kRows), to(kRows);
  const search::JointLeaves next{action.data(), from.data(), to.data()};
  for (std::size_t row = 0; row < kRows; ++row) say(row, states[row] = Mixed(row + 1));
  searching.Begin(outputs, next);
  do {
    for (std::size_t row = 0; row < kRows; ++row) {
      std::uint64_t state = states[static_cast<std::size_t>(from[row])];
      for (std::size_t p = 0; p < kPlayers; ++p) {
        state = Mixed(state * 31 + static_cast<std::uint64_t>(action[row * kPlayers + p]));
      }
      say(row, states[static_cast<std::size_t>(to[row])] = state);
    }
  } while (searching.Advance(outputs, next));

  std::vector<float> strategy(logits.size()), returns(logits.size());
  std::vector<std::int32_t> visits(logits.size());
  searching.Act({action.data(), strategy.data(), visits.data(), returns.data(), value.data()});
  notes.Add(action);
  notes.Add(strategy);
  notes.Add(visits);
  notes.Add(returns);
  notes.Add(value);
}

// Of the actions that were tried least, the one that the model likes best.
void Least(const rollout_node* node, const float* prior, const float*, const float*,
           const std::int32_t* visits, const double* params, float* scores) {
  for (std::int32_t a = 0; a < node->num_actions; ++a) {
    scores[a] += static_cast<float>(params[0]) * prior[a] - static_cast<float>(visits[a]);
  }
}

}  // namespace

void Searches() {
  // few actions, and so many that nodes keep lists of those that were tried
  for (const std::size_t actions : {7, 50}) {
    for (const std::int32_t wave : {1, 4}) {
      const search::Shape shape{.actions = actions, .zero_discount_ends = true, .wave = wave};
      const std::string where =
          ", " + std::to_string(actions) + " actions, waves of " + std::to_string(wave);
      const auto compare = [&](const char* what, const auto& body) {
        Compare((what + where).c_str(), body);
      };
      compare("muzero", [&](int n, Notes& notes) {
        Search<search::PuctSearch>(shape, {}, search::PuctSettings{}, n, notes);
      });
      compare("muzero, lower bound", [&](int n, Notes& notes) {
        search::PuctSettings settings;
        settings.choice = search::PuctSettings::Choice::kLowerBound;
        Search<search::PuctSearch>(shape, {}, settings, n, notes);
      });
      compare("gumbel muzero", [&](int n, Notes& notes) {
        Search<search::GumbelSearch>(shape, {}, search::GumbelSettings{}, n, notes);
      });
      compare("regularised policy", [&](int n, Notes& notes) {
        for (int way = 0; way < 3; ++way) {
          const search::RegularisedSettings settings{
              {}, static_cast<search::RegularisedRule::Way>(way)};
          Search<search::RegularisedSearch>(shape, {}, settings, n, notes);
        }
      });
      compare("a rule of the user's", [&](int n, Notes& notes) {
        const search::CustomSettings settings{{}, {}, {Least, {0.5}, {}}};
        Search<search::CustomSearch>(shape, {}, settings, n, notes);
      });
      compare("limits", [&](int n, Notes& notes) {
        search::Shape limited = shape;
        limited.early_stop = true;
        for (std::size_t i = 0; i < kTrees; ++i) {
          limited.budgets.push_back(static_cast<std::int32_t>(1 + i % kSimulations));
        }
        Search<search::PuctSearch>(limited, {.masks = true}, search::PuctSettings{}, n, notes);
        Search<search::GumbelSearch>(limited, {.masks = true}, search::GumbelSettings{}, n, notes);
      });
      compare("forbidden steps", [&](int n, Notes& notes) {
        const Model::Extras extras{.masks = true, .excess = true};
        Search<search::PuctSearch>(shape, extras, search::PuctSettings{}, n, notes);
        Search<search::GumbelSearch>(shape, extras, search::GumbelSettings{}, n, notes);
      });
      compare("chance", [&](int n, Notes& notes) {
        search::Shape uncertain = shape;
        uncertain.outcomes = actions + 3;
        Search<search::PuctSearch>(uncertain, {}, search::PuctSettings{}, n, notes);
        Search<search::GumbelSearch>(uncertain, {}, search::GumbelSettings{}, n, notes);
      });
      compare("three players", [&](int n, Notes& notes) {
        search::Shape many = shape;
        many.players = 3;
        Search<search::PuctSearch>(many, {.masks = true}, search::PuctSettings{}, n, notes);
        Search<search::GumbelSearch>(many, {.masks = true}, search::GumbelSettings{}, n, notes);
      });
      compare("disagreement", [&](int n, Notes& notes) {
        search::Shape doubtful = shape;
        doubtful.disagreement_bonus = 0.5F;
        doubtful.disagreement_penalty = 0.1F;
        Search<search::PuctSearch>(doubtful, {.spread = true}, search::PuctSettings{}, n, notes);
      });
    }
  }
  Compare("open loop", OpenLoop);
  Compare("decoupled uct", [](int n, Notes& notes) { Simultaneous(false, n, notes); });
  Compare("regret matching", [](int n, Notes& notes) { Simultaneous(true, n, notes); });
}

}  // namespace rollout::stress
