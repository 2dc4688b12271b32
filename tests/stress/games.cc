// Searches over an environment's own worlds: plain UCT, and worlds as the leaves of a tree.
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "envs/boards/connect_four.h"
#include "envs/chance/game2048.h"
#include "search/puct/search.h"
#include "stress.h"
#include "uct/uct.h"
#include "vec/batch.h"
#include "vec/leaves.h"

namespace rollout::stress {
namespace {

constexpr std::size_t kGames = 30;

std::vector<search::RowKey> Keys() {
  std::vector<search::RowKey> keys(kGames);
  for (std::size_t i = 0; i < kGames; ++i) keys[i] = {13, static_cast<std::uint32_t>(i)};
  return keys;
}

// The number of the first player's pieces less that of the second's.
void Evaluate(const void* obs, std::int32_t, double* returns) {
  constexpr int kCells = 42;
  const auto* const planes = static_cast<const std::uint8_t*>(obs);
  int more = 0;
  for (int i = 0; i < kCells; ++i) more += planes[i] - planes[kCells + i];
  returns[0] = static_cast<double>(more) / kCells;
  returns[1] = -returns[0];
}

template <Environment E>
void Uct(const uct::Settings& settings, int threads, Notes& notes) {
  const auto kernel = std::make_shared<const KernelOf<E>>(typename E::Params{});
  Batch batch(kernel, kGames, threads);
  batch.Reset({.entropy = 3}, {});
  const auto actions = static_cast<std::size_t>(kernel->spec().action_nvec[0]);
  std::vector<std::int64_t> action(kGames);
  std::vector<std::int32_t> visits(kGames * actions), simulations(kGames);
  std::vector<float> values(visits.size()), value(kGames);
  uct::Search(batch.pool(), *kernel, batch.row(0), Keys(), settings,
              {action.data(), visits.data(), values.data(), value.data(), simulations.data()});
  notes.Add(action);
  notes.Add(visits);
  notes.Add(values);
  notes.Add(value);
  notes.Add(simulations);
}

// PUCT over games that are stepped where they lie.
void Leaves(int threads, Notes& notes) {
  using Game = boards::ConnectFour;
  const auto kernel = std::make_shared<const KernelOf<Game>>(Game::Params{});
  Batch games(kernel, kGames, threads);
  games.Reset({}, {});
  const std::size_t actions = kernel->mask_size(), bytes = kernel->row_bytes();
  search::Shape shape;
  shape.batch = kGames;
  shape.actions = actions;
  shape.simulations = shape.max_depth = 100;
  shape.signs = true;
  search::PuctSearch searching(shape, Keys(), threads, {});

  std::vector<float> logits(kGames * actions), value(kGames), reward(kGames), discount(kGames);
  std::vector<double> own(kGames);
  std::vector<std::int8_t> mask(kGames * actions);
  std::vector<std::int64_t> mover(kGames), action(kGames);
  const auto flags = [](std::size_t count) { return std::make_unique<bool[]>(count); };
  const auto terminated = flags(kGames), truncated = flags(kGames), done = flags(kGames);
  const auto invalid = flags(kGames * actions);
  LeafOutputs leaf;
  leaf.step.reward = own.data();
  leaf.step.terminated = terminated.get();
  leaf.step.truncated = truncated.get();
  leaf.step.view.action_mask = mask.data();
  leaf.step.view.to_play = mover.data();
  leaf.reward = reward.data();
  leaf.discount = discount.data();
  leaf.done = done.get();
  leaf.invalid = invalid.get();

  search::Outputs outputs;
  outputs.prior_logits = {logits.data(), static_cast<std::ptrdiff_t>(actions)};
  outputs.value = {value.data(), 1};
  outputs.mover = mover.data();
  // rows must start where worlds may
  struct alignas(kRowAlignment) Unit {
    std::byte bytes[kRowAlignment];
  };
  std::vector<Unit> worlds(kGames * bytes / kRowAlignment);
  const search::Batch batch{reinterpret_cast<std::byte*>(worlds.data()), bytes};
  search::States states{games.row(0), static_cast<std::ptrdiff_t>(bytes)};
  bool good = searching.Begin(outputs, {&states, 1}, action.data(), {&batch, 1});
  outputs.reward = {reward.data(), 1};
  outputs.discount = {discount.data(), 1};
  outputs.done = reinterpret_cast<const std::uint8_t*>(done.get());
  outputs.invalid = reinterpret_cast<const std::uint8_t*>(invalid.get());
  states.at = batch.at;
  while (good && searching.lanes() > 0) {
    if (StepLeaves(games, batch.at, kGames, action.data(), 1.0F, 1, leaf) >= 0) ++faults;
    for (std::size_t i = 0; i < kGames; ++i) {
      value[i] = static_cast<float>(Mixed(i + static_cast<std::size_t>(action[i])) % 100) / 100;
    }
    good = searching.Advance(outputs, {&states, 1});
  }
  std::vector<float> weights(kGames * actions);
  searching.Decide(action.data(), weights.data());
  notes.Add(action);
  notes.Add(weights);
  if (!good) ++faults;
}

}  // namespace

void Games() {
  Compare("uct", [](int n, Notes& notes) {
    Uct<boards::ConnectFour>({.simulations = 300, .playouts = 2, .playout_steps = 100}, n, notes);
  });
  Compare("uct, evaluated", [](int n, Notes& notes) {
    Uct<boards::ConnectFour>({.simulations = 300, .evaluate = Evaluate}, n, notes);
  });
  Compare("uct over chance", [](int n, Notes& notes) {
    Uct<Game2048>({.simulations = 200, .playout_steps = 50, .sampled = true}, n, notes);
  });
  Compare("worlds as leaves", Leaves);
}

}  // namespace rollout::stress
