// A batch of tree searches, driven from outside: the caller evaluates leaves, this does the rest.
//
//   Begin      takes the roots, chooses the first leaves of every row
//   Advance    takes the evaluation of those leaves, backs it up, chooses the next leaves
//   ...        until none are out, or for as long as there is time
//   Recall     takes back the leaves that are out when time is up; the search is done
//   Act        the action and the policy target of every row
//
// A leaf is an edge (parent slot, action) and the slot its node will have. A row has one leaf out
// at a time, or a wave of them; a row whose budget is spent, or whose choice can change no more,
// has none, and the others close up: lane is what a leaf's place in the model's batch is called.
// Model states ("latents") are opaque rows of bytes: those in host memory are kept here in arenas
// that the caller owns, and gathered into the caller's batch buffers; for those elsewhere the
// caller reads parent() and slot().
//
// Rows may be searched in two halves, each advanced by itself: while the model has the leaves of
// one, the tree takes and gives those of the other. Start hands that to other threads and returns,
// Finish waits for it. A row's result is the same as in one batch.
//
// Variants are subclasses, one folder each; they share the tree, expansion, backup and the walk.
// One thread drives one search; rows are spread over a shared thread pool (in halves over one of
// its own, until Recall), and nothing depends on the number of its threads. Trees and arenas are
// the search's, all that is passed in is the caller's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/simd.h"
#include "core/slab.h"
#include "search/backup.h"
#include "search/close.h"
#include "search/random.h"
#include "search/subtree.h"
#include "search/tree.h"

namespace rollout {
class ThreadPool;
}

namespace rollout::search {

struct Shape {
  std::size_t batch = 0, actions = 0;
  std::int32_t simulations = 0;
  std::int32_t max_depth = 0;              // edges from the root to the deepest leaf
  bool zero_discount_ends = false;         // descents stop at a node whose discount is 0
  std::int32_t wave = 1;                   // leaves of a row that are out at once
  std::size_t players = 1;                 // whose values the model tells apart
  bool signs = false;                      // discounts change sign where the mover changes
  bool early_stop = false;                 // rows stop where their choice can change no more
  std::vector<std::int32_t> budgets = {};  // [B] simulations of each row; empty: all the same
  std::size_t outcomes = 0;                // most of a chance node; 0: there are none
  float disagreement_bonus = 0.0f;         // what selection adds to Q for a unit of doubt
  float disagreement_penalty = 0.0f;       // what a step's reward loses for a unit of its spread
  std::size_t inherited = 1;               // most nodes that a row begins with, its root included
  bool halves = false;                     // rows are searched in two halves
};

// A float32 array of the caller's, one row a batch row; the row itself is contiguous.
struct Rows {
  const float* at = nullptr;
  std::ptrdiff_t stride = 0;  // in floats

  const float* operator[](std::size_t row) const {
    return at + static_cast<std::ptrdiff_t>(row) * stride;
  }
};

// What the model returned for L leaves: discount [L]; reward, value [L], or [L, P] of P players;
// prior_logits [L, F], F = max(A, C). And, where it says so (else null): invalid [L, F], nonzero
// where an action is not allowed in the new state; done [L], nonzero where nothing comes after it;
// mover [L], whose turn it is; chance [L], nonzero where the new state awaits an outcome of chance,
// so that its logits are over C outcomes and not over A actions; excess [L], by how much the step
// is over a limit: above 0 it must not be taken, and its edge is closed (see close.h); spread [L],
// how far off the step may be (see disagreement.h).
struct Outputs {
  Rows reward, discount, prior_logits, value;
  const std::uint8_t* invalid = nullptr;
  const std::uint8_t* done = nullptr;
  const std::int64_t* mover = nullptr;
  const std::uint8_t* chance = nullptr;
  const float* excess = nullptr;
  const float* spread = nullptr;
};

// An edge out with the model.
struct Leaf {
  std::int32_t parent, slot, action, depth;
};

// kScore: of a selection rule of the user's.
enum class Head : std::uint32_t {
  kReward,
  kDiscount,
  kPriorLogits,
  kValue,
  kInvalid,
  kScore,
  kExcess,
  kSpread
};

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

// Rows whose leaves are out together: all of a search, or a half.
struct Part {
  std::vector<std::int32_t> active;  // rows with leaves out, ascending
  std::size_t first = 0;             // of its lanes in what the model reads
  std::size_t lanes = 0;             // leaves that are out
  std::int32_t simulation = 0;       // steps that came back
};

// What a kernel does for a range of rows: take what came back, then give out the next leaves.
struct Phase {
  const Part* part;
  const Outputs* outputs =
      nullptr;  // null at the beginning: there is only the roots' state to take
  std::span<const States> states;
  bool take = true, give = true, recall = false;
};

class Search {
 public:
  Search(const Shape& shape, std::span<const RowKey> keys, int num_threads);
  virtual ~Search();
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // root: value and prior_logits, and invalid and mover where there are. states: the roots', a kind
  // each. Every step of a part writes action [B wave] and batches, a kind each: what the model must
  // evaluate next, lanes() of them from first_lane() on. Returns true, or false with fault() set.
  bool Begin(const Outputs& root, std::span<const States> states, std::int64_t* action,
             std::span<const Batch> batches);
  bool Advance(const Outputs& outputs, std::span<const States> states, std::size_t part = 0);

  // Advance in two: Start returns at once, and what it was given is read until Finish has returned.
  // Nothing else is called in between. Who destroys a search finishes it first.
  void Start(const Outputs& outputs, std::span<const States> states, std::size_t part);
  bool Finish();
  bool started() const { return started_; }

  // Lets rows begin from subtrees of an earlier search, whose states are of the same kinds; called
  // before Begin, which reads `from` for the last time.
  void Inherit(Search& from, Subtrees subtrees);
  // Takes back the leaves that are out, as if they had never been given: the search is done.
  void Recall();

  // action [B]; weights [B, A]: the policy target. What Act says, but where all of a root's actions
  // are closed: there the action whose branch breaks its limit least, and all weight on that.
  void Decide(std::int64_t* action, float* weights);

  const Shape& shape() const { return shape_; }
  const Tree& tree() const { return tree_; }
  const Fault& fault() const { return fault_; }
  std::int32_t simulation(std::size_t part = 0) const { return parts_[part].simulation; }
  std::size_t parts() const { return parts_.size(); }
  std::size_t lanes(std::size_t part = 0) const { return parts_[part].lanes; }
  std::size_t first_lane(std::size_t part) const { return parts_[part].first; }
  // Calls visit(lane, row, leaf) for every leaf of a part that is out.
  template <class Visit>
  void ForEachLane(std::size_t part, Visit&& visit) const {
    for (const std::int32_t active : parts_[part].active) {
      const auto row = static_cast<std::size_t>(active);
      for (std::size_t i = 0; i < out_[row]; ++i) {
        visit(first_lane_[row] + i, row, leaves_[row * wave() + i]);
      }
    }
  }
  // Notes a fault; the step that is being run then fails. May be called by its threads.
  void Report(std::size_t row, Head head);
  // Simulations of a row that came back.
  std::int32_t simulations(std::size_t row) const { return spent_[row]; }
  bool allowed(std::size_t row, std::size_t action) const {
    return RootLogits(row)[action] > kLowest;
  }
  // What was closed in a row, in order of time.
  std::span<const Closing> closings(std::size_t row) const {
    if (closings_.empty()) return {};
    return closings_[row];
  }
  // Whether an action of the root is left; true where none was ever closed.
  bool feasible(std::size_t row) const;
  // [N, B, bytes] the states of one kind, by node slot.
  std::byte* arena(std::size_t kind) const { return arenas_[kind]; }
  // Slots of a row that were there before the first simulation.
  std::int32_t inherited(std::size_t row) const { return base_[row]; }

  // Mean number of edges from the root to the leaf, over rows and simulations so far.
  double mean_depth() const;

  // The most visited path of each row, starting with first[row]: [B, shape.max_depth] actions,
  // kNone after its end, the reward of each step, 0 after its end, and the slot of the node that it
  // leads to, kNone where there is none. It ends where nothing was
  // visited, but has one action at least. Returns the longest path's length.
  std::int32_t PrincipalPath(const std::int64_t* first, std::int64_t* actions, float* rewards,
                             std::int32_t* slots) const;

 protected:
  // Turns the model's root logits into those the search uses (noise); masking comes after it.
  // invalid [A] or null.
  virtual void PrepareRoot(std::size_t row, std::span<float> logits,
                           const std::uint8_t* invalid) const = 0;
  // Called once roots are masked: what selection needs to know of them.
  virtual void PrepareSelection() = 0;
  // Runs active rows [begin, end) of a phase: see Walk in walk.h.
  virtual void Step(const Phase& phase, std::size_t begin, std::size_t end) = 0;
  // The action [B] and the policy target [B, A] of rows that have an action left.
  virtual void Act(std::int64_t* action, float* weights) = 0;
  // Whether `left` more simulations could not change what Act returns as the row's action, in a
  // search that closes nothing.
  virtual bool Settled(std::size_t row, std::int32_t left) const = 0;
  // Called when an edge of a row was closed, by the thread that has the row.
  virtual void Lost(std::size_t) {}

  const float* RootLogits(std::size_t row) const {
    return Node{reinterpret_cast<std::byte*>(&tree_.Head(row, kRoot)), nullptr, tree_.width()}
        .logits();
  }

  // Whether edges may be closed, so that an action that was never tried may be one of them.
  bool closes() const { return !closings_.empty(); }
  std::size_t wave() const { return static_cast<std::size_t>(shape_.wave); }
  // The most that any node can come to.
  std::int32_t most_visits() const;
  std::span<const Bounds> bounds() const { return bounds_; }
  // Sums of squared returns of the root's actions, [B, W], from now on.
  void KeepSquares() { squares_.assign(shape_.batch * tree_.width(), 0.0f); }
  const float* squares(std::size_t row) const { return squares_.data() + row * tree_.width(); }

  Shape shape_;
  Tree tree_;
  std::vector<RowKey> keys_;
  SimdLevel simd_ = ActiveSimd();

 private:
  template <class Rule, int kVectors>
  friend struct Walk;
  friend class OpenLoopWalk;

  // A step that was handed to other threads.
  struct Errand {
    void operator()(std::size_t begin, std::size_t end) const;

    Search* search = nullptr;
    Part* part = nullptr;
    Phase phase{};
    bool whole = false;  // one thread does all of it
  };
  struct GiveBack {
    void operator()(ThreadPool* pool) const;
  };

  void Meet(const Outputs& outputs);
  void Run(Part& part, const Phase& phase);
  Phase Opening(Part& part, const Outputs* outputs, std::span<const States> states);
  void Settle(Part& part);
  bool Good();
  ThreadPool& Pool();
  void Parallel(const Phase& phase);
  TreeRow View(std::size_t row);
  void GraftRow(std::size_t row);
  void Layout(Part& part);
  void AllocateArenas();
  std::size_t Grain() const;

  int num_threads_;
  std::unique_ptr<ThreadPool, GiveBack> own_pool_;  // or null
  bool plain_;                                      // one leaf a row, all rows to the end
  std::vector<Part> parts_;
  Errand errand_;
  bool started_ = false;                 // whether it is under way
  Outputs given_;                        // to the errand
  std::vector<std::size_t> first_lane_;  // [B] among its part's
  std::vector<std::uint32_t> out_;       // [B] leaves that are out
  std::vector<std::int32_t> spent_;      // [B] simulations that came back
  std::vector<std::int32_t> base_;       // [B] slot of the first simulation's node
  std::vector<Leaf> leaves_;             // [B, wave]
  std::vector<std::int32_t> path_;       // [B, wave, max_depth + 1] slots from the root to the leaf
  std::vector<std::int64_t> depths_;     // [B] sum over simulations
  std::vector<Bounds> bounds_;           // [B]
  std::vector<float> squares_;           // [B, W] or empty
  Search* from_ = nullptr;               // whose subtrees rows begin from, until they have begun
  Subtrees subtrees_;
  std::vector<float> players_;                  // [B, N, 2, P], or empty for one player
  std::vector<Doubt> doubts_;                   // [B, N], or empty where no bonus is given
  std::vector<std::vector<Closing>> closings_;  // [B], or empty where the model forbids nothing
  std::int64_t* action_ = nullptr;
  std::vector<Batch> batches_;
  std::vector<std::byte*> arenas_;
  std::optional<Slab> arena_slab_;
  std::atomic<std::uint64_t> first_fault_;
  Fault fault_;
};

}  // namespace rollout::search
