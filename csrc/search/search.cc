#include "search/search.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "core/gauge.h"
#include "core/thread_pool.h"
#include "search/backup.h"

namespace rollout::search {
namespace {

constexpr std::uint64_t kNoFault = std::numeric_limits<std::uint64_t>::max();
constexpr int kHeadBits = 3;

// One pool for each number of threads, kept for the life of the process: a search lasts
// milliseconds, starting threads for each would cost as much.
ThreadPool& SharedPool(int num_threads) {
  static std::mutex mutex;
  static auto* pools = new std::map<int, std::unique_ptr<ThreadPool>>;
  const std::lock_guard lock(mutex);
  auto& pool = (*pools)[num_threads];
  if (!pool) pool = std::make_unique<ThreadPool>(num_threads);
  return *pool;
}

// Pools that no search has. One that hands its steps out keeps a pool to itself, since the model it
// waits for may search as well.
struct IdlePools {
  std::mutex mutex;
  std::multimap<int, std::unique_ptr<ThreadPool>> pools;  // by their number of threads
};

IdlePools& Idle() {
  static auto* idle = new IdlePools;
  return *idle;
}

ThreadPool* Borrow(int num_threads) {
  const std::lock_guard lock(Idle().mutex);
  const auto found = Idle().pools.find(num_threads);
  if (found == Idle().pools.end()) return new ThreadPool(num_threads);
  return Idle().pools.extract(found).mapped().release();
}

bool Finite(float x) { return x - x == 0.0f; }

}  // namespace

void Search::GiveBack::operator()(ThreadPool* pool) const {
  const std::lock_guard lock(Idle().mutex);
  Idle().pools.emplace(pool->num_threads(), pool);
}

Search::Search(const Shape& shape, std::span<const RowKey> keys, int num_threads)
    : shape_(shape),
      tree_(shape.batch, static_cast<std::size_t>(shape.simulations) + shape.inherited,
            shape.actions, shape.outcomes),
      keys_(keys.begin(), keys.end()),
      num_threads_(num_threads),
      plain_(shape.wave == 1 && !shape.early_stop && shape.budgets.empty()),
      parts_(shape.halves && shape.batch > 1 ? 2 : 1),
      first_lane_(shape.batch),
      out_(shape.batch, 1),
      spent_(shape.batch, 0),
      base_(shape.batch, 1),
      leaves_(shape.batch * wave()),
      path_(leaves_.size() * (static_cast<std::size_t>(shape.max_depth) + 1)),
      depths_(shape.batch),
      bounds_(shape.batch),
      first_fault_(kNoFault) {
  std::size_t row = 0;
  for (std::size_t i = 1; Part& part : parts_) {
    const std::size_t first = row, end = (shape.batch * i++ + parts_.size() - 1) / parts_.size();
    part.first = first * wave();
    part.lanes = end - first;
    for (; row < end; ++row) {
      part.active.push_back(static_cast<std::int32_t>(row));
      first_lane_[row] = row - first;
    }
  }
  if (parts_.size() > 1) own_pool_.reset(Borrow(num_threads));
  if (shape.players > 1) players_.resize(shape.batch * tree_.capacity() * 2 * shape.players);
  if (shape.disagreement_bonus != 0.0f)
    doubts_.resize(shape.batch * tree_.capacity(), {0.0f, 0.0f});
}

Search::~Search() = default;

bool Search::Begin(const Outputs& root, std::span<const States> states, std::int64_t* action,
                   std::span<const Batch> batches) {
  action_ = action;
  batches_.assign(batches.begin(), batches.end());
  AllocateArenas();
  std::vector<float> logits(shape_.actions);
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    std::copy_n(root.prior_logits[row], shape_.actions, logits.begin());
    const std::size_t mover = root.mover == nullptr ? 0 : static_cast<std::size_t>(root.mover[row]);
    const float value = root.value[row][shape_.players > 1 ? mover : 0];
    if (!Finite(value)) Report(row, Head::kValue);
    if (!std::ranges::all_of(logits, Finite)) Report(row, Head::kPriorLogits);
    const std::uint8_t* mask = nullptr;
    if (root.invalid != nullptr) mask = root.invalid + row * shape_.actions;
    PrepareRoot(row, logits, mask);
    if (mask != nullptr) {
      const float highest = *std::ranges::max_element(logits);
      for (float& logit : logits) logit -= highest;
    }
    NodeHead& head = tree_.Head(row, kRoot);
    head = {1, value, value, 0.0f, 0.0f, kNone, kNone, 0, 0, 0, static_cast<std::uint8_t>(mover)};
    CopyLogits({reinterpret_cast<std::byte*>(&head), nullptr, tree_.width()}, logits.data(),
               shape_.actions, mask);
    if (shape_.players > 1) {
      std::copy_n(root.value[row], shape_.players,
                  players_.data() + row * tree_.capacity() * 2 * shape_.players);
    }
  }
  if (from_ != nullptr) {
    const auto graft = [this](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) GraftRow(row);
    };
    Pool().ParallelFor(shape_.batch, 1, graft);
    from_ = nullptr;
  }
  PrepareSelection();
  for (Part& part : parts_) Run(part, Opening(part, nullptr, states));
  return Good();
}

void Search::Inherit(Search& from, Subtrees subtrees) {
  from_ = &from;
  subtrees_ = std::move(subtrees);
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    base_[row] = static_cast<std::int32_t>(subtrees_.nodes(row));
  }
}

TreeRow Search::View(std::size_t row) {
  const std::size_t players = shape_.players;
  float* const means =
      players == 1 ? nullptr : players_.data() + row * tree_.capacity() * 2 * players;
  Doubt* const doubts = doubts_.empty() ? nullptr : doubts_.data() + row * tree_.capacity();
  return {&tree_, row, means, players, doubts};
}

void Search::GraftRow(std::size_t row) {
  const std::span<const std::int32_t> slots = subtrees_.slots[row];
  if (slots.empty()) return;
  float* const sums = squares_.empty() ? nullptr : squares_.data() + row * tree_.width();
  Graft(from_->View(row), View(row), slots, tree_.used(row), bounds_[row], sums);
  for (std::size_t kind = 0; kind < batches_.size(); ++kind) {
    const std::size_t bytes = batches_[kind].bytes;
    for (std::size_t slot = 1; slot < slots.size(); ++slot) {
      const auto old = static_cast<std::size_t>(slots[slot]);
      std::memcpy(arenas_[kind] + (slot * shape_.batch + row) * bytes,
                  from_->arenas_[kind] + (old * shape_.batch + row) * bytes, bytes);
    }
  }
}

void Search::Recall() {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    if (part.lanes == 0) continue;
    ForEachLane(
        i, [&](std::size_t, std::size_t row, const Leaf& leaf) { depths_[row] -= leaf.depth; });
    if (shape_.wave > 1) Parallel({&part, nullptr, {}, false, false, true});
    part.active.clear();
    part.lanes = 0;
  }
  std::ranges::fill(out_, 0u);
  own_pool_.reset();
}

std::int32_t Search::most_visits() const {
  std::int32_t most = 1;
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    most = std::max(most, tree_.Head(row, kRoot).visits);
  }
  return most + shape_.simulations;
}

bool Search::Advance(const Outputs& outputs, std::span<const States> states, std::size_t part) {
  Meet(outputs);
  Run(parts_[part], Opening(parts_[part], &outputs, states));
  return Good();
}

void Search::Start(const Outputs& outputs, std::span<const States> states, std::size_t part) {
  Meet(outputs);
  given_ = outputs;
  Part& mine = parts_[part];
  // whoever finishes comes to help at any time, and should find something to do: chunks are small
  constexpr std::size_t kBlock = 8, kParts = 16;  // rows that are walked together; of a usual chunk
  const std::size_t rows = mine.active.size(), grain = Grain();
  errand_ = {this, &mine, Opening(mine, &given_, states), !plain_ && grain >= rows};
  started_ = true;
  errand_.whole ? Pool().Start(1, 1, errand_)
                : Pool().Start(rows, (grain / kParts / kBlock + 1) * kBlock, errand_);
}

bool Search::Finish() {
  started_ = false;
  Pool().Finish();
  if (!errand_.whole) Settle(*errand_.part);
  return Good();
}

void Search::Errand::operator()(std::size_t begin, std::size_t end) const {
  whole ? search->Run(*part, phase) : search->Step(phase, begin, end);
}

void Search::Meet(const Outputs& outputs) {
  if (outputs.excess != nullptr && closings_.empty()) {
    closings_.resize(shape_.batch);
    plain_ = false;  // rows may be left with nothing to try
  }
}

void Search::Run(Part& part, const Phase& phase) {
  Parallel(phase);
  Settle(part);
}

// What is taken and what is given have the same lanes in a plain search, so that a row does both
// while it is in cache.
Phase Search::Opening(Part& part, const Outputs* outputs, std::span<const States> states) {
  if (outputs != nullptr) ++part.simulation;
  return {&part, outputs, states, true, plain_ && part.simulation < shape_.simulations};
}

void Search::Settle(Part& part) {
  if (!plain_) {
    Layout(part);
    if (part.lanes > 0) Parallel({&part, nullptr, {}, false, true});
  } else if (part.simulation >= shape_.simulations) {
    part.lanes = 0;
    for (const std::int32_t row : part.active) out_[static_cast<std::size_t>(row)] = 0;
  }
}

bool Search::Good() {
  const std::uint64_t first = first_fault_.load(std::memory_order_relaxed);
  if (first == kNoFault) return true;
  fault_ = {first >> kHeadBits, static_cast<Head>(first & ((1u << kHeadBits) - 1))};
  return false;
}

ThreadPool& Search::Pool() { return own_pool_ ? *own_pool_ : SharedPool(num_threads_); }

void Search::Parallel(const Phase& phase) {
  const auto body = [&](std::size_t begin, std::size_t end) { Step(phase, begin, end); };
  const std::size_t rows = phase.part->active.size(), grain = Grain();
  if (num_threads_ == 1 || grain >= rows) {
    body(0, rows);
  } else {
    Pool().ParallelFor(rows, grain, body);
  }
}

// Drops the rows of a part that are done and deals out lanes to the others.
void Search::Layout(Part& part) {
  part.lanes = 0;
  std::erase_if(part.active, [&](std::int32_t active) {
    const auto row = static_cast<std::size_t>(active);
    const std::int32_t budget = shape_.budgets.empty() ? shape_.simulations : shape_.budgets[row];
    const std::int32_t left = budget - spent_[row];
    const bool settled = shape_.early_stop && !closes() && spent_[row] > 0 && Settled(row, left);
    if (left <= 0 || settled || !feasible(row)) {
      out_[row] = 0;
      return true;
    }
    out_[row] = static_cast<std::uint32_t>(std::min(left, shape_.wave));
    first_lane_[row] = part.lanes;
    part.lanes += out_[row];
    return false;
  });
}

void Search::AllocateArenas() {
  const std::size_t nodes = tree_.batch() * tree_.capacity();
  const auto padded = [&](const Batch& batch) {
    return (nodes * batch.bytes + Slab::kAlignment - 1) / Slab::kAlignment * Slab::kAlignment;
  };
  std::size_t bytes = 0;
  for (const Batch& batch : batches_) bytes += padded(batch);
  arena_slab_.emplace(bytes);
  std::byte* at = arena_slab_->data();
  for (const Batch& batch : batches_) {
    arenas_.push_back(at);
    at += padded(batch);
  }
}

// Rows a chunk needs to be worth handing to another thread. The costs are of the order that
// benches/test_search.py shows; results do not depend on them.
std::size_t Search::Grain() const {
  const std::size_t forced = forced_chunk.load(std::memory_order_relaxed);
  if (forced > 0) return forced;
  constexpr double kChunkNs = 100000, kRowNs = 60, kLevelNs = 15, kVectorNs = 5;
  const double vectors = static_cast<double>(tree_.width() / kLanes);
  const double row = kRowNs + (1.0 + mean_depth()) * (kLevelNs + kVectorNs * vectors);
  return static_cast<std::size_t>(kChunkNs / row) + 1;
}

void Search::Report(std::size_t row, Head head) {
  const std::uint64_t fault = row << kHeadBits | static_cast<std::uint64_t>(head);
  std::uint64_t first = first_fault_.load(std::memory_order_relaxed);
  while (fault < first && !first_fault_.compare_exchange_weak(first, fault)) {
  }
}

bool Search::feasible(std::size_t row) const {
  if (closings(row).empty()) return true;
  auto* const root = reinterpret_cast<std::byte*>(&tree_.Head(row, kRoot));
  return !AllClosed({root, nullptr, tree_.width()});
}

void Search::Decide(std::int64_t* action, float* weights) {
  Act(action, weights);
  for (std::size_t row = 0; row < shape_.batch; ++row, weights += shape_.actions) {
    if (feasible(row)) continue;
    std::map<std::int32_t, std::pair<float, float>>
        best;  // by action: minus its least excess, logit
    for (const Closing& closing : closings(row)) {
      const auto found = best.try_emplace(closing.first, -kInfinity, -kInfinity).first;
      if (closing.excess > 0.0f)
        found->second.first = std::max(found->second.first, -closing.excess);
      if (closing.parent == kRoot) found->second.second = closing.logit;
    }
    const auto least = std::ranges::max_element(best, {}, [](const auto& x) { return x.second; });
    action[row] = least->first;
    std::fill_n(weights, shape_.actions, 0.0f);
    weights[action[row]] = 1.0f;
  }
}

double Search::mean_depth() const {
  double sum = 0.0, leaves = 0.0;
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    sum += static_cast<double>(depths_[row]);
    leaves += spent_[row] + static_cast<double>(out_[row]);
  }
  return sum / std::max(leaves, 1.0);
}

std::int32_t Search::PrincipalPath(const std::int64_t* first, std::int64_t* actions, float* rewards,
                                   std::int32_t* slots) const {
  const auto length = static_cast<std::size_t>(shape_.max_depth);
  std::fill_n(actions, shape_.batch * length, std::int64_t{kNone});
  std::fill_n(rewards, shape_.batch * length, 0.0f);
  std::fill_n(slots, shape_.batch * length, kNone);
  std::size_t longest = 1;
  std::vector<std::byte> scratch(Node::EdgeBytes(tree_.width()));
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    std::int32_t slot = kRoot;
    actions[0] = first[row];
    for (std::size_t depth = 0; depth < length; ++depth) {
      const Node node = tree_.Read(row, slot, scratch.data());
      const std::int32_t* const visits = node.visits();
      const auto action =
          depth == 0 ? first[row]
                     : std::max_element(visits, visits + tree_.Count(node.head())) - visits;
      slot = node.child()[action];
      if (slot == kNone) break;
      actions[depth] = action;
      rewards[depth] = tree_.Head(row, slot).reward;
      slots[depth] = slot;
      longest = std::max(longest, depth + 1);
    }
    actions += length;
    rewards += length;
    slots += length;
  }
  return static_cast<std::int32_t>(longest);
}

}  // namespace rollout::search
