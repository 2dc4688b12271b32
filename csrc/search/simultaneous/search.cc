#include "search/simultaneous/search.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace rollout::search {
namespace {

constexpr std::size_t kGrainRows = 32;
constexpr double kNever = -std::numeric_limits<double>::infinity();

// An index drawn in proportion to weights that are not negative and not all 0.
std::int64_t DrawIndex(PhiloxStream& stream, std::span<const double> weights) {
  double left = 0.0;
  for (const double weight : weights) left += weight;
  left *= stream.NextDouble();
  std::size_t choice = 0;
  for (std::size_t a = 0; a < weights.size(); ++a) {
    if (weights[a] == 0.0) continue;
    choice = a;
    if ((left -= weights[a]) < 0.0) break;
  }
  return static_cast<std::int64_t>(choice);
}

}  // namespace

SimultaneousSearch::SimultaneousSearch(const JointShape& shape, const JointSettings& settings,
                                       std::span<const RowKey> keys, int num_threads)
    : shape_(shape),
      settings_(settings),
      keys_(keys.begin(), keys.end()),
      nodes_a_row_(static_cast<std::size_t>(shape.simulations) + 1),
      wide_(shape.players * shape.actions),
      pool_(num_threads),
      node_(shape.batch * nodes_a_row_),
      value_(node_.size() * shape.players),
      reward_(value_.size()),
      joint_(value_.size()),
      prior_(node_.size() * wide_),
      sum_(prior_.size()),
      regret_(settings.regret_matching ? prior_.size() : 0),
      played_(regret_.size()),
      visits_(prior_.size()),
      legal_(prior_.size()),
      path_(shape.batch * (static_cast<std::size_t>(shape.max_depth) + 1)),
      depth_(shape.batch) {}

void SimultaneousSearch::Begin(const JointOutputs& root, const JointLeaves& next) {
  pool_.ParallelFor(shape_.batch, kGrainRows, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const std::size_t node = At(row, 0);
      node_[node] = {1, kNone, kNone, 0, 0.0};
      Place(node, row, root);
      Give(row, next);
    }
  });
}

bool SimultaneousSearch::Advance(const JointOutputs& outputs, const JointLeaves& next) {
  const bool last = simulation_ + 1 >= shape_.simulations;
  ++simulation_;
  pool_.ParallelFor(shape_.batch, kGrainRows, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      Take(row, outputs);
      if (!last) Give(row, next);
    }
  });
  return !last;
}

// Writes what the model said of a state into its node.
void SimultaneousSearch::Place(std::size_t node, std::size_t row, const JointOutputs& outputs) {
  const std::size_t players = shape_.players, actions = shape_.actions;
  for (std::size_t p = 0; p < players; ++p) {
    value_[node * players + p] = outputs.value[row * players + p];
    const float* const logits = outputs.prior_logits + row * wide_ + p * actions;
    const std::uint8_t* const invalid =
        outputs.invalid == nullptr ? nullptr : outputs.invalid + row * wide_ + p * actions;
    const auto legal = [&](std::size_t a) { return invalid == nullptr || invalid[a] == 0; };
    double highest = kNever, sum = 0.0;
    for (std::size_t a = 0; a < actions; ++a) {
      if (legal(a)) highest = std::max(highest, static_cast<double>(logits[a]));
    }
    double* const prior = prior_.data() + node * wide_ + p * actions;
    for (std::size_t a = 0; a < actions; ++a) {
      legal_[node * wide_ + p * actions + a] = legal(a);
      prior[a] = legal(a) ? std::exp(static_cast<double>(logits[a]) - highest) : 0.0;
      sum += prior[a];
    }
    for (std::size_t a = 0; sum > 0.0 && a < actions; ++a) prior[a] /= sum;
  }
}

// Takes the evaluation of a row's leaf, and backs it up.
void SimultaneousSearch::Take(std::size_t row, const JointOutputs& outputs) {
  const std::size_t players = shape_.players, actions = shape_.actions;
  const std::int32_t* const path =
      path_.data() + row * (static_cast<std::size_t>(shape_.max_depth) + 1);
  const std::size_t leaf = At(row, path[depth_[row]]);
  Node& fresh = node_[leaf];
  ++fresh.visits;
  fresh.discount = outputs.discount[row];
  fresh.end = outputs.done != nullptr && outputs.done[row] != 0;
  for (std::size_t p = 0; p < players; ++p) {
    reward_[leaf * players + p] = outputs.reward[row * players + p];
  }
  Place(leaf, row, outputs);

  // the returns so far take the place of the reward's
  std::vector<double> returns(value_.begin() + static_cast<std::ptrdiff_t>(leaf * players),
                              value_.begin() + static_cast<std::ptrdiff_t>((leaf + 1) * players));
  for (std::int32_t d = depth_[row]; d-- > 0;) {
    const std::size_t above = At(row, path[d]), below = At(row, path[d + 1]);
    Node& node = node_[above];
    for (std::size_t p = 0; p < players; ++p) {
      double& mean = value_[above * players + p];
      returns[p] = reward_[below * players + p] + node_[below].discount * returns[p];
      mean = (mean * node.visits + returns[p]) / (node.visits + 1);
      const std::size_t own =
          above * wide_ + p * actions + static_cast<std::size_t>(joint_[below * players + p]);
      ++visits_[own];
      sum_[own] += returns[p];
    }
    ++node.visits;
    if (settings_.regret_matching) Regret(row, above, below);
  }
}

// Adds to each player's regrets what its other actions would have got.
void SimultaneousSearch::Regret(std::size_t row, std::size_t node, std::size_t chosen) {
  const std::size_t players = shape_.players, actions = shape_.actions;
  const auto worth = [&](std::size_t child, std::size_t p) {
    return reward_[child * players + p] + node_[child].discount * value_[child * players + p];
  };
  for (std::size_t p = 0; p < players; ++p) {
    const double unknown = value_[node * players + p] - worth(chosen, p);
    const std::size_t at = node * wide_ + p * actions;
    for (std::size_t a = 0; a < actions; ++a) {
      if (legal_[at + a] != 0 && static_cast<std::int64_t>(a) != joint_[chosen * players + p]) {
        regret_[at + a] += unknown;
      }
    }
  }
  for (std::int32_t slot = node_[node].first_child; slot != kNone;
       slot = node_[At(row, slot)].next) {
    const std::size_t child = At(row, slot);
    std::size_t others = 0, player = 0;
    for (std::size_t p = 0; p < players; ++p) {
      if (joint_[child * players + p] == joint_[chosen * players + p]) continue;
      ++others;
      player = p;
    }
    if (others != 1) continue;
    const std::size_t at = node * wide_ + player * actions +
                           static_cast<std::size_t>(joint_[child * players + player]);
    regret_[at] += worth(child, player) - value_[node * players + player];
  }
}

// Descends to a row's next leaf.
void SimultaneousSearch::Give(std::size_t row, const JointLeaves& next) {
  const std::size_t players = shape_.players;
  std::int32_t* const path = path_.data() + row * (static_cast<std::size_t>(shape_.max_depth) + 1);
  std::int64_t* const joint = next.action + row * players;
  std::int32_t slot = 0, depth = 0;
  for (;;) {
    const std::size_t node = At(row, slot);
    path[depth] = slot;
    PhiloxStream stream = keys_[row].Stream(Site::kJoint, static_cast<std::uint32_t>(simulation_),
                                            static_cast<std::uint32_t>(depth));
    for (std::size_t p = 0; p < players; ++p) joint[p] = Choose(node, p, stream);
    ++depth;
    std::int32_t child = Child(row, node, joint);
    const bool fresh = child == kNone;
    if (fresh) {
      child = simulation_ + 1;
      const std::size_t made = At(row, child);
      node_[made] = {0, kNone, node_[node].first_child, 0, 0.0};
      node_[node].first_child = child;
      std::copy_n(joint, players, joint_.data() + made * players);
    }
    if (fresh || depth >= shape_.max_depth || node_[At(row, child)].end != 0) {
      path[depth] = child;
      depth_[row] = depth;
      const auto place = [&](std::int32_t of) {
        return static_cast<std::int64_t>(static_cast<std::size_t>(of) * shape_.batch + row);
      };
      next.from[row] = place(slot);
      next.to[row] = place(child);
      return;
    }
    slot = child;
  }
}

std::int32_t SimultaneousSearch::Child(std::size_t row, std::size_t node,
                                       const std::int64_t* joint) const {
  const std::size_t players = shape_.players;
  std::int32_t slot = node_[node].first_child;
  while (slot != kNone &&
         !std::equal(joint, joint + players, joint_.data() + At(row, slot) * players)) {
    slot = node_[At(row, slot)].next;
  }
  return slot;
}

std::int64_t SimultaneousSearch::Choose(std::size_t node, std::size_t player,
                                        PhiloxStream& stream) {
  const std::size_t actions = shape_.actions, at = node * wide_ + player * actions;
  const double visits = node_[node].visits;
  std::vector<double> scores(actions);
  if (settings_.regret_matching) {
    Matched(at, scores.data());
    const double share = std::min(1.0, settings_.exploration / std::sqrt(visits));
    const std::uint8_t* const allowed = legal_.data() + at;
    const auto legal = static_cast<double>(std::count(allowed, allowed + actions, 1));
    for (std::size_t a = 0; a < actions; ++a) {
      played_[at + a] += scores[a];
      if (allowed[a] != 0) scores[a] = (1.0 - share) * scores[a] + share / legal;
    }
    return DrawIndex(stream, scores);
  }
  // by itself the rule keeps alike players in step, so that none sees what it would get alone
  const double share = std::min(1.0, settings_.exploration / std::sqrt(visits));
  if (share > 0.0 && stream.NextDouble() < share) {
    return DrawIndex(stream, {prior_.data() + at, actions});
  }
  const double unknown = value_[node * shape_.players + player];
  double best = kNever;
  std::uint32_t ties = 0;
  for (std::size_t a = 0; a < actions; ++a) {
    scores[a] = kNever;
    if (legal_[at + a] == 0) continue;
    const double n = visits_[at + a];
    const double mean = n > 0.0 ? sum_[at + a] / n : unknown;
    scores[a] = mean + settings_.c * prior_[at + a] * std::sqrt(visits) / (1.0 + n);
    if (scores[a] > best) ties = 0;
    best = std::max(best, scores[a]);
    ties += scores[a] == best;
  }
  std::uint32_t skip = ties > 1 ? stream.Below(ties) : 0;
  for (std::size_t a = 0; a < actions; ++a) {
    if (scores[a] == best && skip-- == 0) return static_cast<std::int64_t>(a);
  }
  return 0;
}

void SimultaneousSearch::Matched(std::size_t at, double* shares) const {
  double sum = 0.0;
  for (std::size_t a = 0; a < shape_.actions; ++a) sum += std::max(regret_[at + a], 0.0);
  for (std::size_t a = 0; a < shape_.actions; ++a) {
    shares[a] = sum > 0.0 ? std::max(regret_[at + a], 0.0) / sum : prior_[at + a];
  }
}

void SimultaneousSearch::Strategy(std::size_t at, double* shares) const {
  double sum = 0.0;
  for (std::size_t a = 0; a < shape_.actions; ++a) {
    shares[a] = settings_.regret_matching ? played_[at + a] : visits_[at + a];
    sum += shares[a];
  }
  for (std::size_t a = 0; a < shape_.actions; ++a) shares[a] /= sum;
}

void SimultaneousSearch::Act(const Found& found) const {
  const std::size_t players = shape_.players, actions = shape_.actions;
  std::vector<double> shares(actions);
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    for (std::size_t p = 0; p < players; ++p) {
      const std::size_t out = row * players + p, root = At(row, 0);
      const std::size_t at = root * wide_ + p * actions;
      Strategy(at, shares.data());
      for (std::size_t a = 0; a < actions; ++a) {
        const std::int32_t n = visits_[at + a];
        found.strategy[out * actions + a] = static_cast<float>(shares[a]);
        found.visits[out * actions + a] = n;
        found.returns[out * actions + a] = n > 0 ? static_cast<float>(sum_[at + a] / n) : 0.0f;
      }
      found.value[out] = static_cast<float>(value_[root * players + p]);
      const auto likeliest = std::max_element(shares.begin(), shares.end());
      found.action[out] = likeliest - shares.begin();
      if (settings_.temperature == 0.0) continue;
      const double highest = *likeliest;
      for (double& share : shares) {
        if (share > 0.0) share = std::exp(std::log(share / highest) / settings_.temperature);
      }
      PhiloxStream stream = keys_[row].Stream(Site::kAct, static_cast<std::uint32_t>(simulation_),
                                              static_cast<std::uint32_t>(p));
      found.action[out] = DrawIndex(stream, shares);
    }
  }
}

}  // namespace rollout::search
