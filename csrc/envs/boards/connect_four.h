// ConnectFour-v0: drop a stone into one of seven columns; four in a row win.
//
// Action c drops into column c, as in OpenSpiel's connect_four, whose legal moves, ends and returns
// it has. Row 0 is the top.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "envs/boards/board.h"

namespace rollout::boards {

struct ConnectFour {
  using Action = std::int64_t;
  using Obs = std::uint8_t;
  static constexpr std::size_t kGrainRows = 256;
  static constexpr bool kPaysAtEnd = true;

  static constexpr int kRows = 6;
  static constexpr int kColumns = 7;

  // cell (row, column) is bit 8 * row + column: the eighth bit of a row stays empty, so that no
  // line runs over the edge
  static constexpr int kStride = 8;
  static constexpr std::uint64_t kTopRow = 0x7F;
  static constexpr std::uint64_t kColumn = 0x0000'0101'0101'0101;
  static constexpr std::uint64_t kFull = kColumn * kTopRow;

  struct Params {};

  struct State {
    std::uint64_t stones[2];
    std::uint8_t to_play;
    std::uint8_t over;
  };

  static EnvSpec Describe(const Params&) {
    return DescribeBoard("ConnectFour-v0", 2, kRows, kColumns, kColumns);
  }

  static void Reset(const Params&, State& state, const StepKey&) { state = {}; }

  static Outcome Step(const Params&, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const int mover = state.to_play;
    // the lowest empty cell is the highest bit
    const std::uint64_t empty = ~Occupied(state) & (kColumn << *action);
    state.stones[mover] |= std::bit_floor(empty);
    state.to_play ^= 1;
    const bool won = HasLine(state.stones[mover]);
    if (!won && Occupied(state) != kFull) return {};
    state.over = 1;
    return Settle(mover, won ? 1 : 0, extras);
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    WriteCells(state.stones[state.to_play], out);
    WriteCells(state.stones[state.to_play ^ 1], out + kRows * kColumns);
  }

  static std::uint64_t LegalBits(const Params&, const State& state) {
    return state.over ? 0 : ~Occupied(state) & kTopRow;
  }

  static void LegalActions(const Params& params, const State& state, std::int8_t* mask) {
    WriteBits<kColumns>(LegalBits(params, state), mask);
  }

  static bool IsLegal(const Params&, const State& state, const Action* action) {
    return !state.over && (Occupied(state) >> *action & 1) == 0;
  }

  static int ToPlay(const Params&, const State& state) { return state.to_play; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/boards.cc

  static std::uint64_t Occupied(const State& state) { return state.stones[0] | state.stones[1]; }

  static bool HasLine(std::uint64_t stones) {
    std::uint64_t found = 0;
    for (const int step : {1, kStride - 1, kStride, kStride + 1}) {
      const std::uint64_t pairs = stones & (stones >> step);
      found |= pairs & (pairs >> (2 * step));
    }
    return found != 0;
  }

 private:
  static void WriteCells(std::uint64_t stones, Obs* out) {
    // the eighth byte of a row is the first of the next one, which overwrites it
    for (int row = 0; row < kRows - 1; ++row) {
      WriteBits<8>(stones >> (kStride * row), out + kColumns * row);
    }
    WriteBits<kColumns>(stones >> (kStride * (kRows - 1)), out + kColumns * (kRows - 1));
  }
};

}  // namespace rollout::boards
