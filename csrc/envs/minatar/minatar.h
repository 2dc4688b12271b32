// MinAtar: five small arcade games on a 10 x 10 grid. This is the frame that they share: actions,
// sticky actions, where the random numbers come from, and how a picture of planes is laid out.
//
// Step-equal with the `minatar` package from the same seed when `Draws` is NumpyDraws. The package
// was observed from outside only: these rules are written from its behaviour.
// Source: Young and Tian 2019, "MinAtar: An Atari-inspired testbed".
//
// A game is a struct of static functions over its World; those that draw numbers are templates over
// where the numbers come from:
//
//   struct Breakout {
//     static constexpr const char *kId, *kPlaneNames[], *kEventNames[];
//     static constexpr std::uint8_t kActions[];  // the minimal set
//     struct World { ... };                      // trivially copyable
//     static void Reset(World&, auto& draws);
//     static Outcome Step(World&, int action, const Options&, auto& draws, const Events&);
//     static void Paint(const World&, const Picture<4>&);  // onto zeros
//     static void Draw(const World&, int size, std::uint8_t* rgb);
//   };
//
// All functions are thread-safe for distinct states and never allocate.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>

#include "core/philox.h"
#include "envs/env.h"
#include "envs/numpy_random_state.h"

namespace rollout::minatar {

constexpr int kSize = 10;  // cells a side

// What a player may do, by its number in the full set.
enum Action : std::uint8_t { kNoop, kLeft, kUp, kRight, kDown, kFire, kNumActions };

struct Options {
  double sticky_action_prob = 0.1;  // how often the last executed action is repeated instead
  bool difficulty_ramping = true;
  bool minimal_actions = true;  // only the actions that do something, else all six
  bool packed = false;          // observations as bits
  std::int64_t max_episode_steps = 0;
};

// Counts of a step, kept only where someone asked.
class Events {
 public:
  explicit Events(std::uint8_t* counts) : counts_(counts) {}
  void Add(int event, int times = 1) const {
    if (counts_ != nullptr) counts_[event] = static_cast<std::uint8_t>(counts_[event] + times);
  }

 private:
  std::uint8_t* counts_;
};

// A [row, column, plane] picture of zeros and ones.
template <int kPlanes>
class Picture {
 public:
  static constexpr int kBytes = kSize * kSize * kPlanes;

  explicit Picture(std::uint8_t* cells) : cells_(cells) {}
  void Set(int row, int col, int plane) const { cells_[(row * kSize + col) * kPlanes + plane] = 1; }
  std::uint8_t* Row(int row) const { return cells_ + row * kSize * kPlanes; }

 private:
  std::uint8_t* cells_;
};

// Where numbers come from: the package's own stream, which a row carries (2.5 KB) ...
struct NumpyDraws {
  struct Kept {
    NumpyRandomState stream;
  };
  static NumpyRandomState& Reset(Kept& kept, const StepKey& key) {
    if (key.reseeded) kept.stream.Seed(key.seed);
    return kept.stream;
  }
  static NumpyRandomState& Step(Kept& kept, const StepKey&) { return kept.stream; }
};

// ... or a function of the row's place in its life: nothing to carry, for rows that are copied
// often.
struct PhiloxDraws {
  struct Kept {};
  static constexpr std::uint32_t kSite = 0x6d696e61;
  static PhiloxStream Reset(Kept& kept, const StepKey& key) { return Step(kept, key); }
  static PhiloxStream Step(Kept&, const StepKey& key) {
    return {key.seed, key.episode, key.step, kSite};
  }
};

template <class G, class Draws>
struct Env {
  using Action = std::int64_t;
  using Obs = std::uint8_t;
  using Game = G;
  static constexpr std::size_t kGrainRows = 64;
  static constexpr int kPlanes = static_cast<int>(std::size(Game::kPlaneNames));
  using Picture = minatar::Picture<kPlanes>;
  static constexpr int kPackedBytes = (Picture::kBytes + 7) / 8;

  using Params = Options;
  struct State {
    typename Game::World world;
    std::uint8_t last_action;  // the one executed last; outlives an episode, as the package's does
    [[no_unique_address]] typename Draws::Kept draws;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = Game::kId;
    spec.obs_shape = {kSize, kSize, kPlanes};
    if (params.packed) spec.obs_shape = {kPackedBytes};
    spec.obs_dtype = Dtype::kUint8;
    spec.obs_low = {0};
    spec.obs_high = {params.packed ? 255.0 : 1.0};
    spec.action_nvec = {params.minimal_actions ? std::ssize(Game::kActions) : int{kNumActions}};
    spec.max_episode_steps = params.max_episode_steps;
    spec.event_names.assign(std::begin(Game::kEventNames), std::end(Game::kEventNames));
    return spec;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    // a new seed makes the row as good as new
    if (key.reseeded) state.last_action = kNoop;
    auto&& draws = Draws::Reset(state.draws, key);
    Game::Reset(state.world, draws);
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey& key,
                      const StepExtras& extras) {
    auto&& draws = Draws::Step(state.draws, key);
    // drawn even where nothing sticks: the package does, and the stream must not depend on it
    const bool sticks = draws.NextDouble() < params.sticky_action_prob;
    if (!sticks) {
      state.last_action =
          params.minimal_actions ? Game::kActions[*action] : static_cast<std::uint8_t>(*action);
    }
    return Game::Step(state.world, state.last_action, params, draws, Events(extras.events));
  }

  static void Observe(const Params& params, const State& state, Obs* out) {
    if (params.packed) {
      alignas(16) std::uint8_t cells[kPackedBytes * 8];
      Paint(state, cells, sizeof(cells));
      Pack(cells, out);
    } else {
      Paint(state, out, Picture::kBytes);
    }
  }

  static void Render(const Params&, const State& state, int size, std::uint8_t* rgb) {
    Game::Draw(state.world, size, rgb);
  }

 private:
  static void Paint(const State& state, std::uint8_t* cells, std::size_t bytes) {
    std::memset(cells, 0, bytes);
    Game::Paint(state.world, Picture(cells));
  }

  // eight cells a byte, the first in the lowest bit
  static void Pack(const std::uint8_t* cells, std::uint8_t* out) {
    for (int i = 0; i < kPackedBytes; ++i) {
      // gather the lowest bits of eight bytes in the highest byte
      std::uint64_t eight = 0;
      std::memcpy(&eight, cells + i * 8, 8);
      out[i] = static_cast<std::uint8_t>((eight * 0x0102040810204080U) >> 56);
    }
  }
};

}  // namespace rollout::minatar
