// A batch of tree searches, driven from outside: the caller evaluates leaves, this does the rest.
//
//   Begin      takes the roots, chooses the first leaf of every row
//   Advance    takes the evaluation of those leaves, backs it up, chooses the next leaves
//   ...        `simulations` times; the last one chooses nothing
//   Act        the action and the policy target of every row
//
// A leaf is an edge (parent slot, action) and the slot its node will have. Model states ("latents")
// are opaque rows of bytes: those in host memory are kept here in arenas that the caller owns, and
// gathered into the caller's batch buffers; for those elsewhere the caller reads parent() and
// slot().
//
// Variants are subclasses, one folder each; they share the tree, expansion, backup and the walk.
// One thread drives one search; rows are spread over a shared thread pool, and nothing depends on
// the number of its threads. Trees and arenas are the search's, all that is passed in is the
// caller's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/simd.h"
#include "core/slab.h"
#include "search/random.h"
#include "search/tree.h"

namespace rollout::search {

struct Shape {
  std::size_t batch = 0, actions = 0;
  std::int32_t simulations = 0;
  std::int32_t max_depth = 0;       // edges from the root to the deepest leaf
  bool zero_discount_ends = false;  // descents stop at a node whose discount is 0
};

// A float32 array of the caller's, one row a batch row; the row itself is contiguous.
struct Rows {
  const float* at = nullptr;
  std::ptrdiff_t stride = 0;  // in floats

  const float* operator[](std::size_t row) const {
    return at + static_cast<std::ptrdiff_t>(row) * stride;
  }
};

// What the model returned for the leaves: reward, discount, value [B]; prior_logits [B, A]. And,
// where it says so (else null): invalid [B, A], nonzero where an action is not allowed in the new
// state; done [B], nonzero where nothing comes after it.
struct Outputs {
  Rows reward, discount, prior_logits, value;
  const std::uint8_t* invalid = nullptr;
  const std::uint8_t* done = nullptr;
};

enum class Head : std::uint32_t { kReward, kDiscount, kPriorLogits, kValue, kInvalid };

// A batch of model states of one kind, one row each `stride` bytes.
struct States {
  const std::byte* at = nullptr;
  std::ptrdiff_t stride = 0;

  const std::byte* operator[](std::size_t row) const {
    return at + static_cast<std::ptrdiff_t>(row) * stride;
  }
};

// Where the model reads the states of one kind that it is to step from: [B, bytes].
struct Batch {
  std::byte* at = nullptr;
  std::size_t bytes = 0;  // a row
};

// The first output, by row and then by head, that was not finite or allowed no action.
struct Fault {
  std::size_t row = 0;
  Head head = Head::kReward;
};

class Search {
 public:
  Search(const Shape& shape, std::span<const RowKey> keys, int num_threads);
  virtual ~Search();
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // root: value and prior_logits. invalid: [B, A], nonzero where an action is not allowed at the
  // root, or empty. states: the roots', a kind each. Every step writes action [B] and batches, a
  // kind each: what the model must evaluate next. Returns true, or false with fault() set.
  bool Begin(const Outputs& root, std::span<const std::uint8_t> invalid,
             std::span<const States> states, std::int64_t* action, std::span<const Batch> batches);
  bool Advance(const Outputs& outputs, std::span<const States> states);

  // action [B]; weights [B, A]: the policy target.
  virtual void Act(std::int64_t* action, float* weights) = 0;

  const Shape& shape() const { return shape_; }
  const Tree& tree() const { return tree_; }
  const Fault& fault() const { return fault_; }
  std::int32_t simulation() const { return simulation_; }
  bool done() const { return simulation_ >= shape_.simulations; }
  std::span<const std::int32_t> parent() const { return parent_; }
  std::span<const std::int32_t> slot() const { return slot_; }
  bool allowed(std::size_t row, std::size_t action) const {
    return RootLogits(row)[action] > kLowest;
  }
  // [N, B, bytes] the states of one kind, by node slot.
  std::byte* arena(std::size_t kind) const { return arenas_[kind]; }

  // Mean number of edges from the root to the leaf, over rows and simulations so far.
  double mean_depth() const;

  // The most visited path of each row, starting with first[row]: [B, shape.max_depth] actions,
  // kNone after its end, and the reward of each step, 0 after its end. It ends where nothing was
  // visited, but has one action at least. Returns the longest path's length.
  std::int32_t PrincipalPath(const std::int64_t* first, std::int64_t* actions,
                             float* rewards) const;

 protected:
  // Turns the model's root logits into those the search uses (noise); masking comes after it.
  virtual void PrepareRoot(std::size_t row, std::span<float> logits) const = 0;
  // Called once roots are masked: what selection needs to know of them.
  virtual void PrepareSelection() = 0;
  // Runs rows [begin, end) of one step: see Walk in walk.h. `outputs` is null at the beginning.
  virtual void Step(const Outputs* outputs, std::span<const States> states, std::size_t begin,
                    std::size_t end) = 0;

  const float* RootLogits(std::size_t row) const {
    return Node{reinterpret_cast<std::byte*>(&tree_.Head(row, kRoot)), nullptr, tree_.width()}
        .logits();
  }

  Shape shape_;
  Tree tree_;
  std::vector<RowKey> keys_;
  SimdLevel simd_ = ActiveSimd();

 private:
  template <class Rule, int kVectors>
  friend struct Walk;

  bool Run(const Outputs* outputs, std::span<const States> states);
  void AllocateArenas();
  std::size_t Grain() const;
  void Report(std::size_t row, Head head);

  int num_threads_;
  std::int32_t simulation_ = 0;     // of the leaves that are out with the model
  std::vector<std::int32_t> base_;  // [B] slot of the first simulation's node; the next ones follow
  std::vector<std::int32_t> parent_, slot_, chosen_, depth_;  // [B] the leaves
  std::vector<std::int32_t> path_;    // [B, max_depth + 1] slots from the root to the leaf
  std::vector<std::int64_t> depths_;  // [B] sum over simulations
  std::int64_t* action_ = nullptr;
  std::vector<Batch> batches_;
  std::vector<std::byte*> arenas_;
  std::optional<Slab> arena_slab_;
  std::atomic<std::uint64_t> first_fault_;
  Fault fault_;
};

}  // namespace rollout::search
