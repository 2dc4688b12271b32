#include "search/search.h"

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>

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

bool Finite(float x) { return x - x == 0.0f; }

}  // namespace

Search::Search(const Shape& shape, std::span<const RowKey> keys, int num_threads)
    : shape_(shape),
      tree_(shape.batch, static_cast<std::size_t>(shape.simulations) + 1, shape.actions),
      keys_(keys.begin(), keys.end()),
      num_threads_(num_threads),
      base_(shape.batch, 1),
      parent_(shape.batch),
      slot_(shape.batch),
      chosen_(shape.batch),
      depth_(shape.batch),
      path_(shape.batch * (static_cast<std::size_t>(shape.max_depth) + 1)),
      depths_(shape.batch),
      first_fault_(kNoFault) {}

Search::~Search() = default;

bool Search::Begin(const Outputs& root, std::span<const std::uint8_t> invalid,
                   std::span<const States> states, std::int64_t* action,
                   std::span<const Batch> batches) {
  action_ = action;
  batches_.assign(batches.begin(), batches.end());
  AllocateArenas();
  std::vector<float> logits(shape_.actions);
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    std::copy_n(root.prior_logits[row], shape_.actions, logits.begin());
    const float value = *root.value[row];
    if (!Finite(value)) Report(row, Head::kValue);
    if (!std::ranges::all_of(logits, Finite)) Report(row, Head::kPriorLogits);
    PrepareRoot(row, logits);
    const std::uint8_t* mask = nullptr;
    if (!invalid.empty()) {
      mask = invalid.data() + row * shape_.actions;
      const float highest = *std::ranges::max_element(logits);
      for (float& logit : logits) logit -= highest;
    }
    NodeHead& head = tree_.Head(row, kRoot);
    head = {1, value, value, 0.0f, 0.0f, kNone, kNone, 0, 0, 0};
    CopyLogits({reinterpret_cast<std::byte*>(&head), nullptr, tree_.width()}, logits.data(),
               shape_.actions, mask);
  }
  PrepareSelection();
  return Run(nullptr, states);
}

bool Search::Advance(const Outputs& outputs, std::span<const States> states) {
  const bool good = Run(&outputs, states);
  ++simulation_;
  return good;
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

bool Search::Run(const Outputs* outputs, std::span<const States> states) {
  const auto body = [&](std::size_t begin, std::size_t end) { Step(outputs, states, begin, end); };
  const std::size_t grain = Grain();
  if (num_threads_ == 1 || grain >= shape_.batch) {
    body(0, shape_.batch);
  } else {
    SharedPool(num_threads_).ParallelFor(shape_.batch, grain, body);
  }
  const std::uint64_t first = first_fault_.load(std::memory_order_relaxed);
  if (first == kNoFault) return true;
  fault_ = {first >> kHeadBits, static_cast<Head>(first & ((1u << kHeadBits) - 1))};
  return false;
}

// Rows a chunk needs to be worth handing to another thread. The costs are of the order that
// benches/test_search.py shows; results do not depend on them.
std::size_t Search::Grain() const {
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

double Search::mean_depth() const {
  double sum = 0.0;
  for (const std::int64_t depth : depths_) sum += static_cast<double>(depth);
  const std::int32_t leaves = std::min(simulation_ + 1, shape_.simulations);
  return sum / (static_cast<double>(leaves) * static_cast<double>(shape_.batch));
}

std::int32_t Search::PrincipalPath(const std::int64_t* first, std::int64_t* actions,
                                   float* rewards) const {
  const auto length = static_cast<std::size_t>(shape_.max_depth);
  std::fill_n(actions, shape_.batch * length, std::int64_t{kNone});
  std::fill_n(rewards, shape_.batch * length, 0.0f);
  std::size_t longest = 1;
  std::vector<std::byte> scratch(Node::EdgeBytes(tree_.width()));
  for (std::size_t row = 0; row < shape_.batch; ++row, actions += length, rewards += length) {
    std::int32_t slot = kRoot;
    actions[0] = first[row];
    for (std::size_t depth = 0; depth < length; ++depth) {
      const Node node = tree_.Read(row, slot, scratch.data());
      const std::int32_t* const visits = node.visits();
      const auto action =
          depth == 0 ? first[row] : std::max_element(visits, visits + shape_.actions) - visits;
      slot = node.child()[action];
      if (slot == kNone) break;
      actions[depth] = action;
      rewards[depth] = tree_.Head(row, slot).reward;
      longest = std::max(longest, depth + 1);
    }
  }
  return static_cast<std::int32_t>(longest);
}

}  // namespace rollout::search
