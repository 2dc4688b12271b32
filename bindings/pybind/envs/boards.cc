// The board games: keywords, and positions as text, a string a row: 'x' is player 0, 'o' player 1.
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "envs/boards/connect_four.h"
#include "envs/boards/go.h"
#include "envs/boards/hex.h"
#include "envs/boards/othello.h"
#include "envs/boards/tic_tac_toe.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

using namespace boards;  // NOLINT: this file is about nothing else

// positions as text ------------------------------------------------------------------------------

using Colors = std::vector<std::uint8_t>;  // a cell: 0 empty, 1 player 0's, 2 player 1's

constexpr std::string_view kSymbols = ".xo";

[[noreturn]] void Refuse(const std::string& what, const std::string& rule, const py::object& got) {
  throw py::value_error("state: " + what + ": expected " + rule + ", got " +
                        py::repr(got).cast<std::string>());
}

py::dict Position(const Colors& colors, int width, int to_play) {
  py::list rows;
  for (std::size_t start = 0; start < colors.size(); start += static_cast<std::size_t>(width)) {
    std::string row;
    for (int column = 0; column < width; ++column) {
      row += kSymbols[colors[start + static_cast<std::size_t>(column)]];
    }
    rows.append(row);
  }
  py::dict out;
  out["board"] = rows;
  out["to_play"] = to_play;
  return out;
}

Colors ReadBoard(Kwargs& fields, int height, int width) {
  const py::object board = fields.Object("board");
  const std::string rule = std::to_string(height) + " strings of " + std::to_string(width) +
                           " characters, each one of '.', 'x' and 'o'";
  if (!py::isinstance<py::sequence>(board) || py::isinstance<py::str>(board) ||
      py::len(board) != static_cast<std::size_t>(height)) {
    Refuse("board", rule, board);
  }
  Colors colors;
  for (const py::handle row : board) {
    const std::string text = py::isinstance<py::str>(row) ? row.cast<std::string>() : "";
    if (text.size() != static_cast<std::size_t>(width)) Refuse("board", rule, board);
    for (const char symbol : text) {
      const std::size_t color = kSymbols.find(symbol);
      if (color == std::string_view::npos) Refuse("board", rule, board);
      colors.push_back(static_cast<std::uint8_t>(color));
    }
  }
  return colors;
}

std::uint8_t ReadToPlay(Kwargs& fields) {
  return static_cast<std::uint8_t>(fields.Int("to_play", 0, 0, 1));
}

// a game that is over when it is set stays over
void SetOver(RowHeader& header, std::uint8_t& over, bool is_over) {
  over = is_over;
  header.terminated = is_over;
}

// tic-tac-toe, connect four, Othello: a bit a cell -----------------------------------------------

template <class E>
struct Grid;
template <>
struct Grid<TicTacToe> {
  static constexpr int kHeight = 3, kWidth = 3, kStride = 3;
};
template <>
struct Grid<ConnectFour> {
  static constexpr int kHeight = 6, kWidth = 7, kStride = ConnectFour::kStride;
};
template <>
struct Grid<Othello> {
  static constexpr int kHeight = 8, kWidth = 8, kStride = 8;
};

template <class E>
py::dict GetBits(const typename E::Params&, const RowHeader&, const typename E::State& state) {
  using G = Grid<E>;
  Colors colors;
  for (int row = 0; row < G::kHeight; ++row) {
    for (int column = 0; column < G::kWidth; ++column) {
      const int bit = G::kStride * row + column;
      const auto has = [&](int player) { return state.stones[player] >> bit & 1; };
      colors.push_back(static_cast<std::uint8_t>(has(0) | has(1) << 1));
    }
  }
  return Position(colors, G::kWidth, state.to_play);
}

template <class E>
void SetBits(const typename E::Params&, RowHeader& header, typename E::State& state,
             const py::dict& values) {
  using G = Grid<E>;
  Kwargs fields("state", py::dict(values.attr("copy")()));
  const Colors colors = ReadBoard(fields, G::kHeight, G::kWidth);
  state = {};
  state.to_play = ReadToPlay(fields);
  for (int cell = 0; cell < G::kHeight * G::kWidth; ++cell) {
    const int color = colors[static_cast<std::size_t>(cell)];
    if (color == 0) continue;
    using Bits = std::remove_reference_t<decltype(state.stones[0])>;
    const int bit = cell / G::kWidth * G::kStride + cell % G::kWidth;
    state.stones[color - 1] |= static_cast<Bits>(Bits{1} << bit);
  }
  if constexpr (std::is_same_v<E, Othello>) {
    const std::uint64_t mine = state.stones[state.to_play];
    const std::uint64_t theirs = state.stones[1 - state.to_play];
    state.legal = Othello::Moves(mine, theirs);
    SetOver(header, state.over, state.legal == 0 && Othello::Moves(theirs, mine) == 0);
  } else {
    const bool lines[] = {E::HasLine(state.stones[0]), E::HasLine(state.stones[1])};
    if (lines[0] && lines[1]) Refuse("board", "a line of one player at most", values["board"]);
    if constexpr (std::is_same_v<E, ConnectFour>) {
      const std::uint64_t occupied = ConnectFour::Occupied(state);
      if ((occupied << G::kStride & ConnectFour::kFull & ~occupied) != 0) {
        Refuse("board", "stones that rest on the floor or on others", values["board"]);
      }
    }
    SetOver(header, state.over, lines[0] || lines[1] || E::Occupied(state) == E::kFull);
  }
}

template <class E>
EnvEntry BitsEntry(const char* id, const char* summary) {
  return MakeEntry<E>(
      id, summary, [](Kwargs&) { return typename E::Params{}; }, GetBits<E>, SetBits<E>);
}

// Hex and Go: a byte a cell, in two capacities ----------------------------------------------------

// One id for two instantiations; the smaller is for boards of up to its kLargest.
template <class Small, class Large>
EnvEntry Sized(const EnvEntry& small, const EnvEntry& large,
               typename Small::Params (*make_params)(Kwargs&)) {
  const auto pick = [small, large](const Kernel& kernel) -> const EnvEntry& {
    return dynamic_cast<const KernelOf<Small>*>(&kernel) != nullptr ? small : large;
  };
  return {small.id, small.summary,
          [make_params](Kwargs& kwargs) -> std::shared_ptr<const Kernel> {
            typename Small::Params params = make_params(kwargs);
            if (params.size > Small::kLargest) {
              return std::make_shared<KernelOf<Large>>(std::move(params));
            }
            return std::make_shared<KernelOf<Small>>(std::move(params));
          },
          [pick](const Kernel& kernel, const std::byte* row) {
            return pick(kernel).get_state(kernel, row);
          },
          [pick](const Kernel& kernel, std::byte* row, const py::dict& state) {
            pick(kernel).set_state(kernel, row, state);
          }};
}

template <class State>
py::dict ColorPosition(const State& state, int size) {
  return Position(Colors(state.color, state.color + size * size), size, state.to_play);
}

HexParams HexParamsFrom(Kwargs& kwargs) {
  return HexParams(static_cast<int>(kwargs.Int("size", 11, 2, 19)));
}

template <class E>
EnvEntry HexEntry() {
  return MakeEntry<E>(
      "Hex-v0", "join your two sides of a rhombus of hexagons", HexParamsFrom,
      [](const HexParams& params, const RowHeader&, const typename E::State& state) {
        return ColorPosition(state, params.size);
      },
      [](const HexParams& params, RowHeader& header, typename E::State& state,
         const py::dict& values) {
        Kwargs fields("state", py::dict(values.attr("copy")()));
        const Colors colors = ReadBoard(fields, params.size, params.size);
        state = {};
        state.to_play = ReadToPlay(fields);
        bool joined = false;
        for (int cell = 0; cell < params.cells(); ++cell) {
          const int color = colors[static_cast<std::size_t>(cell)];
          if (color != 0) joined |= E::Place(params, state, cell, color - 1);
        }
        SetOver(header, state.over, joined);
      });
}

GoParams GoParamsFrom(Kwargs& kwargs) {
  GoParams params(static_cast<int>(kwargs.Int("size", 9, 2, 19)));
  params.komi = kwargs.Double("komi", params.komi, -1000.0, 1000.0);
  params.superko = static_cast<Superko>(kwargs.Choice("superko", {"off", "draw", "positional"}));
  params.max_moves =
      static_cast<int>(kwargs.Int("max_moves", params.max_moves, 1, 2 * params.points()));
  return params;
}

template <class E>
py::dict GetGo(const GoParams& params, const RowHeader&, const typename E::State& state) {
  py::dict out = ColorPosition(state, params.size);
  out["ko"] = py::none();
  if (state.ko >= 0) out["ko"] = py::make_tuple(state.ko / params.size, state.ko % params.size);
  out["passes"] = state.passes;
  out["moves"] = state.moves;
  out["over"] = state.over != 0;
  if (params.superko != Superko::kOff) {
    std::vector<std::uint64_t> hashes;
    for (const std::uint64_t hash : state.history.positions.slots) {
      if (hash != 0) hashes.push_back(hash);
    }
    std::sort(hashes.begin(), hashes.end());
    out["positions"] = hashes;
  }
  return out;
}

std::int16_t ReadKo(Kwargs& fields, const Colors& colors, int size) {
  const py::object ko = fields.Object("ko");
  if (ko.is_none()) return -1;
  if (py::isinstance<py::sequence>(ko) && py::len(ko) == 2) {
    const auto coordinate = [&](int k) {
      const py::object value = ko[py::int_(k)];
      return py::isinstance<py::int_>(value) ? value.cast<std::int64_t>() : -1;
    };
    const std::int64_t row = coordinate(0), column = coordinate(1);
    if (row >= 0 && row < size && column >= 0 && column < size &&
        colors[static_cast<std::size_t>(size * row + column)] == 0) {
      return static_cast<std::int16_t>(size * row + column);
    }
  }
  Refuse("ko", "None or the (row, column) of an empty point", ko);
}

template <class Positions>
void ReadPositions(Kwargs& fields, const GoParams& params, Positions& positions) {
  const py::object given = fields.Object("positions");
  const auto most = static_cast<std::size_t>(2 * params.points());
  if (!py::isinstance<py::sequence>(given) || py::len(given) > most) {
    Refuse("positions", "a list of at most " + std::to_string(most) + " hashes", given);
  }
  for (const py::handle hash : given) {
    if (!py::isinstance<py::int_>(hash)) Refuse("positions", "integers", given);
    positions.Insert(hash.cast<std::uint64_t>());
  }
}

template <class E>
void SetGo(const GoParams& params, RowHeader& header, typename E::State& state,
           const py::dict& values) {
  Kwargs fields("state", py::dict(values.attr("copy")()));
  const Colors colors = ReadBoard(fields, params.size, params.size);
  E::Clear(params, state);
  for (int point = 0; point < params.points(); ++point) {
    const int color = colors[static_cast<std::size_t>(point)];
    if (color != 0) E::Place(params, state, point, color - 1);
  }
  // a chain without a liberty is still there, or took another off the board
  for (int point = 0; point < params.points(); ++point) {
    const int color = colors[static_cast<std::size_t>(point)];
    if (state.color[point] != color ||
        (color != 0 && state.chain[state.head[point]].liberties == 0)) {
      Refuse("board", "a liberty for each chain of stones", values["board"]);
    }
  }
  state.to_play = ReadToPlay(fields);
  state.ko = ReadKo(fields, colors, params.size);
  state.passes = static_cast<std::uint8_t>(fields.Int("passes", 0, 0, 2));
  state.moves = static_cast<std::uint16_t>(fields.Int("moves", 0, 0, params.max_moves));
  if (params.superko != Superko::kOff) {
    ReadPositions(fields, params, state.history.positions);
    state.history.positions.Insert(state.history.hash);
    state.history.captured = true;  // for all one knows
  }
  SetOver(header, state.over,
          fields.Bool("over", false) || state.passes == 2 || state.moves == params.max_moves);
}

template <class E>
EnvEntry GoEntry() {
  return MakeEntry<E>("Go-v0", "surround more than the opponent; area scoring, komi, superko",
                      GoParamsFrom, GetGo<E>, SetGo<E>);
}

}  // namespace

std::vector<EnvEntry> BoardEntries() {
  return {
      BitsEntry<TicTacToe>("TicTacToe-v0", "three in a row"),
      BitsEntry<ConnectFour>("ConnectFour-v0", "drop stones into columns; four in a row"),
      BitsEntry<Othello>("Othello-v0", "enclose stones to turn them"),
      Sized<Hex<11>, Hex<19>>(HexEntry<Hex<11>>(), HexEntry<Hex<19>>(), HexParamsFrom),
      Sized<Go<9>, Go<19>>(GoEntry<Go<9>>(), GoEntry<Go<19>>(), GoParamsFrom),
  };
}

}  // namespace rollout::bindings
