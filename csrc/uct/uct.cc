#include "uct/uct.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/simd.h"
#include "search/argmax.h"
#include "search/lanes.h"
#include "uct/tree.h"
#include "vec/playout.h"

namespace rollout::uct {
namespace {

using Clock = std::chrono::steady_clock;
using search::F8;
using search::I8;
using search::kInfinity;
using search::kLanes;
using search::RowKey;

constexpr std::int32_t kClockEvery = 64;  // simulations

// Lets the caller of a search end it, from whatever its `poll` finds; shared by all threads.
class Watch {
 public:
  explicit Watch(void (*poll)()) : poll_(poll), caller_(std::this_thread::get_id()) {}

  // Whether to stop, since another thread's poll has thrown.
  bool Check(Clock::time_point now) {
    if (poll_ != nullptr && std::this_thread::get_id() == caller_ && now >= next_) {
      next_ = now + kEvery;
      try {
        poll_();
      } catch (...) {
        stopped_ = true;
        throw;
      }
    }
    return stopped_;
  }

 private:
  static constexpr std::chrono::milliseconds kEvery{50};

  void (*const poll_)();
  const std::thread::id caller_;
  Clock::time_point next_ = Clock::now() + kEvery;  // only the caller's
  std::atomic<bool> stopped_{false};
};

// What a simulation draws: a word to choose what to try, and a seed for all that is random after.
struct Draw {
  std::uint32_t choice;
  std::uint64_t seed;

  Draw(const RowKey& key, std::int32_t simulation) {
    constexpr std::uint32_t kSite = 0x55435431;
    const PhiloxCounter block = Philox4x32(
        {key.row, 0, static_cast<std::uint32_t>(simulation), kSite},
        {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)});
    choice = block[0];
    seed = std::uint64_t{block[2]} << 32 | block[3];
  }

  // Below n; no number is likelier than another by more than n / 2^32.
  std::uint32_t Below(std::size_t n) const {
    return static_cast<std::uint32_t>(std::uint64_t{choice} * n >> 32);
  }
};

// One thread's work on one row at a time.
class Searcher {
 public:
  Searcher(const Kernel& kernel, const Settings& settings, const Roots& roots, Watch& watch)
      : kernel_(kernel),
        settings_(settings),
        roots_(roots),
        watch_(watch),
        row_bytes_(kernel.row_bytes()),
        actions_(static_cast<std::size_t>(kernel.spec().action_nvec[0])),
        players_(static_cast<std::size_t>(kernel.spec().num_players)),
        scale_(kernel.options().reward_scale),
        c_(static_cast<float>(settings.c)),
        tree_(players_, settings.sampled ? 0 : row_bytes_, actions_),
        playout_(row_bytes_, actions_, kernel.signal_size()),
        walker_(row_bytes_, actions_, 0),
        mask_(AlignUp(actions_, 8), 1),
        legal_(actions_ + 1),
        scores_(new F8[Edges::Width(actions_) / kLanes]),
        returns_(players_),
        score_(players_),
        path_(kFirstDepth) {
    if (settings.evaluate != nullptr) {
      obs_.resize((kernel.frame_bytes(0) * kernel.options().frame_stack + 15) / 16 * 2);
      obs_at_ = obs_.data();
    }
    if (kernel.can().action_mask) mask_look_.action_mask = mask_.data();
  }

  void Row(const std::byte* world, std::size_t row, const RowKey& key,
           std::optional<Clock::time_point> stop_at, const Results& results) {
    row_ = row;
    world_ = world;
    forbidden_ = settings_.forbidden == nullptr ? nullptr : settings_.forbidden + row * actions_;
    done_ = 0;
    tree_.Clear();
    tree_.Reserve();
    Node* const root = tree_.At(tree_.Add());
    *root = {};
    std::int64_t to_play = 0;
    View look = mask_look_;
    if (kernel_.can().to_play) look.to_play = &to_play;
    kernel_.Look(world, look, 0, 1);
    root_mask_.assign(mask_.begin(), mask_.end());
    root->mover = static_cast<std::uint8_t>(to_play);
    root->ended = Kernel::Header(world).ended();
    if (!settings_.sampled) std::memcpy(tree_.world(root), world, row_bytes_);
    root_ = Open(root, forbidden_);
    if (!tree_.At(root_)->ended) Loop(key, stop_at);
    Report(row, results);
  }

 private:
  // What differs between processors besides what the compiler makes of the same code.
  struct Portable {
    ROLLOUT_INLINE static std::uint32_t Bits(const I8& mask) { return search::Bits(mask); }
  };
#ifdef ROLLOUT_HAS_AVX2_TARGET
  struct Avx2 {
    __attribute__((target("avx2"))) static std::uint32_t Bits(const I8& mask) {
      return static_cast<std::uint32_t>(__builtin_ia32_movmskps256(reinterpret_cast<F8>(mask)));
    }
  };
#endif

  void Loop(const RowKey& key, std::optional<Clock::time_point> stop_at) {
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() >= SimdLevel::kAvx2) return LoopAvx2(key, stop_at);
#endif
    LoopHere<Portable>(key, stop_at);
  }
#ifdef ROLLOUT_HAS_AVX2_TARGET
  __attribute__((target("avx2,bmi"))) void LoopAvx2(const RowKey& key,
                                                    std::optional<Clock::time_point> stop_at) {
    LoopHere<Avx2>(key, stop_at);
  }
#endif
  template <class Isa>
  ROLLOUT_INLINE void LoopHere(const RowKey& key, std::optional<Clock::time_point> stop_at) {
    for (; done_ < settings_.simulations; ++done_) {
      if (done_ > 0 && done_ % kClockEvery == 0) {
        const auto now = Clock::now();
        if (watch_.Check(now) || (stop_at && now >= *stop_at)) break;
      }
      const Draw draw(key, done_);
      tree_.Reserve();
      tree_.At(root_)->explore = c_ * roots_.RootLog(std::max(done_, 1));
      const std::size_t depth = settings_.sampled ? Sample(draw) : Simulate<Isa>(draw);
      switch (players_) {
        case 1:
          BackUp<1>(depth);
          break;
        case 2:
          BackUp<2>(depth);
          break;
        default:
          BackUp<0>(depth);
      }
    }
  }

  // The nodes of a simulation's path, and the edges that it took. They stay where they are until
  // the next simulation.
  struct Step {
    Node* node;
    std::size_t edge;
  };
  ROLLOUT_INLINE void Note(std::size_t depth, Node* node, std::size_t edge) {
    if (depth == path_.size()) [[unlikely]]
      path_.resize(2 * depth);
    path_[depth] = {node, edge};
  }

  // A simulation through nodes that keep their worlds; the depth where it ends.
  template <class Isa>
  ROLLOUT_INLINE std::size_t Simulate(const Draw& draw) {
    Node* node = tree_.At(root_);
    std::size_t depth = 0;
    for (; node->full; ++depth) {
      const Edges edges = tree_.edges(node);
      const std::size_t edge = Best<Isa>(edges, node->explore);
      Note(depth, node, edge);
      node = tree_.At(edges.child()[edge]);
    }
    const std::int32_t place = MakeRoom(depth, node);
    if (node->ended) {
      Note(depth, node, 0);
      std::ranges::fill(returns_, 0.0);
      return depth;
    }
    const Edges edges = tree_.edges(node);
    const std::uint32_t edge = node->tried++;
    node->full = node->tried == node->count;
    const std::size_t other = edge + draw.Below(node->count - edge);
    std::swap(edges.action()[edge], edges.action()[other]);
    Node* const child = Grow(edges, edge, place);
    std::byte* const world = tree_.world(child);
    CopyRow(world, tree_.world(node));
    Play(world, edges.action()[edge], child);
    Note(depth, node, edge);
    Note(depth + 1, child, 0);
    Score(world, *child, draw);
    return depth + 1;
  }

  // A simulation that steps through all of it; likewise.
  std::size_t Sample(const Draw& draw) {
    std::byte* const world = walker_.row();
    std::memcpy(world, world_, row_bytes_);
    Kernel::Header(world).seed = draw.seed;
    std::copy(root_mask_.begin(), root_mask_.end(), mask_.data());
    std::ranges::fill(returns_, 0.0);
    Node* node = tree_.At(root_);
    std::size_t depth = 0;
    for (bool fresh = false; !fresh && !node->ended; ++depth) {
      const std::int32_t place = MakeRoom(depth, node);
      const Edges edges = tree_.edges(node);
      const std::size_t edge = Available(edges, node->explore, depth == 0, draw);
      if (edge == actions_) break;
      fresh = edges.child()[edge] == Edges::kNobody;
      Note(depth, node, edge);
      node = fresh ? Grow(edges, edge, place) : tree_.At(edges.child()[edge]);
      Play(world, static_cast<std::int64_t>(edge), node);
      kernel_.Look(world, mask_look_, 0, 1);
      if (fresh) Score(world, *node, draw);
    }
    Note(depth, node, 0);
    return depth;
  }

  // Adds what everyone got, and what comes after a path, along it; of kPlayers, or of any number.
  template <std::size_t kPlayers>
  ROLLOUT_INLINE void BackUp(std::size_t depth) {
    const std::size_t players = kPlayers == 0 ? players_ : kPlayers;
    double few[kPlayers + 1] = {};
    double* const returns = kPlayers == 0 ? returns_.data() : few;
    if (kPlayers > 0) std::copy_n(returns_.data(), players, few);
    for (Node* child = path_[depth].node; depth-- > 0;) {
      const auto [node, edge] = path_[depth];
      for (std::size_t p = 0; p < players; ++p) returns[p] += child->rewards()[p];
      double value = returns[0];
      if constexpr (kPlayers == 2) {
        value = node->mover == 0 ? value : returns[1];
      } else if constexpr (kPlayers == 0) {
        value = returns[node->mover];
      }
      const Edges edges = tree_.edges(node);
      const std::int32_t visits = ++edges.visits()[edge];
      const double sum = edges.sum()[edge] += value;
      Edges::Write(edges.q(), edge, static_cast<float>(sum / visits));
      Edges::Write(edges.spread(), edge, roots_.InverseRoot(visits));
      child->explore = c_ * roots_.RootLog(visits);
      child = node;
    }
  }

  template <class Isa>
  ROLLOUT_INLINE std::size_t Best(const Edges& edges, float explore) {
    const std::size_t vectors = edges.width() / kLanes;
    const auto score = [&](std::size_t i) {
      return search::Load(edges.q() + i * kLanes) +
             explore * search::Load(edges.spread() + i * kLanes);
    };
    // most nodes of small games: from the registers, since the next level waits for this
    if (vectors == 1) return First(Isa::Bits(Highest(score(0))));
    if (vectors == 2) {
      const F8 low = score(0), high = score(1);
      const F8 best = search::MaxAcross(search::Max(low, high));
      return First(Isa::Bits(low >= best) | Isa::Bits(high >= best) << kLanes);
    }
    for (std::size_t i = 0; i < vectors; ++i) scores_[i] = score(i);
    return static_cast<std::size_t>(search::Argmax(scores_.get(), vectors));
  }
  ROLLOUT_INLINE static std::size_t First(std::uint32_t bits) {
    return static_cast<std::size_t>(std::countr_zero(bits));
  }

  // The lanes that no other is above. More work than the maximum, but no lane waits for another.
  ROLLOUT_INLINE static I8 Highest(const F8& x) {
    const F8 other = __builtin_shuffle(x, I8{4, 5, 6, 7, 0, 1, 2, 3});
    constexpr I8 kOne = {1, 2, 3, 0, 5, 6, 7, 4}, kTwo = {2, 3, 0, 1, 6, 7, 4, 5},
                 kThree = {3, 0, 1, 2, 7, 4, 5, 6};
    const I8 here = (x >= __builtin_shuffle(x, kOne)) & (x >= __builtin_shuffle(x, kTwo)) &
                    (x >= __builtin_shuffle(x, kThree));
    const I8 there =
        ((x >= other) & (x >= __builtin_shuffle(other, kOne))) &
        ((x >= __builtin_shuffle(other, kTwo)) & (x >= __builtin_shuffle(other, kThree)));
    return here & there;
  }

  // The edge to take, of those that are legal this time; as many as there are if none is.
  std::size_t Available(const Edges& edges, float explore, bool at_root, const Draw& draw) {
    const std::int8_t* const forbidden = at_root ? forbidden_ : nullptr;
    const auto legal = [&](std::size_t a) {
      return mask_[a] != 0 && !(forbidden != nullptr && forbidden[a]);
    };
    std::size_t untried = 0;
    for (std::size_t a = 0; a < actions_; ++a) untried += legal(a) && edges.visits()[a] == 0;
    if (untried > 0) {
      std::size_t left = draw.Below(untried);
      for (std::size_t a = 0;; ++a) {
        if (legal(a) && edges.visits()[a] == 0 && left-- == 0) return a;
      }
    }
    std::size_t best = actions_;
    float highest = -kInfinity;
    for (std::size_t a = 0; a < actions_; ++a) {
      const float score = edges.q()[a] + explore * edges.spread()[a];
      if (!legal(a) || score <= highest) continue;
      highest = score;
      best = a;
    }
    return best;
  }

  // Where the edges of a node are to be that has none: it moves to a larger block, which becomes
  // the path's end, and the block it had is free. Nobody's where nothing is to be done.
  ROLLOUT_INLINE std::int32_t MakeRoom(std::size_t depth, Node*& node) {
    if (node->open || node->ended) return Edges::kNobody;
    const Step& step = path_[depth - 1];
    std::int32_t& link = tree_.edges(step.node).child()[step.edge];
    const std::int32_t place = link;
    if (!settings_.sampled) kernel_.Look(tree_.world(node), mask_look_, 0, 1);
    link = Open(node, nullptr);
    node = tree_.At(link);
    return place;
  }

  // The node with edges, what its mask allows; where worlds are sampled, all actions.
  std::int32_t Open(Node* node, const std::int8_t* forbidden) {
    std::size_t count = 0;
    for (std::size_t a = 0; a < actions_; ++a) {
      legal_[count] = static_cast<std::uint16_t>(a);
      count += settings_.sampled || (mask_[a] != 0 && !(forbidden != nullptr && forbidden[a]));
    }
    const std::int32_t link = tree_.Open(*node, count);
    Node* const to = tree_.At(link);
    std::copy_n(legal_.data(), count, tree_.edges(to).action());
    // where nobody can move, nothing comes after
    if (count == 0) to->ended = 1;
    return link;
  }

  // The node that an edge leads to, in a place that is free if there is one.
  ROLLOUT_INLINE Node* Grow(const Edges& edges, std::size_t edge, std::int32_t place) {
    const std::int32_t link = place != Edges::kNobody ? place : tree_.Add();
    edges.child()[edge] = link;
    Node* const node = tree_.At(link);
    *node = {};
    return node;
  }

  // Steps a world to a node.
  ROLLOUT_INLINE void Play(std::byte* world, std::int64_t action, Node* node) {
    node->mover = static_cast<std::uint8_t>(kernel_.Play(world, action, playout_, node->rewards()));
    node->ended = Kernel::Header(world).ended();
  }

  // Small worlds without a call.
  ROLLOUT_INLINE void CopyRow(std::byte* to, const std::byte* from) const {
    constexpr std::size_t kSmall = 128;
    if (row_bytes_ > kSmall) {
      std::memcpy(to, from, row_bytes_);
      return;
    }
    static_assert(kRowAlignment == sizeof(search::I8) / 2);
    for (std::size_t at = 0; at < row_bytes_; at += kRowAlignment) {
      std::memcpy(to + at, from + at, kRowAlignment);
    }
  }

  // What everyone gets from a world on, to returns_.
  ROLLOUT_INLINE void Score(const std::byte* world, const Node& node, const Draw& draw) {
    if (node.ended) {
      std::ranges::fill(returns_, 0.0);
      return;
    }
    if (settings_.evaluate != nullptr) return Ask(world, node.mover);
    for (std::int32_t k = 0; k < settings_.playouts; ++k) {
      CopyRow(playout_.row(), world);
      const std::uint64_t seed =
          k == 0 ? draw.seed : PlayoutSeed(draw.seed, 0, static_cast<std::uint32_t>(k));
      double* const to = k == 0 ? returns_.data() : score_.data();
      kernel_.Playout(playout_.row(), seed, settings_.playout_steps, playout_, to);
      for (std::size_t p = 0; k > 0 && p < players_; ++p) returns_[p] += score_[p];
    }
    const double share = scale_ / settings_.playouts;
    for (double& sum : returns_) sum *= share;
  }

  void Ask(const std::byte* world, std::int32_t mover) {
    View look;
    look.obs = &obs_at_;
    kernel_.Look(world, look, 0, 1);
    settings_.evaluate(obs_at_, mover, returns_.data());
    for (const double value : returns_) {
      if (value - value == 0.0) continue;
      throw std::invalid_argument("evaluate: it gave a value that is not finite in row " +
                                  std::to_string(row_) + " at simulation " + std::to_string(done_));
    }
  }

  void Report(std::size_t row, const Results& to) const {
    std::int32_t* const visits = to.visits + row * actions_;
    float* const values = to.values + row * actions_;
    std::fill_n(visits, actions_, 0);
    std::fill_n(values, actions_, 0.0f);
    to.action[row] = 0;
    to.value[row] = 0.0f;
    to.simulations[row] = done_;
    const Edges edges = tree_.edges(tree_.At(root_));
    double sum = 0.0;
    for (std::size_t e = 0; e < edges.count(); ++e) {
      const std::size_t action = edges.action()[e];
      visits[action] = edges.visits()[e];
      values[action] = edges.visits()[e] > 0 ? edges.q()[e] : 0.0f;
      sum += edges.sum()[e];
    }
    to.value[row] = static_cast<float>(sum / std::max(done_, 1));
    std::size_t best = 0;
    for (std::size_t a = 1; a < actions_; ++a) {
      if (visits[a] > visits[best] ||
          (visits[a] == visits[best] && values[a] > values[best] && visits[a] > 0)) {
        best = a;
      }
    }
    to.action[row] = static_cast<std::int64_t>(best);
  }

  static constexpr std::size_t kFirstDepth = 64;

  const Kernel& kernel_;
  const Settings& settings_;
  const Roots& roots_;
  Watch& watch_;
  const std::size_t row_bytes_, actions_, players_;
  const double scale_;
  const float c_;
  Tree tree_;
  PlayoutSpace playout_, walker_;
  std::vector<std::int8_t> mask_, root_mask_;
  std::vector<std::uint16_t> legal_;
  std::unique_ptr<F8[]> scores_;  // not a vector, which forgets the alignment of F8
  std::vector<double> returns_, score_;
  std::vector<Step> path_;
  std::vector<std::uint64_t> obs_;
  void* obs_at_ = nullptr;
  View mask_look_;
  std::size_t row_ = 0;
  std::int32_t root_ = 0;
  const std::byte* world_ = nullptr;
  const std::int8_t* forbidden_ = nullptr;
  std::int32_t done_ = 0;
};

}  // namespace

void Search(ThreadPool& pool, const Kernel& kernel, const std::byte* worlds,
            std::span<const RowKey> keys, const Settings& settings, const Results& results) {
  static const Roots roots;
  const std::size_t batch = keys.size();
  const auto threads = static_cast<std::size_t>(pool.num_threads());
  std::atomic<std::size_t> begun{0};
  Watch watch(settings.poll);
  pool.ParallelFor(batch, 1, [&](std::size_t begin, std::size_t end) {
    Searcher searcher(kernel, settings, roots, watch);
    for (std::size_t row = begin; row < end; ++row) {
      std::optional<Clock::time_point> stop_at = settings.stop_at;
      if (stop_at) {
        // this row's share of what is left, with as many rows after it as a thread will get
        const std::size_t left = batch - begun.fetch_add(1);
        const auto now = Clock::now();
        const auto rounds = static_cast<Clock::rep>((left + threads - 1) / threads);
        stop_at = now + (*stop_at - now) / rounds;
      }
      try {
        searcher.Row(worlds + row * kernel.row_bytes(), row, keys[row], stop_at, results);
      } catch (EnvError& error) {
        error.row = static_cast<std::int64_t>(row);
        throw;
      }
    }
  });
}

}  // namespace rollout::uct
