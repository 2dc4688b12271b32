// Plain UCT over an environment's own worlds: selection by UCB1, and leaves scored by random games
// or by a function of the caller's. No network, no Python, rows over a thread pool.
//
// A simulation descends from the root. A node first tries each of its actions once, in random
// order; then it takes the action with the highest
//     mean return + c sqrt(ln N / n)
// of its N visits and the action's n, OpenSpiel's formula. It ends at the first new node, whose
// world is its parent's, copied and stepped, or where a game is over; what follows is scored, and
// each action on the path gets the return from it on, for the player who took it. Returns are sums
// of rewards, without discount.
//
// Where worlds are sampled, a simulation steps from the root through every node, with a seed of its
// own in place of the row's, so that chance falls anew each time; an action's statistics are then
// over all that may come of it, and only what is legal this time is considered.
//
// A row's tree is in the space of the thread that searches it, and gone when the row is done. A
// node is a block of it:
//
//   | head | rewards[P] | world | q[W] | width[W] | sum[k] | visits[k] | child[k] | action[k] |
//
// with a world only where it is not sampled, k actions, and W that in whole vectors; width is
// 1 / sqrt(n), so that a choice is a multiply and an add an action. A descent is a chain of loads
// that wait for one another, so edges are where their node is, and not behind another link. Most
// nodes are never passed through: they end after the world, and move to a larger block when they
// are, while the next new node takes their place. All links are indices, and nothing is allocated a
// node: the space doubles.
// Thread-safe for distinct calls over distinct pools. Results depend on neither the threads nor the
// other rows. Worlds, keys and outputs belong to the caller.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/thread_pool.h"
#include "search/random.h"
#include "vec/kernel.h"

namespace rollout::uct {

// Scores a world by its observation: writes the return of each of the P players from here on.
using Evaluate = void (*)(const void* obs, std::int32_t to_play, double* returns);

struct Settings {
  std::int32_t simulations = 0;  // a row
  double c = 2.0;
  std::int32_t playouts = 1;               // random games a leaf, where there is no `evaluate`
  std::uint32_t playout_steps = 0;         // a random game stops there
  bool sampled = false;                    // chance falls anew in every simulation
  Evaluate evaluate = nullptr;             // from any thread
  const std::int8_t* forbidden = nullptr;  // [B, A] nonzero where not allowed at the root, or null
  std::optional<std::chrono::steady_clock::time_point> stop_at = {};  // rows get equal shares
  void (*poll)() = nullptr;  // called by the calling thread some 20 times a second; may throw
};

struct Results {
  std::int64_t* action;       // [B] the most visited, of these the best, of these the lowest; 0
                              // where the game is over
  std::int32_t* visits;       // [B, A]
  float* values;              // [B, A] mean returns of who moves at the root; 0 without a visit
  float* value;               // [B] the same of all simulations
  std::int32_t* simulations;  // [B] how many there were
};

// Searches from B worlds of a slab. Only where kernel.can().playouts. Throws EnvError, or
// std::invalid_argument where `evaluate` gave what is not finite, or what `poll` threw.
void Search(ThreadPool& pool, const Kernel& kernel, const std::byte* worlds,
            std::span<const search::RowKey> keys, const Settings& settings, const Results& results);

}  // namespace rollout::uct
