// Othello-v0: enclose the opponent's stones in lines to turn them; the most stones win.
//
// Actions 0 .. 63 are cells, row by row; 64 passes, and is legal only when nothing else is. Both
// players without a move end the game. As in OpenSpiel's othello, whose legal moves, ends and
// returns it has.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "envs/boards/board.h"

namespace rollout::boards {

struct Othello {
  using Action = std::int64_t;
  using Obs = std::uint8_t;
  static constexpr std::size_t kGrainRows = 64;
  static constexpr bool kPaysAtEnd = true;

  static constexpr int kSide = 8;
  static constexpr int kCells = kSide * kSide;
  static constexpr std::int64_t kPass = kCells;

  struct Params {};

  struct State {
    std::uint64_t stones[2];  // bit 8 * row + column
    std::uint64_t legal;      // cells where the player to move may play
    std::uint8_t to_play;
    std::uint8_t over;
  };

  static EnvSpec Describe(const Params&) {
    return DescribeBoard("Othello-v0", 2, kSide, kSide, kCells + 1);
  }

  static void Reset(const Params&, State& state, const StepKey&) {
    state = {};
    state.stones[0] = Bit(3, 4) | Bit(4, 3);
    state.stones[1] = Bit(3, 3) | Bit(4, 4);
    state.legal = Moves(state.stones[0], state.stones[1]);
  }

  static Outcome Step(const Params&, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const int mover = state.to_play;
    std::uint64_t& mine = state.stones[mover];
    std::uint64_t& theirs = state.stones[1 - mover];
    if (*action != kPass) {
      const std::uint64_t cell = std::uint64_t{1} << *action;
      const std::uint64_t turned = Turned(mine, theirs, cell);
      mine |= turned | cell;
      theirs ^= turned;
    }
    state.to_play ^= 1;
    state.legal = Moves(theirs, mine);
    if (state.legal != 0 || Moves(mine, theirs) != 0) return {};
    state.over = 1;
    const int lead = std::popcount(mine) - std::popcount(theirs);
    return Settle(mover, (lead > 0) - (lead < 0), extras);
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    WriteBits<kCells>(state.stones[state.to_play], out);
    WriteBits<kCells>(state.stones[state.to_play ^ 1], out + kCells);
  }

  static void LegalActions(const Params&, const State& state, std::int8_t* mask) {
    WriteBits<kCells>(state.over ? 0 : state.legal, mask);
    mask[kPass] = !state.over && state.legal == 0;
  }

  static bool IsLegal(const Params&, const State& state, const Action* action) {
    if (state.over) return false;
    return *action == kPass ? state.legal == 0 : (state.legal >> *action & 1) != 0;
  }

  static int ToPlay(const Params&, const State& state) { return state.to_play; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/boards.cc

  static constexpr std::uint64_t Bit(int row, int column) {
    return std::uint64_t{1} << (kSide * row + column);
  }

  // Cells where `mine` would enclose some of `theirs`.
  static std::uint64_t Moves(std::uint64_t mine, std::uint64_t theirs) {
    std::uint64_t moves = 0;
    for (const Line& line : kLines) {
      const std::uint64_t inner = theirs & line.inner;
      moves |= Run<true>(mine, inner, line.step) << line.step;
      moves |= Run<false>(mine, inner, line.step) >> line.step;
    }
    return moves & ~(mine | theirs);
  }

  // The stones of `theirs` that a stone of `mine` on `cell` turns.
  static std::uint64_t Turned(std::uint64_t mine, std::uint64_t theirs, std::uint64_t cell) {
    std::uint64_t turned = 0;
    for (const Line& line : kLines) {
      const std::uint64_t inner = theirs & line.inner;
      const std::uint64_t up = Run<true>(cell, inner, line.step);
      const std::uint64_t down = Run<false>(cell, inner, line.step);
      turned |= (up << line.step & mine) != 0 ? up : 0;
      turned |= (down >> line.step & mine) != 0 ? down : 0;
    }
    return turned;
  }

 private:
  // a line through the board: the distance between its cells, and the cells that a run along it may
  // cross without leaving the row
  struct Line {
    int step;
    std::uint64_t inner;
  };
  static constexpr std::uint64_t kInnerColumns = 0x7E7E'7E7E'7E7E'7E7E;
  static constexpr Line kLines[] = {
      {1, kInnerColumns}, {7, kInnerColumns}, {8, ~std::uint64_t{0}}, {9, kInnerColumns}};

  // the unbroken runs of `inner` that begin next to `from`, in one direction; at most 6 long
  template <bool kUp>
  static std::uint64_t Run(std::uint64_t from, std::uint64_t inner, int step) {
    const auto shift = [](std::uint64_t bits, int by) { return kUp ? bits << by : bits >> by; };
    std::uint64_t run = inner & shift(from, step);
    run |= inner & shift(run, step);
    const std::uint64_t pairs = inner & shift(inner, step);
    run |= pairs & shift(run, 2 * step);
    run |= pairs & shift(run, 2 * step);
    return run;
  }
};

}  // namespace rollout::boards
