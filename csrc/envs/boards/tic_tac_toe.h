// TicTacToe-v0: three in a row on a board of 3 x 3.
//
// Cells and actions are numbered row by row, as in OpenSpiel's tic_tac_toe, whose legal moves, ends
// and returns it has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "envs/boards/board.h"

namespace rollout::boards {

struct TicTacToe {
  using Action = std::int64_t;
  using Obs = std::uint8_t;
  static constexpr std::size_t kGrainRows = 512;
  static constexpr bool kPaysAtEnd = true;

  static constexpr int kSide = 3;
  static constexpr int kCells = kSide * kSide;
  static constexpr unsigned kFull = (1u << kCells) - 1;

  struct Params {};

  struct State {
    std::uint16_t stones[2];  // a bit a cell, for each player
    std::uint8_t to_play;
    std::uint8_t over;
  };

  static EnvSpec Describe(const Params&) {
    return DescribeBoard("TicTacToe-v0", 2, kSide, kSide, kCells);
  }

  static void Reset(const Params&, State& state, const StepKey&) { state = {}; }

  static Outcome Step(const Params&, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const int mover = state.to_play;
    state.stones[mover] |= static_cast<std::uint16_t>(1u << *action);
    state.to_play ^= 1;
    const bool won = HasLine(state.stones[mover]);
    if (!won && Occupied(state) != kFull) return {};
    state.over = 1;
    return Settle(mover, won ? 1 : 0, extras);
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    Write(state.stones[state.to_play], out);
    Write(state.stones[state.to_play ^ 1], out + kCells);
  }

  static std::uint64_t LegalBits(const Params&, const State& state) {
    return state.over ? 0 : ~Occupied(state) & kFull;
  }

  static void LegalActions(const Params& params, const State& state, std::int8_t* mask) {
    Write(LegalBits(params, state), mask);
  }

  static bool IsLegal(const Params&, const State& state, const Action* action) {
    return !state.over && (Occupied(state) >> *action & 1) == 0;
  }

  static int ToPlay(const Params&, const State& state) { return state.to_play; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/boards.cc

  static unsigned Occupied(const State& state) {
    return static_cast<unsigned>(state.stones[0] | state.stones[1]);
  }

  static void Write(std::uint64_t cells, void* out) {
    std::memcpy(out, kBytes[cells].data(), kCells);
  }

  static bool HasLine(unsigned stones) { return kHasLine[stones >> 5] >> (stones & 31) & 1; }

 private:
  // a byte a cell for each of the 512 sets of cells, each set at a multiple of 16 bytes
  static constexpr std::array<std::array<std::uint8_t, 16>, kFull + 1> kBytes = [] {
    std::array<std::array<std::uint8_t, 16>, kFull + 1> table{};
    for (unsigned cells = 0; cells <= kFull; ++cells) {
      for (unsigned k = 0; k < kCells; ++k) table[cells][k] = cells >> k & 1;
    }
    return table;
  }();

  // a bit for each of the 512 sets of cells
  static constexpr std::array<std::uint32_t, 16> kHasLine = [] {
    constexpr unsigned kLines[] = {0007, 0070, 0700, 0111, 0222, 0444, 0421, 0124};
    std::array<std::uint32_t, 16> table{};
    for (unsigned stones = 0; stones <= kFull; ++stones) {
      for (const unsigned line : kLines) {
        if ((stones & line) == line) table[stones >> 5] |= 1u << (stones & 31);
      }
    }
    return table;
  }();
};

}  // namespace rollout::boards
