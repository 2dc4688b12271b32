// 2048-v0: slide all tiles of a 4 x 4 board; equal ones that meet merge; then a new tile appears.
//
// The reward is the sum of the tiles that a slide makes. A new tile is a 2 (chance 0.9) or a 4, on
// any empty cell alike; a game begins with two. As in OpenSpiel's 2048, whose legal moves, rewards,
// chances and ends it has (with max_tile).
//
// A step is Slide, which is the player's, and Resolve, which is chance's; planners may take them
// one by one. The state in between, the afterstate, awaits a tile and has no legal actions.
//
// A slide works on the four lines at once: byte k of a Lane belongs to line k, and lane 0 has the
// tiles next to the wall that the board slides to.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/philox.h"
#include "envs/env.h"

namespace rollout {

struct Game2048 {
  using Action = std::int64_t;  // where to slide: 0 up, 1 right, 2 down, 3 left
  using Obs = std::uint8_t;
  static constexpr std::size_t kGrainRows = 64;

  static constexpr int kSide = 4;
  static constexpr int kCells = kSide * kSide;
  static constexpr int kActions = 4;
  static constexpr int kLargest = 17;           // 2^17 is the largest tile that a board can hold
  static constexpr int kOutcomes = 2 * kCells;  // 2 * cell + 1 if the new tile is a 4
  static constexpr double kChanceOfFour = 0.1;

  struct Params {
    int max_tile = 0;  // the game is over when 2^max_tile is made; 0: never
  };

  struct State {
    std::uint8_t tile[kCells];  // 0 none, k a tile of 2^k; row by row
    std::uint8_t legal;         // a bit for each action that changes the board, if it is the time
    std::uint8_t awaits_tile;
    std::uint8_t over;
  };

  static EnvSpec Describe(const Params&) {
    EnvSpec spec;
    spec.id = "2048-v0";
    spec.obs_shape = {kSide, kSide};
    spec.obs_dtype = Dtype::kUint8;
    spec.obs_low = {0};
    spec.obs_high = {kLargest};
    spec.action_nvec = {kActions};
    return spec;
  }

  static void Reset(const Params& params, State& state, const StepKey& key) {
    state = {};
    PhiloxStream stream(key.seed, key.episode, key.step, 0);
    for (int k = 0; k < 2; ++k) {
      state.awaits_tile = 1;
      Resolve(params, state, DrawOutcome(state, stream));
    }
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey& key,
                      const StepExtras&);

  static void Observe(const Params&, const State& state, Obs* out) {
    std::memcpy(out, state.tile, kCells);
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/game2048.cc

  static void LegalActions(const Params&, const State& state, std::int8_t* mask) {
    for (int a = 0; a < kActions; ++a) mask[a] = state.legal >> a & 1;
  }

  static bool IsLegal(const Params&, const State& state, const Action* action) {
    return state.legal >> *action & 1;
  }

  // The player's part of a step, to the afterstate; the sum of the tiles made. The game may be
  // over.
  static double Slide(const Params& params, State& state, Action action) {
    Lanes lanes = LanesOf(state, action);
    // three rounds bring every tile down past the empty cells below it
    for (int last = kSide - 1; last > 0; --last) {
      for (int k = 0; k < last; ++k) {
        const Lane empty = ZeroBytes(lanes[k]);
        lanes[k] |= lanes[k + 1] & empty;
        lanes[k + 1] &= ~empty;
      }
    }
    std::int64_t made = 0;
    for (int k = 0; k + 1 < kSide; ++k) {
      const Lane merge = ZeroBytes(lanes[k] ^ lanes[k + 1]) & ~ZeroBytes(lanes[k]);
      if (merge == 0) continue;
      lanes[k] += merge & kOnes;
      for (int j = k + 1; j < kSide; ++j) {
        const Lane above = j + 1 < kSide ? lanes[j + 1] : 0;
        lanes[j] = (lanes[j] & ~merge) | (above & merge);
      }
      for (int line = 0; line < kSide; ++line) {
        const unsigned tile = lanes[k] >> (8 * line) & 0xFF;
        const bool merged = merge >> (8 * line) & 1;
        made += std::int64_t{merged} << tile;
        state.over |=
            merged && params.max_tile > 0 && tile >= static_cast<unsigned>(params.max_tile);
      }
    }
    Store(lanes, state, action);
    state.awaits_tile = !state.over;
    state.legal = 0;
    return static_cast<double>(made);
  }

  // Chance's part: the new tile of an afterstate, on an empty cell.
  static void Resolve(const Params& params, State& state, int outcome) {
    state.tile[outcome / 2] = static_cast<std::uint8_t>(1 + outcome % 2);
    state.awaits_tile = 0;
    Judge(params, state);
  }

  // The chance of each outcome of an afterstate.
  static void OutcomeChances(const State& state, double* chances) {
    int empty = 0;
    for (const std::uint8_t tile : state.tile) empty += tile == 0;
    for (int cell = 0; cell < kCells; ++cell) {
      const bool possible = state.awaits_tile && state.tile[cell] == 0;
      chances[2 * cell] = possible ? (1.0 - kChanceOfFour) / empty : 0.0;
      chances[2 * cell + 1] = possible ? kChanceOfFour / empty : 0.0;
    }
  }

  // Works out what is legal, and whether the game is over, from the tiles.
  static void Judge(const Params& params, State& state) {
    const bool made = params.max_tile > 0 &&
                      *std::max_element(state.tile, state.tile + kCells) >= params.max_tile;
    state.legal = state.awaits_tile || made ? std::uint8_t{0} : Slides(state);
    state.over = !state.awaits_tile && state.legal == 0;
  }

 private:
  using Lane = std::uint32_t;
  using Lanes = std::array<Lane, kSide>;
  static constexpr Lane kOnes = 0x01010101;

  // 0xFF where a byte is 0, else 0; bytes are at most 0x80
  static Lane ZeroBytes(Lane bytes) {
    const Lane high = (bytes + 0x7F7F7F7F) & 0x80808080;
    return ~((high >> 7) * 0xFF);
  }

  static Lanes Rows(const State& state) {
    Lanes rows;
    std::memcpy(rows.data(), state.tile, sizeof rows);
    return rows;
  }

  static Lanes Transposed(const Lanes& m) {
    constexpr Lane kEven = 0x00FF00FF, kLow = 0x0000FFFF;
    const Lane a = (m[0] & kEven) | (m[1] & kEven) << 8, b = (m[0] >> 8 & kEven) | (m[1] & ~kEven);
    const Lane c = (m[2] & kEven) | (m[3] & kEven) << 8, d = (m[2] >> 8 & kEven) | (m[3] & ~kEven);
    return {(a & kLow) | c << 16, (b & kLow) | d << 16, a >> 16 | (c & ~kLow),
            b >> 16 | (d & ~kLow)};
  }

  // lanes from the wall on: rows for up and down, columns for left and right
  static bool IsSideways(Action action) { return action == 1 || action == 3; }
  static bool IsReversed(Action action) { return action == 1 || action == 2; }

  static Lanes LanesOf(const State& state, Action action) {
    Lanes lanes = Rows(state);
    if (IsSideways(action)) lanes = Transposed(lanes);
    if (IsReversed(action)) lanes = {lanes[3], lanes[2], lanes[1], lanes[0]};
    return lanes;
  }

  static void Store(Lanes lanes, State& state, Action action) {
    if (IsReversed(action)) lanes = {lanes[3], lanes[2], lanes[1], lanes[0]};
    if (IsSideways(action)) lanes = Transposed(lanes);
    std::memcpy(state.tile, lanes.data(), sizeof lanes);
  }

  // a bit for each action that changes the board
  static std::uint8_t Slides(const State& state) {
    const Lanes rows = Rows(state), columns = Transposed(rows);
    const auto [up, down] = BothWays(rows);
    const auto [left, right] = BothWays(columns);
    return static_cast<std::uint8_t>(up | right << 1 | down << 2 | left << 3);
  }

  // whether anything moves towards lane 0, and towards lane 3
  static std::array<bool, 2> BothWays(const Lanes& lanes) {
    Lane to_first = 0, to_last = 0;
    for (int k = 0; k + 1 < kSide; ++k) {
      const Lane here = ~ZeroBytes(lanes[k]), next = ~ZeroBytes(lanes[k + 1]);
      const Lane merge = ZeroBytes(lanes[k] ^ lanes[k + 1]) & here;
      to_first |= merge | (next & ~here);
      to_last |= merge | (here & ~next);
    }
    return {to_first != 0, to_last != 0};
  }

  static int DrawOutcome(const State& state, PhiloxStream& stream) {
    int empty[kCells], count = 0;
    for (int cell = 0; cell < kCells; ++cell) {
      empty[count] = cell;
      count += state.tile[cell] == 0;
    }
    const int cell = empty[stream.Below(static_cast<std::uint32_t>(count))];
    return 2 * cell + (stream.NextDouble() < kChanceOfFour);
  }
};

}  // namespace rollout

#include "envs/chance/game2048_avx2.h"

namespace rollout {

inline Outcome Game2048::Step(const Params& params, State& state, const Action* action,
                              const StepKey& key, const StepExtras&) {
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) {
    return Game2048Avx2::Step(params, state, static_cast<std::size_t>(*action), key);
  }
#endif
  const double reward = Slide(params, state, *action);
  if (!state.over) {
    PhiloxStream stream(key.seed, key.episode, key.step, 0);
    Resolve(params, state, DrawOutcome(state, stream));
  }
  return {reward, state.over != 0};
}

}  // namespace rollout
