// Kitchen-v0: its keywords, its states as dicts, and the scripted cooks.
#include "envs/kitchen/kitchen.h"

#include <pybind11/stl.h>

#include <stdexcept>
#include <string>

#include "vec.h"

namespace rollout::bindings {
namespace {

using namespace kitchen;  // NOLINT: this file is about nothing else

constexpr std::string_view kFacings = "NSEW";
constexpr const char* kItemNames[] = {"", "onion", "tomato", "dish"};

Params ParamsFrom(Kwargs& kwargs) {
  Options options;
  options.layout = kwargs.String("layout", "");
  options.horizon = kwargs.Int("horizon", options.horizon, 1, INT32_MAX);
  options.dynamics = kwargs.String("dynamics", options.dynamics);
  const py::object partner = kwargs.Object("partner");
  if (!partner.is_none()) options.partner = py::str(partner).cast<std::string>();
  options.partner_noise = kwargs.Double("partner_noise", options.partner_noise, 0.0, 1.0);
  options.ego = kwargs.Int("ego", options.ego, 0, 1);
  options.observation = kwargs.String("observation", options.observation);
  options.interactions = kwargs.Bool("interactions", options.interactions);
  return MakeParams(options);
}

// states as dicts --------------------------------------------------------------------------------

py::tuple Place(const Layout& layout, int cell) {
  return py::make_tuple(cell / layout.height, cell % layout.height);
}

py::dict ItemDict(const Layout& layout, Item item, int tick) {
  py::dict out;
  if (!IsSoup(item)) {
    out["name"] = kItemNames[item];
    return out;
  }
  py::list ingredients;
  for (const char c : MixName(MixOf(item))) ingredients.append(c == 'o' ? "onion" : "tomato");
  out["name"] = "soup";
  out["ingredients"] = py::tuple(ingredients);
  out["tick"] = tick;
  out["cook_time"] = layout.cook_steps[MixOf(item)];
  return out;
}

int ReadyTick(const Layout& layout, Item item) {
  return IsSoup(item) ? layout.cook_steps[MixOf(item)] : -1;
}

py::dict GetState(const Params& params, const RowHeader&, const State& state) {
  const Layout& layout = params.layout;
  py::list players, objects;
  for (int i = 0; i < layout.num_players; ++i) {
    py::dict player;
    player["position"] = Place(layout, state.cell[i]);
    player["orientation"] = std::string(1, kFacings[state.facing[i]]);
    player["held"] = py::none();
    if (const Item held = state.held[i]; held != kNothing) {
      player["held"] = ItemDict(layout, held, ReadyTick(layout, held));
    }
    players.append(player);
  }
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    const Item item = state.object[cell];
    if (item == kNothing) continue;
    const int pot = layout.pot_at[cell];
    py::dict object =
        ItemDict(layout, item, pot == kNoPlace ? ReadyTick(layout, item) : state.tick[pot]);
    object["position"] = Place(layout, cell);
    objects.append(object);
  }
  py::dict out;
  out["timestep"] = state.timestep;
  out["players"] = players;
  out["objects"] = objects;
  return out;
}

// Reads one state dict; `where` names the part that an error is about.
class StateReader {
 public:
  explicit StateReader(const Params& params) : params_(params), layout_(params.layout) {}

  State Read(const py::dict& values) {
    State state;
    state.tick.fill(-1);
    const std::int64_t timestep = Int(values, "timestep", "state");
    if (timestep < 0 || timestep >= params_.horizon) {
      Refuse("timestep", "a step before the horizon " + std::to_string(params_.horizon),
             values["timestep"]);
    }
    state.timestep = static_cast<std::int32_t>(timestep);
    const auto players = List(values, "players");
    if (static_cast<int>(players.size()) != layout_.num_players) {
      Refuse("players", std::to_string(layout_.num_players) + " of them, as the layout has",
             py::int_(players.size()));
    }
    for (int i = 0; i < layout_.num_players; ++i) ReadPlayer(state, players[i], i);
    for (const py::object& object : List(values, "objects")) ReadObject(state, object);
    return state;
  }

 private:
  [[noreturn]] static void Refuse(const std::string& where, const std::string& rule,
                                  const py::handle& got) {
    throw py::value_error("state: " + where + ": expected " + rule + ", got " +
                          py::repr(got).cast<std::string>() +
                          "; start from env.get_attr('state') and change that");
  }

  static py::object Get(const py::handle& from, const char* key, const std::string& where) {
    if (!py::isinstance<py::dict>(from) || !from.cast<py::dict>().contains(key)) {
      Refuse(where, std::string("a dict with the key '") + key + "'", from);
    }
    return from[key];
  }

  static std::int64_t Int(const py::handle& from, const char* key, const std::string& where) {
    const py::object value = Get(from, key, where);
    if (!py::isinstance<py::int_>(value)) Refuse(where + "." + key, "an integer", value);
    return value.cast<std::int64_t>();
  }

  static std::vector<py::object> List(const py::dict& from, const char* key) {
    const py::object value = Get(from, key, "state");
    if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value)) {
      Refuse(key, "a list of dicts", value);
    }
    return value.cast<std::vector<py::object>>();
  }

  std::uint8_t Cell(const py::handle& from, const std::string& where) const {
    const py::object value = Get(from, "position", where);
    if (py::isinstance<py::sequence>(value) && py::len(value) == 2 &&
        py::isinstance<py::int_>(value[py::int_(0)]) &&
        py::isinstance<py::int_>(value[py::int_(1)])) {
      const auto [x, y] = value.cast<std::pair<std::int64_t, std::int64_t>>();
      if (x >= 0 && x < layout_.width && y >= 0 && y < layout_.height) {
        return static_cast<std::uint8_t>(x * layout_.height + y);
      }
    }
    Refuse(where + ".position",
           "(x, y) inside the " + std::to_string(layout_.width) + " x " +
               std::to_string(layout_.height) + " grid",
           value);
  }

  // an item and its tick, which is -1 for anything but a soup
  std::pair<Item, std::int16_t> ReadItem(const py::handle& from, const std::string& where) const {
    const py::object name = Get(from, "name", where);
    for (const Item item : {kOnion, kTomato, kDish}) {
      if (name.equal(py::str(kItemNames[item]))) return {item, -1};
    }
    if (!name.equal(py::str("soup"))) {
      Refuse(where + ".name", "'onion', 'tomato', 'dish' or 'soup'", name);
    }
    const py::object ingredients = Get(from, "ingredients", where);
    int mix = kEmptyMix;
    if (!py::isinstance<py::sequence>(ingredients) || py::len(ingredients) < 1 ||
        py::len(ingredients) > kMaxIngredients) {
      Refuse(where + ".ingredients", "1 to 3 names", ingredients);
    }
    for (const py::handle ingredient : ingredients) {
      const bool tomato = ingredient.equal(py::str("tomato"));
      if (!tomato && !ingredient.equal(py::str("onion"))) {
        Refuse(where + ".ingredients", "only 'onion' and 'tomato'", ingredient);
      }
      mix = AddToMix(mix, tomato ? kTomato : kOnion);
    }
    const int cook_steps = layout_.cook_steps[mix];
    const std::int64_t tick = Int(from, "tick", where);
    if (tick < -1 || tick > cook_steps) {
      Refuse(where + ".tick", "-1 (idle) up to " + std::to_string(cook_steps) + " (ready)",
             py::int_(tick));
    }
    if (from.cast<py::dict>().contains("cook_time") &&
        Int(from, "cook_time", where) != cook_steps) {
      Refuse(where + ".cook_time", std::to_string(cook_steps) + ", which the layout fixes",
             from["cook_time"]);
    }
    return {static_cast<Item>(kSoup + mix), static_cast<std::int16_t>(tick)};
  }

  void RequireReady(Item item, int tick, const std::string& where) const {
    if (IsSoup(item) && tick != layout_.cook_steps[MixOf(item)]) {
      Refuse(where + ".tick",
             std::to_string(layout_.cook_steps[MixOf(item)]) + ": out of a pot a soup is ready",
             py::int_(tick));
    }
  }

  void ReadPlayer(State& state, const py::object& player, int i) const {
    const std::string where = "players[" + std::to_string(i) + "]";
    state.cell[i] = Cell(player, where);
    if (!layout_.IsFloor(state.cell[i])) {
      Refuse(where + ".position", "a floor cell", player["position"]);
    }
    for (int j = 0; j < i; ++j) {
      if (state.cell[j] == state.cell[i]) {
        Refuse(where + ".position", "a cell with no other player", player["position"]);
      }
    }
    const py::object facing = Get(player, "orientation", where);
    const std::string letter = py::isinstance<py::str>(facing) ? facing.cast<std::string>() : "";
    if (letter.size() != 1 || kFacings.find(letter) == std::string_view::npos) {
      Refuse(where + ".orientation", "'N', 'S', 'E' or 'W'", facing);
    }
    state.facing[i] = static_cast<std::uint8_t>(kFacings.find(letter));
    const py::object held = Get(player, "held", where);
    if (held.is_none()) return;
    const auto [item, tick] = ReadItem(held, where + ".held");
    RequireReady(item, tick, where + ".held");
    state.held[i] = item;
  }

  void ReadObject(State& state, const py::object& object) const {
    const std::string where = "objects";
    const std::uint8_t cell = Cell(object, where);
    const auto [item, tick] = ReadItem(object, where);
    const int terrain = layout_.terrain[cell];
    if (terrain != kCounter && !(terrain == kPot && IsSoup(item))) {
      Refuse(where, "items on counters and soups in pots", object);
    }
    if (state.object[cell] != kNothing) Refuse(where, "one object a cell", object);
    if (terrain == kPot) {
      state.tick[layout_.pot_at[cell]] = tick;
    } else {
      RequireReady(item, tick, where);
    }
    state.object[cell] = item;
  }

  const Params& params_;
  const Layout& layout_;
};

void SetState(const Params& params, RowHeader& header, State& state, const py::dict& values) {
  state = StateReader(params).Read(values);
  header.step = static_cast<std::uint32_t>(state.timestep);  // the episode ends by the same clock
}

// facts of a layout -------------------------------------------------------------------------------

py::dict LayoutDict(const std::string& text) {
  const Layout layout = ParseLayout(text);
  py::list grid, starts, orders, bonus_orders;
  for (int y = 0; y < layout.height; ++y) {
    std::string row;
    for (int x = 0; x < layout.width; ++x) {
      row += kTerrainSymbols[layout.terrain[x * layout.height + y]];
    }
    grid.append(row);
  }
  for (const PlayerStart& player : layout.players) starts.append(Place(layout, player.cell));
  for (const int recipe : layout.orders) orders.append(MixName(recipe));
  for (const int recipe : layout.bonus_orders) bonus_orders.append(MixName(recipe));
  py::dict values, cook_times;
  for (int mix = kEmptyMix + 1; mix < kNumMixes; ++mix) {
    const std::string name = MixName(mix);
    if (name.find("to") != std::string::npos) continue;  // a recipe is named with its onions first
    values[py::str(name)] = layout.value[mix];
    cook_times[py::str(name)] = layout.cook_steps[mix];
  }
  py::dict out;
  out["grid"] = py::tuple(grid);
  out["starts"] = py::tuple(starts);
  out["orders"] = py::tuple(orders);
  out["bonus_orders"] = py::tuple(bonus_orders);
  out["values"] = values;
  out["cook_times"] = cook_times;
  return out;
}

py::array_t<std::int64_t> BotActions(EnvBatch& self, const std::string& kind, int player,
                                     double noise, std::uint64_t seed) {
  const Bot bot = BotNamed("kind", kind);
  const std::size_t n = self.batch.num_rows();
  py::array_t<std::int64_t> out(static_cast<py::ssize_t>(n));
  std::int64_t* const actions = out.mutable_data();
  for (std::size_t i = 0; i < n; ++i) {
    const auto [params, state] = self.As<Kitchen>(i);
    const RowHeader& header = Kernel::Header(self.batch.row(i));
    // the key under which the coming step would ask a partner
    const StepKey key{seed + i, header.episode, header.step + 1, false};
    actions[i] = BotAction(*params, *state, player, bot, noise, key);
  }
  return out;
}

}  // namespace

std::vector<EnvEntry> KitchenEntries() {
  return {MakeEntry<Kitchen>(
      "Kitchen-v0", "cooks share a kitchen and serve soups; equal to overcooked_ai, step for step",
      ParamsFrom, GetState, SetState)};
}

void BindKitchen(py::module_& m) {
  m.def("kitchen_layout", &LayoutDict, py::arg("text"), "The facts of a layout's text, as a dict.");
  m.def("kitchen_bot_actions", &BotActions, py::arg("env"), py::arg("kind"), py::arg("player"),
        py::arg("noise"), py::arg("seed"),
        "What a scripted cook would do now as `player`, one action a row.");
  m.attr("KITCHEN_EVENTS") =
      py::tuple(py::cast(std::vector<std::string>(std::begin(kEventNames), std::end(kEventNames))));
  m.attr("KITCHEN_VERBS") =
      py::tuple(py::cast(std::vector<std::string>(std::begin(kVerbNames), std::end(kVerbNames))));
  m.attr("KITCHEN_BOTS") =
      py::tuple(py::cast(std::vector<std::string>(std::begin(kBotNames) + 1, std::end(kBotNames))));
}

}  // namespace rollout::bindings
