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
        tree_(players_, settings.sampled ? 0 : row_bytes_, actions_),
        playout_(row_bytes_, actions_, kernel.signal_size()),
        walker_(row_bytes_, actions_, 0),
        signals_(kernel.signal_size()),
        mask_(AlignUp(actions_, 8), 1),
        legal_(actions_ + 1),
        scores_(new F8[Edges::Width(actions_) / kLanes]),
        returns_(players_),
        score_(players_) {
    if (settings.evaluate != nullptr) {
      obs_.resize((kernel.frame_bytes(0) * kernel.options().frame_stack + 15) / 16 * 2);
      obs_at_ = obs_.data();
    }
    out_.reward = &reward_;
    out_.terminated = &terminated_;
    out_.truncated = &truncated_;
    if (kernel.signal_size() > 0) out_.signals = signals_.data();
    if (kernel.can().to_play) out_.view.to_play = &to_play_;
    if (settings.sampled && kernel.can().action_mask) out_.view.action_mask = mask_.data();
  }

  void Row(const std::byte* world, std::size_t row, const RowKey& key,
           std::optional<Clock::time_point> stop_at, const Results& results) {
    row_ = row;
    world_ = world;
    forbidden_ = settings_.forbidden == nullptr ? nullptr : settings_.forbidden + row * actions_;
    tree_.Clear();
    done_ = 0;
    const std::int32_t root = tree_.AddNode();
    View look = out_.view;
    look.action_mask = kernel_.can().action_mask ? mask_.data() : nullptr;
    kernel_.Look(world, look, 0, 1);
    root_mask_.assign(mask_.begin(), mask_.end());
    Settle(root, world);
    if (!settings_.sampled) std::memcpy(tree_.world(root), world, row_bytes_);
    if (!tree_.head(root).ended) Loop(key, stop_at);
    Report(row, results);
  }

 private:
  struct Step {
    std::int32_t node;
    std::int32_t edge;
    std::int32_t mover;
  };

  void Loop(const RowKey& key, std::optional<Clock::time_point> stop_at) {
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if (ActiveSimd() == SimdLevel::kAvx2) return LoopAvx2(key, stop_at);
#endif
    LoopHere(key, stop_at);
  }
#ifdef ROLLOUT_HAS_AVX2_TARGET
  __attribute__((target("avx2"))) void LoopAvx2(const RowKey& key,
                                                std::optional<Clock::time_point> stop_at) {
    LoopHere(key, stop_at);
  }
#endif
  ROLLOUT_INLINE void LoopHere(const RowKey& key, std::optional<Clock::time_point> stop_at) {
    for (; done_ < settings_.simulations; ++done_) {
      if (done_ > 0 && done_ % kClockEvery == 0) {
        const auto now = Clock::now();
        if (watch_.Check(now) || (stop_at && now >= *stop_at)) break;
      }
      const Draw draw(key, done_);
      if (settings_.sampled) {
        Sample(draw);
      } else {
        Simulate(draw);
      }
    }
  }

  // A simulation through nodes that keep their worlds.
  ROLLOUT_INLINE void Simulate(const Draw& draw) {
    path_.clear();
    std::int32_t node = kRoot, visits = done_;
    for (;;) {
      if (!tree_.head(node).ended && tree_.head(node).edges == kNone) Open(node);
      if (tree_.head(node).ended) {
        std::ranges::fill(returns_, 0.0);
        break;
      }
      Head& head = tree_.head(node);
      const Edges edges = tree_.edges(head);
      std::int32_t edge = 0;
      if (head.tried < head.count) {
        edge = head.tried++;
        const auto other = static_cast<std::size_t>(edge) +
                           draw.Below(head.count - static_cast<std::size_t>(edge));
        std::swap(edges.action()[edge], edges.action()[other]);
      } else {
        edge = Best(edges, visits);
      }
      path_.push_back({node, edge, head.mover});
      const std::int32_t child = edges.child()[edge];
      if (child == kNone) {
        node = Grow(node, edge);
        Score(tree_.world(node), tree_.head(node), draw);
        break;
      }
      visits = edges.visits()[edge];
      node = child;
    }
    for (std::size_t d = path_.size(); d-- > 0;) {
      const Step& step = path_[d];
      const Edges edges = tree_.edges(tree_.head(step.node));
      const double* const rewards = tree_.rewards(edges.child()[step.edge]);
      for (std::size_t p = 0; p < players_; ++p) returns_[p] += rewards[p];
      Visit(edges, step);
    }
  }

  // A simulation that steps through all of it.
  void Sample(const Draw& draw) {
    path_.clear();
    std::byte* const world = walker_.row();
    std::memcpy(world, world_, row_bytes_);
    Kernel::Header(world).seed = draw.seed;
    std::copy(root_mask_.begin(), root_mask_.end(), mask_.data());
    rewards_.clear();
    std::int32_t node = kRoot, visits = done_;
    to_play_ = tree_.head(kRoot).mover;
    for (;;) {
      if (tree_.head(node).edges == kNone) {
        const Edges made = tree_.AddEdges(node, actions_);
        for (std::size_t a = 0; a < actions_; ++a) {
          made.action()[a] = static_cast<std::uint16_t>(a);
        }
      }
      const Edges edges = tree_.edges(tree_.head(node));
      const std::int32_t edge = Available(edges, node, visits, draw);
      if (edge == kNone) {
        std::ranges::fill(returns_, 0.0);
        break;
      }
      path_.push_back({node, edge, static_cast<std::int32_t>(to_play_)});
      const bool fresh = edges.child()[edge] == kNone;
      if (fresh) {
        const std::int32_t child = tree_.AddNode();
        tree_.edges(tree_.head(node)).child()[edge] = child;
      }
      const Edges now = tree_.edges(tree_.head(node));
      visits = now.visits()[edge];
      node = now.child()[edge];
      Move(world, edge);
      rewards_.insert(rewards_.end(), score_.begin(), score_.end());
      if (Kernel::Header(world).ended()) {
        std::ranges::fill(returns_, 0.0);
        break;
      }
      if (fresh) {
        Head here{};
        here.mover = static_cast<std::uint8_t>(to_play_);
        Score(world, here, draw);
        break;
      }
    }
    for (std::size_t d = path_.size(); d-- > 0;) {
      for (std::size_t p = 0; p < players_; ++p) returns_[p] += rewards_[d * players_ + p];
      Visit(tree_.edges(tree_.head(path_[d].node)), path_[d]);
    }
  }

  ROLLOUT_INLINE std::int32_t Best(const Edges& edges, std::int32_t visits) {
    const F8 factor =
        search::Fill(static_cast<float>(settings_.c) * roots_.RootLog(std::max(visits, 1)));
    const std::size_t vectors = edges.width() / kLanes;
    if (vectors == 1) {
      // most nodes of small games: from the registers, since the next level waits for this
      const F8 score = search::Load(edges.q()) + factor * search::Load(edges.spread());
      return std::countr_zero(search::Bits(score >= search::MaxAcross(score)));
    }
    for (std::size_t i = 0; i < vectors; ++i) {
      scores_[i] =
          search::Load(edges.q() + i * kLanes) + factor * search::Load(edges.spread() + i * kLanes);
    }
    return search::Argmax(scores_.get(), vectors);
  }

  // The edge to take, of those that are legal this time; kNone if none is.
  std::int32_t Available(const Edges& edges, std::int32_t node, std::int32_t visits,
                         const Draw& draw) {
    const bool at_root = node == kRoot && forbidden_ != nullptr;
    const auto legal = [&](std::size_t a) { return mask_[a] != 0 && !(at_root && forbidden_[a]); };
    std::size_t untried = 0;
    for (std::size_t a = 0; a < actions_; ++a) untried += legal(a) && edges.visits()[a] == 0;
    if (untried > 0) {
      std::size_t left = draw.Below(untried);
      for (std::size_t a = 0;; ++a) {
        if (legal(a) && edges.visits()[a] == 0 && left-- == 0) return static_cast<std::int32_t>(a);
      }
    }
    const float factor = static_cast<float>(settings_.c) * roots_.RootLog(std::max(visits, 1));
    std::int32_t best = kNone;
    float highest = -kInfinity;
    for (std::size_t a = 0; a < actions_; ++a) {
      const float score = edges.q()[a] + factor * edges.spread()[a];
      if (!legal(a) || score <= highest) continue;
      highest = score;
      best = static_cast<std::int32_t>(a);
    }
    return best;
  }

  ROLLOUT_INLINE void Visit(const Edges& edges, const Step& step) {
    const std::int32_t visits = ++edges.visits()[step.edge];
    const double sum = edges.sum()[step.edge] += returns_[static_cast<std::size_t>(step.mover)];
    edges.q()[step.edge] = static_cast<float>(sum / visits);
    edges.spread()[step.edge] = roots_.InverseRoot(visits);
  }

  // Makes the edges of a node: its legal actions.
  void Open(std::int32_t node) {
    if (kernel_.can().action_mask) {
      View look;
      look.action_mask = mask_.data();
      kernel_.Look(tree_.world(node), look, 0, 1);
    }
    const bool at_root = node == kRoot && forbidden_ != nullptr;
    std::size_t count = 0;
    for (std::size_t a = 0; a < actions_; ++a) {
      legal_[count] = static_cast<std::uint16_t>(a);
      count += mask_[a] != 0 && !(at_root && forbidden_[a]);
    }
    std::copy_n(legal_.data(), count, tree_.AddEdges(node, count).action());
    // where nobody can move, nothing comes after
    if (count == 0) tree_.head(node).ended = 1;
  }

  // Makes the node that an edge leads to.
  ROLLOUT_INLINE std::int32_t Grow(std::int32_t node, std::int32_t edge) {
    const std::int32_t child = tree_.AddNode();
    const Edges edges = tree_.edges(tree_.head(node));
    edges.child()[edge] = child;
    std::memcpy(tree_.world(child), tree_.world(node), row_bytes_);
    Move(tree_.world(child), edges.action()[edge]);
    std::copy(score_.begin(), score_.end(), tree_.rewards(child));
    Settle(child, tree_.world(child));
    return child;
  }

  void Settle(std::int32_t node, const std::byte* world) {
    Head& head = tree_.head(node);
    head.mover = static_cast<std::uint8_t>(to_play_);
    head.ended = Kernel::Header(world).ended();
  }

  // Steps a world; what everyone got goes to score_.
  ROLLOUT_INLINE void Move(std::byte* world, std::int64_t action) {
    kernel_.Step(world, &action, Autoreset::kDisabled, out_, 0, 1);
    if (!kernel_.can().to_play) {
      score_[0] = reward_;
    } else {
      for (std::size_t p = 0; p < players_; ++p) {
        score_[p] = scale_ * static_cast<double>(signals_[kernel_.rewards_at() + p]);
      }
    }
  }

  // What everyone gets from a world on, to returns_.
  ROLLOUT_INLINE void Score(const std::byte* world, const Head& head, const Draw& draw) {
    if (head.ended) {
      std::ranges::fill(returns_, 0.0);
      return;
    }
    if (settings_.evaluate != nullptr) return Ask(world, head.mover);
    for (std::int32_t k = 0; k < settings_.playouts; ++k) {
      std::memcpy(playout_.row(), world, row_bytes_);
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
    const Head& root = tree_.head(kRoot);
    if (root.edges == kNone) return;
    const Edges edges = tree_.edges(root);
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

  static constexpr std::int32_t kRoot = 0;

  const Kernel& kernel_;
  const Settings& settings_;
  const Roots& roots_;
  Watch& watch_;
  const std::size_t row_bytes_, actions_, players_;
  const double scale_;
  Tree tree_;
  PlayoutSpace playout_, walker_;
  std::vector<float> signals_;
  std::vector<std::int8_t> mask_, root_mask_;
  std::vector<std::uint16_t> legal_;
  std::unique_ptr<F8[]> scores_;  // not a vector, which forgets the alignment of F8
  std::vector<double> returns_, score_, rewards_;
  std::vector<std::uint64_t> obs_;
  std::vector<Step> path_;
  void* obs_at_ = nullptr;
  double reward_ = 0.0;
  bool terminated_ = false, truncated_ = false;
  std::int64_t to_play_ = 0;
  StepOutputs out_;
  std::size_t row_ = 0;
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
