// 2048: its keywords, its states as dicts, and its steps in two halves for planners.
#include <bit>
#include <string>

#include "envs/chance/game2048.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

using Kernel2048 = KernelOf<Game2048>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Index = py::array_t<std::int64_t, py::array::c_style>;

[[noreturn]] void Refuse(const std::string& what, const std::string& rule, const py::object& got) {
  throw py::value_error(what + ": expected " + rule + ", got " + py::repr(got).cast<std::string>());
}

// k for 2^k in 2 .. 2^17, else -1
int ExponentOf(std::int64_t tile) {
  const bool fits = tile >= 2 && tile <= std::int64_t{1} << Game2048::kLargest;
  if (!fits || !std::has_single_bit(static_cast<std::uint64_t>(tile))) return -1;
  return std::countr_zero(static_cast<std::uint64_t>(tile));
}

Game2048::Params ParamsFrom(Kwargs& kwargs) {
  Game2048::Params params;
  const std::int64_t tile = kwargs.Int("max_tile", 0, 0);
  if (tile != 0) params.max_tile = ExponentOf(tile);
  // a 4 may come by itself, and must not win
  if (tile != 0 && params.max_tile < 3) {
    Refuse("2048-v0: max_tile", "0 or a power of two in 8..131072", py::int_(tile));
  }
  return params;
}

py::dict GetState(const Game2048::Params&, const RowHeader& header, const Game2048::State& state) {
  py::list board;
  for (int row = 0; row < Game2048::kSide; ++row) {
    py::list tiles;
    for (int column = 0; column < Game2048::kSide; ++column) {
      const int exponent = state.tile[Game2048::kSide * row + column];
      tiles.append(exponent == 0 ? 0 : 1 << exponent);
    }
    board.append(tiles);
  }
  py::dict out;
  out["board"] = board;
  out["awaits_tile"] = state.awaits_tile != 0;
  out["step"] = header.step;
  return out;
}

void SetState(const Game2048::Params& params, RowHeader& header, Game2048::State& state,
              const py::dict& values) {
  const std::string rule = "4 lists of 4 tiles, each 0 or a power of two in 2..131072";
  Kwargs fields("state", py::dict(values.attr("copy")()));
  const py::object board = fields.Object("board");
  const auto is_row = [](const py::handle& list) {
    return py::isinstance<py::sequence>(list) && !py::isinstance<py::str>(list) &&
           py::len(list) == Game2048::kSide;
  };
  if (!is_row(board)) Refuse("state: board", rule, board);
  int cell = 0;
  for (const py::handle row : board) {
    if (!is_row(row)) Refuse("state: board", rule, board);
    for (const py::handle tile : row) {
      const bool whole = py::isinstance<py::int_>(tile);
      const std::int64_t value = whole ? tile.cast<std::int64_t>() : -1;
      const int exponent = value == 0 ? 0 : ExponentOf(value);
      if (exponent < 0) Refuse("state: board", rule, board);
      state.tile[cell++] = static_cast<std::uint8_t>(exponent);
    }
  }
  state.awaits_tile = fields.Bool("awaits_tile", false);
  double chances[Game2048::kOutcomes];
  Game2048::OutcomeChances(state, chances);
  bool room = false;
  for (const double chance : chances) room |= chance > 0;
  if (state.awaits_tile && !room) Refuse("state: board", "room for the tile it awaits", board);
  Game2048::Judge(params, state);
  header.terminated = state.over;
  header.step = static_cast<std::uint32_t>(fields.Int("step", 0, 0, UINT32_MAX));
}

// a step in two halves ----------------------------------------------------------------------------

const Kernel2048& KernelIn(const EnvBatch& env) {
  const auto* kernel = dynamic_cast<const Kernel2048*>(&env.batch.kernel());
  if (kernel == nullptr) throw py::type_error("env: expected a batch of 2048-v0");
  return *kernel;
}

// Calls half(params, header, state, i) on copies of rows, which it returns.
template <class Half>
Bytes EachRow(const EnvBatch& env, const Bytes& rows, Half&& half) {
  const Kernel2048& kernel = KernelIn(env);
  Bytes after({rows.shape(0), rows.shape(1)});
  std::memcpy(after.mutable_data(), rows.data(), static_cast<std::size_t>(rows.nbytes()));
  for (py::ssize_t i = 0; i < rows.shape(0); ++i) {
    auto* const row = reinterpret_cast<std::byte*>(after.mutable_data(i, 0));
    half(kernel.ParamsOf(row), Kernel::Header(row), Kernel2048::StateOf(row), i);
    kernel.ForgetFrames(row);
  }
  return after;
}

py::tuple Afterstates(const EnvBatch& env, const Bytes& rows, const Index& actions) {
  py::array_t<double> rewards(rows.shape(0));
  py::array_t<double> chances(std::vector<py::ssize_t>{rows.shape(0), Game2048::kOutcomes});
  Bytes after = EachRow(env, rows, [&](const auto& params, RowHeader& header, auto& state, auto i) {
    const std::int64_t action = actions.at(i);
    if (action < 0 || action >= Game2048::kActions || !Game2048::IsLegal(params, state, &action)) {
      Refuse("actions[" + std::to_string(i) + "]", "a legal action of that world",
             py::int_(action));
    }
    ++header.step;
    rewards.mutable_at(i) = Game2048::Slide(params, state, action);
    header.terminated = state.over;
    Game2048::OutcomeChances(state, chances.mutable_data(i, 0));
  });
  return py::make_tuple(after, rewards, chances);
}

py::tuple Resolved(const EnvBatch& env, const Bytes& rows, const Index& outcomes) {
  py::array_t<bool> terminated(rows.shape(0));
  Bytes after = EachRow(env, rows, [&](const auto& params, RowHeader& header, auto& state, auto i) {
    const std::int64_t outcome = outcomes.at(i);
    if (outcome < 0 || outcome >= Game2048::kOutcomes || !state.awaits_tile ||
        state.tile[outcome / 2] != 0) {
      Refuse("outcomes[" + std::to_string(i) + "]", "one that the afterstate gives a chance",
             py::int_(outcome));
    }
    Game2048::Resolve(params, state, static_cast<int>(outcome));
    header.terminated = state.over;
    terminated.mutable_at(i) = state.over != 0;
  });
  return py::make_tuple(after, terminated);
}

}  // namespace

std::vector<EnvEntry> ChanceEntries() {
  return {MakeEntry<Game2048>("2048-v0", "slide and merge tiles; a new one appears by chance",
                              ParamsFrom, GetState, SetState)};
}

void BindChance(py::module_& m) {
  m.def("game2048_afterstates", &Afterstates, py::arg("env"), py::arg("rows"), py::arg("actions"),
        "Slide worlds; the afterstates, the rewards and the chance of each outcome.");
  m.def("game2048_resolve", &Resolved, py::arg("env"), py::arg("rows"), py::arg("outcomes"),
        "Give afterstates their tiles; the worlds and whether they are over.");
}

}  // namespace rollout::bindings
