// MinAtar: one set of keywords for five games, and their states as dicts.
#include <array>
#include <cstdint>
#include <string>

#include "envs/minatar/asterix.h"
#include "envs/minatar/breakout.h"
#include "envs/minatar/freeway.h"
#include "envs/minatar/seaquest.h"
#include "envs/minatar/space_invaders.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

using namespace minatar;  // NOLINT: this file is about nothing else

Options OptionsFrom(Kwargs& kwargs) {
  Options options;
  options.sticky_action_prob =
      kwargs.Double("sticky_action_prob", options.sticky_action_prob, 0.0, 1.0);
  options.difficulty_ramping = kwargs.Bool("difficulty_ramping", options.difficulty_ramping);
  options.minimal_actions = kwargs.Bool("minimal_actions", options.minimal_actions);
  options.packed = kwargs.Bool("packed", options.packed);
  options.max_episode_steps = kwargs.Int("max_episode_steps", options.max_episode_steps, 0);
  return options;
}

// Writes each part of a world that Parts names into a dict.
class ToDict {
 public:
  explicit ToDict(py::dict& out) : out_(out) {}

  void Int(const char* name, auto& value, int, int) { out_[name] = static_cast<int>(value); }
  void Bool(const char* name, bool& value) { out_[name] = value; }
  template <std::size_t kCount>
  void Ints(const char* name, std::array<std::int8_t, kCount>& values, int, int) {
    py::list list;
    for (const std::int8_t value : values) list.append(static_cast<int>(value));
    out_[name] = list;
  }
  // bits as the places that are set: numbers, or (row, col) of a grid
  template <class Bits>
  void Places(const char* name, Bits& bits, int count, bool grid) {
    py::list list;
    for (int i = 0; i < count; ++i) {
      if ((bits >> i & 1) == 0) continue;
      list.append(grid ? py::object(py::make_tuple(i / kSize, i % kSize)) : py::int_(i));
    }
    out_[name] = list;
  }
  void Things(const char* name, auto& things, bool timed) {
    py::list list;
    for (const Seaquest::Thing& thing : things) {
      py::dict item;
      item["row"] = static_cast<int>(thing.row);
      item["col"] = static_cast<int>(thing.col);
      item["rightward"] = thing.rightward;
      if (timed) item["timer"] = static_cast<int>(thing.timer);
      if (timed) item["fire_timer"] = static_cast<int>(thing.fire_timer);
      list.append(item);
    }
    out_[name] = list;
  }

 private:
  py::dict& out_;
};

// Reads the same parts, each within its range: whatever is taken can be stepped and drawn.
class FromDict {
 public:
  explicit FromDict(Kwargs& from) : from_(from) {}

  template <class T>
  void Int(const char* name, T& value, int low, int high) {
    value = static_cast<T>(from_.Int(name, value, low, high));
  }
  void Bool(const char* name, bool& value) { value = from_.Bool(name, value); }
  template <std::size_t kCount>
  void Ints(const char* name, std::array<std::int8_t, kCount>& values, int low, int high) {
    const std::vector<py::object> list = List(name);
    if (list.size() != kCount) Refuse(name, std::to_string(kCount) + " integers");
    for (std::size_t i = 0; i < kCount; ++i) values[i] = Within(name, list[i], low, high);
  }
  template <class Bits>
  void Places(const char* name, Bits& bits, int count, bool grid) {
    bits = 0;
    for (const py::object& place : List(name)) {
      int i = 0;
      if (!grid) {
        i = Within(name, place, 0, count - 1);
      } else if (py::isinstance<py::tuple>(place) && py::len(place) == 2) {
        i = Within(name, place[py::int_(0)], 0, count / kSize - 1) * kSize +
            Within(name, place[py::int_(1)], 0, kSize - 1);
      } else {
        Refuse(name, "a list of (row, col)");
      }
      bits |= Bits{1} << i;
    }
  }
  void Things(const char* name, auto& things, bool timed) {
    things = {};
    for (const py::object& item : List(name)) {
      if (!py::isinstance<py::dict>(item)) Refuse(name, "a list of dicts");
      if (things.full()) Refuse(name, "at most " + std::to_string(things.size()) + " of them");
      Kwargs parts(std::string("state: ") + name, item.attr("copy")());
      FromDict reader(parts);
      Seaquest::Thing thing{};
      reader.Int("row", thing.row, 0, Seaquest::kDeepest);
      reader.Int("col", thing.col, 0, kSize - 1);
      reader.Bool("rightward", thing.rightward);
      if (timed) reader.Int("timer", thing.timer, 0, Seaquest::kEnemyMoveSteps);
      if (timed) reader.Int("fire_timer", thing.fire_timer, 0, Seaquest::kEnemyFireSteps);
      parts.RefuseRest();
      things.Add(thing);
    }
  }

 private:
  [[noreturn]] static void Refuse(const char* name, const std::string& rule) {
    throw py::value_error(std::string("state: ") + name + ": expected " + rule +
                          "; start from env.get_attr('state') and change that");
  }

  std::vector<py::object> List(const char* name) {
    const py::object value = from_.Object(name);
    if (!py::isinstance<py::list>(value)) Refuse(name, "a list");
    std::vector<py::object> out;
    for (const py::handle item : value) out.push_back(py::reinterpret_borrow<py::object>(item));
    return out;
  }

  static std::int8_t Within(const char* name, const py::object& value, int low, int high) {
    const std::string rule =
        "integers from " + std::to_string(low) + " to " + std::to_string(high) + " in it";
    if (!py::isinstance<py::int_>(value)) Refuse(name, rule);
    const auto whole = value.cast<std::int64_t>();
    if (whole < low || whole > high) Refuse(name, rule);
    return static_cast<std::int8_t>(whole);
  }

  Kwargs& from_;
};

// the parts of each world -------------------------------------------------------------------------

constexpr int kLast = kSize - 1;

void Parts(Breakout::World& world, auto& in) {
  in.Places("bricks", world.bricks, Breakout::kBrickRows * kSize, false);
  in.Int("row", world.row, 0, kLast);
  in.Int("col", world.col, 0, kLast);
  in.Int("trail_row", world.trail_row, 0, kLast);
  in.Int("trail_col", world.trail_col, 0, kLast);
  in.Bool("down", world.down);
  in.Bool("rightward", world.rightward);
  in.Int("paddle", world.paddle, 0, kLast);
  in.Bool("struck", world.struck);
}

void Parts(Freeway::World& world, auto& in) {
  in.Ints("col", world.col, 0, kLast);
  in.Ints("timer", world.timer, 0, Freeway::kSlowest);
  in.Ints("rest", world.rest, 1, Freeway::kSlowest);
  in.Places("rightward", world.rightward, Freeway::kLanes, false);
  in.Int("row", world.row, 1, kLast);
  in.Int("move_timer", world.move_timer, 0, Freeway::kMoveSteps);
  in.Int("time_left", world.time_left, -1, Freeway::kTimeLimitSteps);
}

void Parts(Asterix::World& world, auto& in) {
  in.Ints("col", world.col, 0, kLast);
  in.Places("present", world.present, Asterix::kSlots, false);
  in.Places("rightward", world.rightward, Asterix::kSlots, false);
  in.Places("gold", world.gold, Asterix::kSlots, false);
  in.Int("row", world.row, 1, Asterix::kSlots);
  in.Int("player_col", world.player_col, 0, kLast);
  in.Int("spawn_speed", world.spawn_speed, 1, Asterix::kSpawnSteps);
  in.Int("spawn_timer", world.spawn_timer, 0, Asterix::kSpawnSteps);
  in.Int("move_speed", world.move_speed, 1, Asterix::kMoveSteps);
  in.Int("move_timer", world.move_timer, 0, Asterix::kMoveSteps);
  in.Int("ramp_timer", world.ramp_timer, -1, Asterix::kRampSteps);
  in.Int("ramp_index", world.ramp_index, 0, 100);
}

void Parts(SpaceInvaders::World& world, auto& in) {
  in.Places("aliens", world.aliens, kSize * kSize, true);
  in.Places("friendly_bullets", world.friendly, kSize * kSize, true);
  in.Places("enemy_bullets", world.enemy, kSize * kSize, true);
  in.Bool("rightward", world.rightward);
  in.Int("cannon", world.cannon, 0, kLast);
  in.Int("fire_timer", world.fire_timer, 0, SpaceInvaders::kFireSteps);
  in.Int("alien_fire_timer", world.alien_fire_timer, 0, SpaceInvaders::kAlienFireSteps);
  in.Int("move_interval", world.move_interval, SpaceInvaders::kFastestSteps,
         SpaceInvaders::kSlowestSteps);
  in.Int("move_timer", world.move_timer, 0, SpaceInvaders::kSlowestSteps);
}

void Parts(Seaquest::World& world, auto& in) {
  in.Things("bullets", world.bullets, false);
  in.Things("divers", world.divers, true);
  in.Things("enemy_bullets", world.enemy_bullets, false);
  in.Things("fish", world.fish, true);
  in.Things("subs", world.subs, true);
  in.Int("oxygen", world.oxygen, -1, Seaquest::kFullOxygen);
  in.Int("row", world.row, 0, Seaquest::kDeepest);
  in.Int("col", world.col, 0, kLast);
  in.Bool("rightward", world.rightward);
  in.Bool("surfaced", world.surfaced);
  in.Int("load", world.load, -100, Seaquest::kFullLoad);
  in.Int("enemy_speed", world.enemy_speed, Seaquest::kFastestMoveSteps, Seaquest::kEnemyMoveSteps);
  in.Int("enemy_spawn_speed", world.enemy_spawn_speed, 1, Seaquest::kEnemySpawnSteps);
  in.Int("enemy_timer", world.enemy_timer, 0, Seaquest::kEnemySpawnSteps);
  in.Int("diver_timer", world.diver_timer, 0, Seaquest::kDiverSpawnSteps);
  in.Int("fire_timer", world.fire_timer, 0, Seaquest::kFireSteps);
  in.Int("ramp_index", world.ramp_index, 0, 100);
}

// entries -----------------------------------------------------------------------------------------

template <class E>
EnvEntry EntryOf(const char* summary) {
  return MakeEntry<E>(
      E::Game::kId, summary, OptionsFrom,
      [](const Options&, const RowHeader& header, const typename E::State& state) {
        py::dict out;
        ToDict writer(out);
        auto world = state.world;
        Parts(world, writer);
        out["last_action"] = static_cast<int>(state.last_action);
        out["step"] = header.step;
        return out;
      },
      [](const Options&, RowHeader& header, typename E::State& state, const py::dict& values) {
        Kwargs fields("state", values);
        FromDict reader(fields);
        auto world = state.world;
        Parts(world, reader);
        const std::int64_t last_action =
            fields.Int("last_action", state.last_action, 0, kNumActions - 1);
        const std::int64_t step = fields.Int("step", header.step, 0, UINT32_MAX);
        state.world = world;
        state.last_action = static_cast<std::uint8_t>(last_action);
        header.step = static_cast<std::uint32_t>(step);
      });
}

// one id, two sources of numbers
template <class Game>
EnvEntry GameEntry(const char* summary) {
  using Lean = KernelOf<Env<Game, PhiloxDraws>>;
  const EnvEntry exact = EntryOf<Env<Game, NumpyDraws>>(summary);
  const EnvEntry lean = EntryOf<Env<Game, PhiloxDraws>>(summary);
  const auto is_lean = [](const Kernel& kernel) {
    return dynamic_cast<const Lean*>(&kernel) != nullptr;
  };
  EnvEntry entry = exact;
  entry.make = [exact, lean](Kwargs& kwargs) {
    return (kwargs.Choice("rng", {"numpy", "philox"}) == 0 ? exact : lean).make(kwargs);
  };
  entry.get_state = [=](const Kernel& kernel, const std::byte* row) {
    return (is_lean(kernel) ? lean : exact).get_state(kernel, row);
  };
  entry.set_state = [=](const Kernel& kernel, std::byte* row, const py::dict& state) {
    (is_lean(kernel) ? lean : exact).set_state(kernel, row, state);
  };
  return entry;
}

}  // namespace

std::vector<EnvEntry> MinAtarEntries() {
  return {GameEntry<Breakout>("keep a ball in play and clear the bricks; equal to minatar's"),
          GameEntry<Freeway>("walk across eight lanes of traffic; equal to minatar's"),
          GameEntry<Asterix>("collect gold and avoid enemies; equal to minatar's"),
          GameEntry<SpaceInvaders>("shoot down a block of aliens; equal to minatar's"),
          GameEntry<Seaquest>("rescue divers from under water; equal to minatar's")};
}

}  // namespace rollout::bindings
