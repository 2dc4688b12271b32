// MiniGrid's levels: their keywords, and their states as dicts.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envs/grid/minigrid.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

using namespace grid;  // NOLINT: this file is about nothing else

py::tuple CellTuple(Cell cell) {
  const std::uint32_t code = kEncodings[cell];
  return py::make_tuple(code & 255, code >> 8 & 255, code >> 16 & 255);
}

py::dict GetState(const Params& params, const RowHeader& header, const State& state) {
  const World world = MiniGrid::WorldOf(params, state);
  const Agent& agent = state.agent;
  py::list columns;
  for (int x = 0; x < world.width; ++x) {
    py::list column;
    for (int y = 0; y < world.height; ++y) column.append(CellTuple(world.At(x, y)));
    columns.append(column);
  }
  py::dict out;
  out["grid"] = columns;
  out["agent_pos"] = py::make_tuple(agent.x, agent.y);
  out["agent_dir"] = agent.direction;
  out["carrying"] = py::none();
  if (agent.carrying != kNoCell) out["carrying"] = CellTuple(agent.carrying);
  out["mission"] = Missions(params.level)[agent.mission];
  out["step_count"] = header.step;
  return out;
}

// Reads one state dict; errors name the part that they are about.
class StateReader {
 public:
  StateReader(const Params& params, const py::dict& values) : params_(params), values_(values) {}

  void ReadCells(const World& world) const {
    const py::object given = Get("grid");
    const auto grid =
        py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>::ensure(given);
    if (!grid || grid.ndim() != 3 || grid.shape(0) != world.width ||
        grid.shape(1) != world.height || grid.shape(2) != 3) {
      PyErr_Clear();
      Refuse("grid",
             "integers [" + std::to_string(world.width) + ", " + std::to_string(world.height) +
                 ", 3], as minigrid's grid.encode() gives them",
             grid ? py::object(py::tuple(grid.attr("shape"))) : given);
    }
    const auto at = grid.unchecked<3>();
    for (int x = 0; x < world.width; ++x) {
      for (int y = 0; y < world.height; ++y) {
        const std::optional<Cell> cell = Code(at(x, y, 0), at(x, y, 1), at(x, y, 2));
        if (!cell) {
          Refuse("grid[" + std::to_string(x) + "][" + std::to_string(y) + "]",
                 "the kind, colour and state of a thing",
                 py::make_tuple(at(x, y, 0), at(x, y, 1), at(x, y, 2)));
        }
        world.At(x, y) = *cell;
      }
    }
  }

  Agent ReadAgent(const World& world) const {
    Agent agent;
    const auto place = Integers("agent_pos", 2, "(x, y)");
    if (place[0] < 0 || place[0] >= world.width || place[1] < 0 || place[1] >= world.height ||
        !CanStandOn(KindOf(world.At(static_cast<int>(place[0]), static_cast<int>(place[1]))))) {
      Refuse("agent_pos", "a cell of the grid that one can stand on", Get("agent_pos"));
    }
    agent.x = static_cast<std::int16_t>(place[0]);
    agent.y = static_cast<std::int16_t>(place[1]);
    agent.direction = static_cast<std::uint8_t>(Integer("agent_dir", 3));
    if (const py::object carried = Get("carrying"); !carried.is_none()) {
      const auto code = Integers("carrying", 3, "(kind, colour, state) or None");
      const std::optional<Cell> cell = Code(code[0], code[1], code[2]);
      if (!cell || !CanPickUp(KindOf(*cell))) {
        Refuse("carrying", "a key, a ball or a box", carried);
      }
      agent.carrying = *cell;
    }
    const py::object mission = Get("mission");
    const std::vector<std::string> known = Missions(params_.level);
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (!mission.equal(py::str(known[i]))) continue;
      agent.mission = static_cast<std::uint8_t>(i);
      return agent;
    }
    Refuse("mission", "one of the level's texts such as '" + known[0] + "'", mission);
  }

  std::uint32_t ReadStep() const {
    return static_cast<std::uint32_t>(Integer("step_count", params_.max_steps - 1));
  }

 private:
  [[noreturn]] static void Refuse(const std::string& where, const std::string& rule,
                                  const py::handle& got) {
    throw py::value_error("state: " + where + ": expected " + rule + ", got " +
                          py::repr(got).cast<std::string>() +
                          "; start from env.get_attr('state') and change that");
  }

  static std::optional<Cell> Code(std::int64_t kind, std::int64_t color, std::int64_t state) {
    constexpr std::int64_t kMost = 255;
    if (kind < 0 || color < 0 || state < 0 || kind > kMost || color > kMost || state > kMost) {
      return std::nullopt;
    }
    return CellFrom(static_cast<int>(kind), static_cast<int>(color), static_cast<int>(state));
  }

  // every key is there: set_attr asks for those that get_attr gives
  py::object Get(const char* key) const { return values_[key]; }

  // in 0..most
  std::int64_t Integer(const char* key, std::int64_t most) const {
    const py::object value = Get(key);
    if (PyIndex_Check(value.ptr())) {
      const auto number = py::cast<std::int64_t>(py::int_(value));
      if (number >= 0 && number <= most) return number;
    }
    Refuse(key, "an integer in 0.." + std::to_string(most), value);
  }

  std::vector<std::int64_t> Integers(const char* key, std::size_t count,
                                     const std::string& rule) const {
    const py::object value = Get(key);
    const auto numbers =
        py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>::ensure(value);
    if (!numbers || numbers.ndim() != 1 || static_cast<std::size_t>(numbers.size()) != count) {
      PyErr_Clear();
      Refuse(key, rule, value);
    }
    return {numbers.data(), numbers.data() + count};
  }

  const Params& params_;
  const py::dict& values_;
};

void SetState(const Params& params, RowHeader& header, State& state, const py::dict& values) {
  const StateReader reader(params, values);
  std::array<Cell, kMaxCells> cells;
  cells.fill(kWallCell);
  World world = MiniGrid::WorldOf(params, state);
  Cell* const old = std::exchange(world.cells, cells.data());
  reader.ReadCells(world);
  const Agent agent = reader.ReadAgent(world);
  header.step = reader.ReadStep();
  std::copy_n(cells.data(), world.stride() * world.height, old);
  state.agent = agent;  // the stream goes on
}

const char* Summary(Family family) {
  switch (family) {
    case Family::kEmpty:
      return "walk to the goal in an empty room";
    case Family::kFourRooms:
      return "find the goal in one of four rooms";
    case Family::kDoorKey:
      return "fetch the key, open the door, reach the goal";
    case Family::kLavaGap:
      return "reach the goal through the gap in the lava";
    case Family::kKeyCorridor:
      return "find the key to the room with the ball, and pick it up";
    case Family::kMultiRoom:
      return "reach the goal at the end of a chain of rooms";
  }
  return "";
}

template <std::size_t kIndex>
Params ParamsFrom(Kwargs& kwargs) {
  constexpr Level level = kLevels[kIndex];
  return MakeParams(level, kwargs.Int("max_steps", level.max_steps, 1, UINT32_MAX));
}

template <std::size_t kIndex>
EnvEntry Entry() {
  constexpr Level level = kLevels[kIndex];
  static_assert(Stride(level.width) * level.height <= kMaxCells);
  return MakeEntry<MiniGrid>(level.id, Summary(level.family) + std::string("; equal to minigrid's"),
                             ParamsFrom<kIndex>, GetState, SetState);
}

template <std::size_t... kIndices>
std::vector<EnvEntry> Entries(std::index_sequence<kIndices...>) {
  return {Entry<kIndices>()...};
}

}  // namespace

std::vector<EnvEntry> GridEntries() {
  return Entries(std::make_index_sequence<std::size(kLevels)>());
}

void BindGrid(py::module_& m) {
  py::dict missions;
  for (const Level& level : kLevels) {
    missions[level.id] = py::tuple(py::cast(Missions(level)));
  }
  m.attr("GRID_MISSIONS") = missions;
}

}  // namespace rollout::bindings
