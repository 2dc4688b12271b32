#include "search/open_loop/search.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "search/edges.h"

namespace rollout::search {
namespace {

// budgets make the search deal out lanes anew in every step
Shape WithBudgets(Shape shape) {
  if (shape.budgets.empty()) shape.budgets.assign(shape.batch, shape.simulations);
  return shape;
}

bool Finite(float x) { return x - x == 0.0f; }

void AddToMean(float& mean, float x, std::int32_t count) {
  mean += (x - mean) / static_cast<float>(count);
}

}  // namespace

// Working space of one thread: the edges of a node that are not stored as arrays, a node as it
// looks in a state that allows fewer actions, and scores.
struct OpenLoopWalk::Space {
  explicit Space(std::size_t width)
      : edges(Node::EdgeBytes(width)),
        fewer(Node::Bytes(width) + Node::EdgeBytes(width)),
        scores(width / kLanes) {}

  std::vector<std::byte> edges, fewer;
  std::vector<F8> scores;
};

OpenLoopWalk::OpenLoopWalk(const Shape& shape, std::span<const RowKey> keys, int num_threads)
    : Search(WithBudgets(shape), keys, num_threads),
      rewards_(shape.batch * static_cast<std::size_t>(shape.max_depth)),
      discounts_(rewards_.size()) {}

void OpenLoopWalk::Lanes(std::uint8_t* starts, float* noise, std::size_t count) const {
  constexpr int kDropped = 8;  // bits that a float cannot hold
  ForEachLane(0, [&](std::size_t lane, std::size_t row, const Leaf& leaf) {
    starts[lane] = leaf.depth == 1;
    PhiloxStream stream =
        keys_[row].Stream(Site::kStep, static_cast<std::uint32_t>(simulations(row)),
                          static_cast<std::uint32_t>(leaf.depth));
    for (std::size_t i = 0; i < count; ++i) {
      noise[lane * count + i] = static_cast<float>(stream.Next32() >> kDropped) * 0x1p-24f;
    }
  });
}

void OpenLoopWalk::Step(const Phase& phase, std::size_t begin, std::size_t end) {
  Space space(tree_.width());
  for (std::size_t i = begin; i < end; ++i) {
    const auto row = static_cast<std::size_t>(phase.part->active[i]);
    if (phase.outputs != nullptr) Take(*phase.outputs, row, space);
    if (!phase.give) continue;
    if (leaves_[row].depth == 0) Choose(row, kRoot, 0, nullptr, space);
    action_[first_lane_[row]] = leaves_[row].action;
  }
}

// Takes one step of a row: its path goes on, or ends and is backed up.
void OpenLoopWalk::Take(const Outputs& outputs, std::size_t row, Space& space) {
  const std::size_t lane = first_lane_[row];
  Leaf& leaf = leaves_[row];
  const float reward = *outputs.reward[lane], discount = *outputs.discount[lane];
  const float value = *outputs.value[lane];
  if (!Finite(reward)) Report(row, Head::kReward);
  if (!Finite(discount)) Report(row, Head::kDiscount);
  if (!Finite(value)) Report(row, Head::kValue);
  Sampled(rewards_, row)[leaf.depth - 1] = reward;
  Sampled(discounts_, row)[leaf.depth - 1] = discount;
  const bool done = (outputs.done != nullptr && outputs.done[lane] != 0) ||
                    (shape_.zero_discount_ends && discount == 0.0f);
  const std::uint8_t* invalid = nullptr;
  if (outputs.invalid != nullptr) {
    invalid = outputs.invalid + lane * shape_.actions;
    if (!done && std::all_of(invalid, invalid + shape_.actions, [](auto flag) { return flag; })) {
      Report(row, Head::kInvalid);
      invalid = nullptr;
    }
  }
  const bool fresh = leaf.slot == kNone;
  if (fresh) leaf.slot = Expand(outputs, row);
  PathOf(row)[leaf.depth] = leaf.slot;
  if (!fresh && !done && leaf.depth < shape_.max_depth) {
    Choose(row, leaf.slot, leaf.depth, invalid, space);
    return;
  }
  BackUp(row, value);
  depths_[row] += leaf.depth;
  leaf.depth = 0;
  ++spent_[row];
}

// Makes the leaf's node, not visited yet, and returns its slot.
std::int32_t OpenLoopWalk::Expand(const Outputs& outputs, std::size_t row) {
  const std::size_t lane = first_lane_[row];
  const Leaf& leaf = leaves_[row];
  const std::int32_t slot = base_[row] + spent_[row];
  NodeHead& head = tree_.Head(row, slot);
  NodeHead& above = tree_.Head(row, leaf.parent);
  std::byte* const edges = tree_.Edges(row, tree_.width());
  std::int32_t entry = leaf.action;
  if (tree_.wide()) {
    entry = Append(edges, tree_.used(row), above, leaf.action, slot);
  } else {
    const auto block = static_cast<std::size_t>(above.edges) * Node::EdgeBytes(tree_.width());
    Node{nullptr, edges + block, tree_.width()}.child()[leaf.action] = slot;
  }
  head = {};
  head.raw_value = *outputs.value[lane];
  head.parent = leaf.parent;
  head.edges = kNone;
  head.entry = static_cast<std::uint16_t>(entry);
  const Node node{reinterpret_cast<std::byte*>(&head), nullptr, tree_.width()};
  // masks belong to states, so logits are kept without
  if (CopyLogits(node, outputs.prior_logits[lane], shape_.actions) != kGoodLogits) {
    Report(row, Head::kPriorLogits);
  }
  return slot;
}

void OpenLoopWalk::BackUp(std::size_t row, float value) {
  const std::int32_t* const path = PathOf(row);
  const float *const rewards = Sampled(rewards_, row), *const discounts = Sampled(discounts_, row);
  const std::size_t width = tree_.width();
  std::byte* const edges = tree_.Edges(row, width);
  Bounds& bounds = bounds_[row];
  std::int32_t depth = leaves_[row].depth;
  NodeHead* child = &tree_.Head(row, path[depth]);
  AddToMean(child->value, value, ++child->visits);
  while (depth-- > 0) {
    NodeHead& head = tree_.Head(row, path[depth]);
    value = rewards[depth] + discounts[depth] * value;
    AddToMean(head.value, value, ++head.visits);
    float* q;
    std::int32_t visits, action = child->entry;
    if (tree_.wide()) {
      Edge& edge = ListOf(edges, head)->edge[child->entry];
      q = &edge.q;
      visits = ++edge.visits;
      action = edge.action;
    } else {
      const auto block = static_cast<std::size_t>(head.edges) * Node::EdgeBytes(width);
      const Node node{nullptr, edges + block, width};
      q = &node.q()[action];
      visits = ++node.visits()[action];
    }
    if (visits == 1) *q = 0.0f;
    AddToMean(*q, value, visits);
    AddToMean(child->reward, rewards[depth], visits);
    AddToMean(child->discount, discounts[depth], visits);
    bounds.low = std::min(bounds.low, *q);
    bounds.high = std::max(bounds.high, *q);
    if (depth == 0 && !squares_.empty()) {
      squares_[row * width + static_cast<std::size_t>(action)] += value * value;
    }
    child = &head;
  }
}

// Chooses the action at a node, among those that the sampled state allows; invalid [A] or null.
void OpenLoopWalk::Choose(std::size_t row, std::int32_t slot, std::int32_t depth,
                          const std::uint8_t* invalid, Space& space) {
  const std::size_t actions = shape_.actions;
  Node node = Open(row, slot, space);
  if (invalid != nullptr) {
    const Node all = node;
    std::byte* const at = space.fewer.data();
    node = {at, at + Node::Bytes(all.width), all.width};
    std::memcpy(node.at, all.at, Node::Bytes(all.width));
    for (std::size_t a = 0; a < actions; ++a) {
      if (invalid[a] != 0) node.logits()[a] = kLowest;
    }
    OpenEdges(node, actions);
    for (std::size_t a = 0; a < actions; ++a) {
      if (invalid[a] != 0) continue;
      node.visits()[a] = all.visits()[a];
      node.q()[a] = all.q()[a];
      node.child()[a] = all.child()[a];
    }
  }
  // to a rule a node's visits are 1 and those of its actions: paths that ended here are none
  NodeHead& head = node.head();
  const std::int32_t visits = head.visits;
  head.visits = std::accumulate(node.visits(), node.visits() + actions, 1);
  const std::int32_t action = rule_->Select({row, spent_[row], depth}, node, space.scores.data());
  head.visits = visits;
  PathOf(row)[depth] = slot;
  leaves_[row] = {slot, node.child()[action], action, depth + 1};
}

// The node with its edges, which are made where they are not yet there.
Node OpenLoopWalk::Open(std::size_t row, std::int32_t slot, Space& space) {
  NodeHead& head = tree_.Head(row, slot);
  if (!tree_.wide() && head.edges == kNone) {
    head.edges = tree_.used(row)++;
    const auto block = static_cast<std::size_t>(head.edges) * Node::EdgeBytes(tree_.width());
    const Node node{reinterpret_cast<std::byte*>(&head), tree_.Edges(row, tree_.width()) + block,
                    tree_.width()};
    OpenEdges(node, shape_.actions);
  }
  return tree_.Read(row, slot, space.edges.data());
}

OpenLoopSearch::OpenLoopSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                               const PuctSettings& settings)
    : PuctLike(shape, keys, num_threads, settings) {}

OpenLoopSearch::~OpenLoopSearch() = default;

}  // namespace rollout::search
