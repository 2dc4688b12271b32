// Search over sequences of actions, for models that draw: a node stands for what was done, not for
// a state.
//
// Every simulation steps the model from the root again along its path, with fresh noise, so a
// node's numbers are means over the states that its actions led to, and converge where a tree of
// states that were drawn once does not. Q is the mean of the sampled returns; `reward` and
// `discount` of a head are means too, and `value` is the mean return from the node on. The logits
// are those of the first state that was seen there.
//
// A row's step is a lane of the model's batch. Rows go on by themselves: one whose path ended
// begins its next simulation in the next call, so that the batch stays full, and the calls are as
// many as the most steps of a row. Actions that the sampled state does not allow are left out of
// the choice, with all that is known of them.
//
// Threads and memory as in search/search.h; [B, max_depth] numbers beside the trees. A path ends at
// a new node, at max_depth, and where the sampled state is `done`: O(A) a step, O(depth) a path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "search/puct/search.h"

namespace rollout::search {

class OpenLoopWalk : public Search {
 public:
  OpenLoopWalk(const Shape& shape, std::span<const RowKey> keys, int num_threads);

  // For every lane: starts [L], nonzero where its step is the first of a simulation, from the
  // root's state; noise [L, count], uniform in [0, 1), of this row, simulation and depth.
  void Lanes(std::uint8_t* starts, float* noise, std::size_t count) const;

 protected:
  void Step(const Phase& phase, std::size_t begin, std::size_t end) final;

  std::optional<Puct> rule_;  // made by PrepareSelection

 private:
  struct Space;

  void Take(const Outputs& outputs, std::size_t row, Space& space);
  void Choose(std::size_t row, std::int32_t slot, std::int32_t depth, const std::uint8_t* invalid,
              Space& space);
  Node Open(std::size_t row, std::int32_t slot, Space& space);
  std::int32_t Expand(const Outputs& outputs, std::size_t row);
  void BackUp(std::size_t row, float value);
  std::int32_t* PathOf(std::size_t row) {
    return path_.data() + row * (static_cast<std::size_t>(shape_.max_depth) + 1);
  }
  float* Sampled(std::vector<float>& of, std::size_t row) {
    return of.data() + row * static_cast<std::size_t>(shape_.max_depth);
  }

  std::vector<float> rewards_, discounts_;  // [B, max_depth] of the path that is being stepped
};

class OpenLoopSearch final : public PuctLike<Puct, OpenLoopWalk> {
 public:
  OpenLoopSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                 const PuctSettings& settings);
  ~OpenLoopSearch() override;
};

}  // namespace rollout::search
