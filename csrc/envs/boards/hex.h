// Hex-v0: join your two sides of a rhombus of hexagons; player 0 the top and the bottom, player 1
// the left and the right. There are no draws.
//
// Cell (row, column) touches its neighbours in the row and in the column, and those at (row - 1,
// column + 1) and (row + 1, column - 1). Actions are cells, row by row. As in OpenSpiel's hex
// (without its swap), whose legal moves, ends and returns it has.
//
// Joined stones are a tree of `parent` links whose root knows which sides it touches, so a move
// costs six finds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "envs/boards/board.h"

namespace rollout::boards {

struct HexParams {
  static constexpr int kNeighbours = 6;

  explicit HexParams(int size = 11) : size(size), neighbours(cells()), sides{} {
    constexpr int kOffsets[kNeighbours][2] = {{-1, 0}, {-1, 1}, {0, 1}, {1, 0}, {1, -1}, {0, -1}};
    for (std::vector<std::uint8_t>& touched : sides) touched.resize(cells());
    for (int row = 0; row < size; ++row) {
      for (int column = 0; column < size; ++column) {
        const int cell = size * row + column;
        for (int k = 0; k < kNeighbours; ++k) {
          const int r = row + kOffsets[k][0], c = column + kOffsets[k][1];
          const bool inside = r >= 0 && r < size && c >= 0 && c < size;
          neighbours[cell][k] = static_cast<std::uint16_t>(inside ? size * r + c : cells());
        }
        sides[0][cell] = static_cast<std::uint8_t>((row == 0) | (row == size - 1) << 1);
        sides[1][cell] = static_cast<std::uint8_t>((column == 0) | (column == size - 1) << 1);
      }
    }
  }

  int cells() const { return size * size; }

  int size;
  std::vector<std::array<std::uint16_t, kNeighbours>> neighbours;  // cells() where there is none
  std::array<std::vector<std::uint8_t>, 2> sides;  // by player: 1 for the first side, 2 the other
};

// Boards of up to kMaxSide x kMaxSide; a smaller one is faster to copy.
template <int kMaxSide>
struct Hex {
  using Action = std::int64_t;
  using Obs = std::uint8_t;
  using Params = HexParams;
  static constexpr std::size_t kGrainRows = 64;
  static constexpr bool kPaysAtEnd = true;
  static constexpr int kLargest = kMaxSide;
  static constexpr int kMaxCells = kMaxSide * kMaxSide;
  static constexpr int kBothSides = 3;

  struct State {
    std::uint16_t parent[kMaxCells];  // towards the root of a cell's group, which is its own
    std::uint8_t sides[kMaxCells];    // of a root: which sides the group touches
    std::uint8_t
        color[kMaxCells + 1];  // 0 empty, 1 player 0, 2 player 1; the last is off the board
    std::uint8_t to_play;
    std::uint8_t over;
  };

  static EnvSpec Describe(const Params& params) {
    return DescribeBoard("Hex-v0", 3, params.size, params.size, params.cells());
  }

  static void Reset(const Params&, State& state, const StepKey&) { state = {}; }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const int mover = state.to_play;
    state.to_play ^= 1;
    if (!Place(params, state, static_cast<int>(*action), mover)) return {};
    state.over = 1;
    return Settle(mover, 1, extras);
  }

  // Plane 2 is all 1 where player 1 is to move, who joins left and right.
  static void Observe(const Params& params, const State& state, Obs* out) {
    const int cells = params.cells(), mine = 1 + state.to_play, theirs = 2 - state.to_play;
    for (int i = 0; i < cells; ++i) out[i] = state.color[i] == mine;
    for (int i = 0; i < cells; ++i) out[cells + i] = state.color[i] == theirs;
    std::memset(out + 2 * cells, state.to_play, static_cast<std::size_t>(cells));
  }

  static void LegalActions(const Params& params, const State& state, std::int8_t* mask) {
    for (int i = 0; i < params.cells(); ++i) mask[i] = state.color[i] == 0;
    if (state.over) std::memset(mask, 0, static_cast<std::size_t>(params.cells()));
  }

  static bool IsLegal(const Params&, const State& state, const Action* action) {
    return !state.over && state.color[*action] == 0;
  }

  static int ToPlay(const Params&, const State& state) { return state.to_play; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/boards.cc

  // Puts a stone on an empty cell; whether it joins the player's sides.
  static bool Place(const Params& params, State& state, int cell, int player) {
    const std::uint8_t color = static_cast<std::uint8_t>(1 + player);
    state.color[cell] = color;
    state.parent[cell] = static_cast<std::uint16_t>(cell);
    state.sides[cell] = params.sides[player][cell];
    int root = cell;
    for (const std::uint16_t neighbour : params.neighbours[cell]) {
      if (neighbour >= params.cells() || state.color[neighbour] != color) continue;
      const int other = Root(state, neighbour);
      if (other == root) continue;
      state.parent[root] = static_cast<std::uint16_t>(other);
      state.sides[other] |= state.sides[root];
      root = other;
    }
    return state.sides[root] == kBothSides;
  }

 private:
  // halves the path on its way, which keeps later ones short
  static int Root(State& state, int cell) {
    while (state.parent[cell] != cell) {
      state.parent[cell] = state.parent[state.parent[cell]];
      cell = state.parent[cell];
    }
    return cell;
  }
};

}  // namespace rollout::boards
