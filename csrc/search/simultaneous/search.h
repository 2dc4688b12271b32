// Tree search where P players move at once: each chooses by statistics of its own, and what they
// choose together leads to a child. Driven from outside, as search/search.h is: the caller
// evaluates the one leaf of each row that is out.
//
// Rules, for each player at each node, with N visits of the node and n of the player's action:
//   decoupled UCT    the highest mean return + c prior sqrt(N) / (1 + n), of equals any; but with
//                    chance min(1, exploration / sqrt(N)) one drawn from the prior
//   regret matching  an action drawn from the positive regrets' shares (the prior where there are
//                    none), mixed with min(1, exploration / sqrt(N)) of every legal action alike.
//                    An action's regret grows by what it would have got against what the others
//                    did, less what was got: the children's mean returns; where the players never
//                    did that together, it counts as what the node is worth
//
// A player's strategy at the root is its shares of visits, or the mean of what it played by regret.
// Sources: Lanctot, Lisy and Winands 2013; Tak, Lanctot and Winands 2014.
//
// Children of a node are a list. Statistics are doubles, an array a field, [B, N, P, A] or
// [B, N, P]; all are owned here and made by the constructor. One thread drives a search, rows go
// over its threads, and nothing depends on their number. A visit costs O(P A + children).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "search/random.h"

namespace rollout::search {

struct JointSettings {
  bool regret_matching = false;
  double c = 1.25;
  double exploration = 1.0;
  double temperature = 1.0;  // of the action: 0 takes the likeliest
};

struct JointShape {
  std::size_t batch = 0, players = 0, actions = 0;
  std::int32_t simulations = 0, max_depth = 0;
};

// What the model said of a leaf for each row, or of the roots (value, prior_logits and invalid).
struct JointOutputs {
  const float* reward = nullptr;          // [B, P]
  const float* discount = nullptr;        // [B]
  const float* prior_logits = nullptr;    // [B, P, A]
  const float* value = nullptr;           // [B, P]
  const std::uint8_t* invalid = nullptr;  // [B, P, A] or null
  const std::uint8_t* done = nullptr;     // [B] or null
};

// What the model must step: actions [B, P], from the state in slot `from` to slot `to` [B].
struct JointLeaves {
  std::int64_t *action, *from, *to;
};

class SimultaneousSearch {
 public:
  SimultaneousSearch(const JointShape& shape, const JointSettings& settings,
                     std::span<const RowKey> keys, int num_threads);

  void Begin(const JointOutputs& root, const JointLeaves& next);
  // Returns whether there is another leaf; writes them if so.
  bool Advance(const JointOutputs& outputs, const JointLeaves& next);

  // Of the roots: action [B, P]; strategy, visits and mean returns [B, P, A], 0 where there were no
  // visits; value [B, P].
  struct Found {
    std::int64_t* action;
    float* strategy;
    std::int32_t* visits;
    float *returns, *value;
  };
  void Act(const Found& found) const;

  const JointShape& shape() const { return shape_; }
  std::int32_t simulation() const { return simulation_; }

 private:
  struct Node {
    std::int32_t visits, first_child, next;
    std::uint8_t end;
    double discount;
  };

  static constexpr std::int32_t kNone = -1;

  std::size_t At(std::size_t row, std::int32_t slot) const {
    return row * nodes_a_row_ + static_cast<std::size_t>(slot);
  }
  void Place(std::size_t node, std::size_t row, const JointOutputs& outputs);
  void Take(std::size_t row, const JointOutputs& outputs);
  void Give(std::size_t row, const JointLeaves& next);
  std::int64_t Choose(std::size_t node, std::size_t player, PhiloxStream& stream);
  void Regret(std::size_t row, std::size_t node, std::size_t chosen);
  // Shares of the positive regrets, or the prior.
  void Matched(std::size_t at, double* shares) const;
  std::int32_t Child(std::size_t row, std::size_t node, const std::int64_t* joint) const;
  void Strategy(std::size_t at, double* shares) const;

  const JointShape shape_;
  const JointSettings settings_;
  const std::vector<RowKey> keys_;
  const std::size_t nodes_a_row_, wide_;  // P A
  ThreadPool pool_;
  std::int32_t simulation_ = 0;
  std::vector<Node> node_;                             // [B, N]
  std::vector<double> value_, reward_;                 // [B, N, P] means; of the edge in
  std::vector<std::int64_t> joint_;                    // [B, N, P] of the edge in
  std::vector<double> prior_, sum_, regret_, played_;  // [B, N, P, A]
  std::vector<std::int32_t> visits_;                   // [B, N, P, A]
  std::vector<std::uint8_t> legal_;                    // [B, N, P, A]
  std::vector<std::int32_t> path_, depth_;             // [B, max_depth + 1], [B]
};

}  // namespace rollout::search
