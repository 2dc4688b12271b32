#include "envs/kitchen/kitchen.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace rollout {
namespace kitchen {
namespace {

// shaped reward, as overcooked_ai's default
constexpr float kPottingReward = 3, kDishReward = 3, kSoupReward = 5;

// channels of the lossless encoding
constexpr int kSelfPlace = 0, kOtherPlace = 1, kSelfFacing = 2, kOtherFacing = 6;
constexpr int kPotPlane = 10, kUrgency = 25;
constexpr int kIdleOnions = 16, kSoupOnions = 18, kTimeLeft = 20, kSoupDone = 21;
constexpr int kDishPlane = 22, kOnionPlane = 23, kTomatoPlane = 24;

// the pots as they stood before anybody acted: all that "useful" ever looks at
struct Census {
  int full = 0;   // cooking, ready, or idle with three ingredients
  int plate = 0;  // cooking, ready, or idle with one or two: worth a dish
};

Census TakeCensus(const Params& params, const State& state) {
  Census census;
  for (std::size_t pot = 0; pot < params.layout.pots.size(); ++pot) {
    const Item soup = state.object[params.layout.pots[pot]];
    if (soup == kNothing) continue;
    const bool cooking = state.tick[pot] >= 0;
    const bool three = MixSize(MixOf(soup)) == kMaxIngredients;
    census.full += cooking || three;
    census.plate += cooking || !three;
  }
  return census;
}

// one joint step's interacts, player by player; each sees what earlier players did
class Interacts {
 public:
  Interacts(const Params& params, State& state, StepRecord& record)
      : params_(params),
        layout_(params.layout),
        state_(state),
        record_(record),
        census_(TakeCensus(params, state)) {}

  void Act(int player) {
    const int target = layout_.Ahead(state_.cell[player], state_.facing[player]);
    Item& held = state_.held[player];
    switch (layout_.terrain[target]) {
      case kCounter:
        UseCounter(player, target);
        break;
      case kOnions:
        if (held != kNothing) break;
        LogPickup(player, kOnion);
        held = kOnion;
        break;
      case kTomatoes:
        // the original logs no event here, though it does for a tomato from a counter
        if (held == kNothing) held = kTomato;
        break;
      case kDishes:
        if (held != kNothing) break;
        LogPickup(player, kDish);
        if (DishIsUseful()) record_.shaped[params_.RowOf(player)] += kDishReward;
        held = kDish;
        break;
      case kPot:
        UsePot(player, target);
        break;
      case kServing:
        if (!IsSoup(held)) break;
        record_.sparse[params_.RowOf(player)] += layout_.value[MixOf(held)];
        Log(player, kSoupDelivery);
        held = kNothing;
        break;
      default:
        break;
    }
  }

 private:
  void UseCounter(int player, int target) {
    Item& held = state_.held[player];
    Item& object = state_.object[target];
    if (held != kNothing && object == kNothing) {
      LogDrop(player, held);
      std::swap(held, object);
    } else if (held == kNothing && object != kNothing) {
      LogPickup(player, object);
      std::swap(held, object);
    }
  }

  void UsePot(int player, int target) {
    Item& held = state_.held[player];
    Item& soup = state_.object[target];
    std::int16_t& tick = state_.tick[layout_.pot_at[target]];
    if (held == kNothing) {
      if (!params_.old_dynamics && soup != kNothing && tick < 0) tick = 0;
    } else if (held == kDish) {
      if (soup == kNothing || tick < layout_.cook_steps[MixOf(soup)]) return;
      LogPickup(player, soup);
      record_.shaped[params_.RowOf(player)] += kSoupReward;
      held = soup;
      soup = kNothing;
      tick = -1;
    } else if (IsIngredient(held)) {
      const int mix = soup == kNothing ? kEmptyMix : MixOf(soup);
      if (tick >= 0 || MixSize(mix) == kMaxIngredients) return;
      record_.shaped[params_.RowOf(player)] += kPottingReward;
      LogPotting(player, mix, held);
      soup = static_cast<Item>(kSoup + AddToMix(mix, held));
      held = kNothing;
    }
  }

  void Log(int player, int event) {
    if (record_.events != nullptr) record_.events[params_.RowOf(player) * kNumEvents + event] = 1;
  }

  void LogPickup(int player, Item item) {
    if (record_.events == nullptr) return;
    if (IsSoup(item)) return Log(player, kSoupPickup);
    if (item == kDish) {
      Log(player, kDishPickup);
      if (DishIsUseful()) Log(player, kUsefulDishPickup);
      return;
    }
    Log(player, item == kOnion ? kOnionPickup : kTomatoPickup);
    if (TwoPlayers() && !(AllPotsFull() && Other(player) != kDish)) {
      Log(player, item == kOnion ? kUsefulOnionPickup : kUsefulTomatoPickup);
    }
  }

  void LogDrop(int player, Item item) {
    if (record_.events == nullptr) return;
    if (IsSoup(item)) return Log(player, kSoupDrop);
    if (item == kDish) {
      Log(player, kDishDrop);
      if (TwoPlayers() && census_.full == 0 && Other(player) != kOnion) {
        Log(player, kUsefulDishDrop);
      }
      return;
    }
    Log(player, item == kOnion ? kOnionDrop : kTomatoDrop);
    if (TwoPlayers() && AllPotsFull() && Other(player) != kDish) {
      Log(player, item == kOnion ? kUsefulOnionDrop : kUsefulTomatoDrop);
    }
  }

  void LogPotting(int player, int mix, Item item) {
    if (record_.events == nullptr) return;
    const bool tomato = item == kTomato;
    Log(player, tomato ? kPottingTomato : kPottingOnion);
    const int outcome = layout_.potting[mix][tomato];
    if (outcome & kOptimal) Log(player, kOptimalOnionPotting + tomato);
    if (outcome & kViable) Log(player, kViableOnionPotting + tomato);
    if (outcome & kCatastrophic) Log(player, kCatastrophicOnionPotting + tomato);
    if (outcome & kUseless) Log(player, kUselessOnionPotting + tomato);
  }

  // "useful" means something for two players only, as in the original
  bool TwoPlayers() const { return layout_.num_players == 2; }
  Item Other(int player) const { return state_.held[1 - player]; }
  bool AllPotsFull() const { return census_.full == static_cast<int>(layout_.pots.size()); }

  // no dish lies about, and the players hold fewer dishes than there are soups to plate
  bool DishIsUseful() const {
    if (!TwoPlayers()) return false;
    const int dishes = (state_.held[0] == kDish) + (state_.held[1] == kDish);
    const auto end = state_.object.begin() + layout_.num_cells;
    return dishes < census_.plate && std::find(state_.object.begin(), end, kDish) == end;
  }

  const Params& params_;
  const Layout& layout_;
  State& state_;
  StepRecord& record_;
  const Census census_;
};

// everybody turns; everybody walks, unless any two would meet or pass through each other
void Move(const Params& params, State& state, const std::array<std::uint8_t, kMaxPlayers>& actions,
          std::uint8_t* events) {
  const Layout& layout = params.layout;
  const int players = std::min(layout.num_players, kMaxPlayers);
  std::array<std::uint8_t, kMaxPlayers> wanted = state.cell;
  for (int i = 0; i < players; ++i) {
    if (actions[i] >= kStay) continue;
    state.facing[i] = actions[i];
    const int ahead = layout.Ahead(state.cell[i], actions[i]);
    if (layout.IsFloor(ahead)) wanted[i] = static_cast<std::uint8_t>(ahead);
  }
  bool collision = false;
  for (int i = 1; i < players; ++i) {
    for (int j = 0; j < i; ++j) {
      collision |=
          wanted[i] == wanted[j] || (wanted[i] == state.cell[j] && wanted[j] == state.cell[i]);
    }
  }
  if (!collision) {
    state.cell = wanted;
    return;
  }
  for (int i = 0; events != nullptr && i < players; ++i) {
    if (wanted[i] != state.cell[i]) events[params.RowOf(i) * kNumEvents + kCollision] = 1;
  }
}

void Cook(const Params& params, State& state) {
  const Layout& layout = params.layout;
  for (std::size_t pot = 0; pot < layout.pots.size(); ++pot) {
    const Item soup = state.object[layout.pots[pot]];
    if (soup == kNothing) continue;
    const int mix = MixOf(soup);
    std::int16_t& tick = state.tick[pot];
    if (params.old_dynamics && tick < 0 && MixSize(mix) == kMaxIngredients) tick = 0;
    if (tick >= 0 && tick < layout.cook_steps[mix]) ++tick;
  }
}

void DrawItem(Item item, std::uint8_t* pixel) {
  switch (item) {
    case kNothing:
      break;
    case kOnion:
      pixel[kOnionPlane] = 1;
      break;
    case kTomato:
      pixel[kTomatoPlane] = 1;
      break;
    case kDish:
      pixel[kDishPlane] = 1;
      break;
    default:
      pixel[kSoupOnions] = static_cast<std::uint8_t>(MixOnions(MixOf(item)));
      pixel[kSoupOnions + 1] = static_cast<std::uint8_t>(MixTomatoes(MixOf(item)));
      pixel[kSoupDone] = 1;
  }
}

void DrawPot(const Layout& layout, Item soup, int tick, std::uint8_t* pixel) {
  const int mix = MixOf(soup);
  const int first = tick < 0 ? kIdleOnions : kSoupOnions;
  pixel[first] = static_cast<std::uint8_t>(MixOnions(mix));
  pixel[first + 1] = static_cast<std::uint8_t>(MixTomatoes(mix));
  if (tick < 0) return;
  pixel[kTimeLeft] = static_cast<std::uint8_t>(layout.cook_steps[mix] - tick);
  pixel[kSoupDone] = tick >= layout.cook_steps[mix];
}

// all but the players' own planes, which differ by view
void DrawWorld(const Params& params, const State& state, std::uint8_t* out) {
  const Layout& layout = params.layout;
  const bool urgent = params.horizon - state.timestep < kUrgentSteps;
  const auto& backdrop = urgent ? params.urgent_backdrop : params.backdrop;
  std::memcpy(out, backdrop.data(), backdrop.size());

  // most cells hold nothing: look at eight at a time
  for (int base = 0; base < layout.num_cells; base += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, state.object.data() + base, sizeof eight);
    if (eight == 0) continue;
    for (int cell = base; cell < base + 8; ++cell) {
      const Item item = state.object[cell];
      if (item == kNothing) continue;
      const int pot = layout.pot_at[cell];
      std::uint8_t* const pixel = out + cell * kChannels;
      pot == kNoPlace ? DrawItem(item, pixel) : DrawPot(layout, item, state.tick[pot], pixel);
    }
  }
  for (int i = 0; i < layout.num_players; ++i) {
    DrawItem(state.held[i], out + state.cell[i] * kChannels);
  }
}

void DrawPlayers(const Params& params, const State& state, int self, std::uint8_t* out) {
  for (int i = 0; i < params.layout.num_players; ++i) {
    std::uint8_t* const pixel = out + state.cell[i] * kChannels;
    pixel[i == self ? kSelfPlace : kOtherPlace] = 1;
    pixel[(i == self ? kSelfFacing : kOtherFacing) + state.facing[i]] = 1;
  }
}

State StartOf(const Layout& layout) {
  State state;
  state.tick.fill(-1);
  for (int i = 0; i < layout.num_players; ++i) {
    state.cell[i] = layout.players[i].cell;
    state.facing[i] = layout.players[i].facing;
    state.held[i] = layout.players[i].held;
  }
  for (const auto& object : layout.objects) {
    state.object[object.cell] = object.item;
    const int pot = layout.pot_at[object.cell];
    if (pot != kNoPlace) state.tick[pot] = object.tick;
  }
  return state;
}

// the dearest soup that can still come of each mix, with the boxes at hand; then the quickest
void FillPotPlan(Params& params) {
  const Layout& layout = params.layout;
  const auto at_hand = [&](Terrain box) {
    const auto end = layout.terrain.begin() + layout.num_cells;
    return std::find(layout.terrain.begin(), end, box) != end;
  };
  constexpr double kStepCost = 1e-3;  // breaks ties between soups of one value
  constexpr double kCarrySteps = 8;
  std::array<double, kNumMixes> best{};
  for (int mix = kNumMixes - 1; mix >= kEmptyMix; --mix) {
    const bool may_cook = params.old_dynamics ? MixSize(mix) == kMaxIngredients : mix != kEmptyMix;
    best[mix] = may_cook ? layout.value[mix] - kStepCost * layout.cook_steps[mix] : -1e9;
    params.pot_plan[mix] = PotPlan::kCook;
    if (MixSize(mix) == kMaxIngredients) continue;
    for (const auto& [box, item] : {std::pair{kOnions, kOnion}, std::pair{kTomatoes, kTomato}}) {
      const double value = best[AddToMix(mix, item)] - kStepCost * kCarrySteps;
      if (!at_hand(box) || value <= best[mix]) continue;
      best[mix] = value;
      params.pot_plan[mix] = item == kOnion ? PotPlan::kAddOnion : PotPlan::kAddTomato;
    }
  }
}

}  // namespace

Params MakeParams(const Options& options) {
  Params params;
  params.layout = ParseLayout(options.layout);
  const Layout& layout = params.layout;
  if (options.horizon < 1 || options.horizon > INT32_MAX) {
    throw std::invalid_argument("horizon: expected steps in 1..2147483647, got " +
                                std::to_string(options.horizon) + "; the usual horizon is 400");
  }
  params.horizon = options.horizon;
  if (options.dynamics != "old" && options.dynamics != "new") {
    throw std::invalid_argument("dynamics: expected 'old' or 'new', got '" + options.dynamics +
                                "'; old starts a full pot by itself, new waits for an interact");
  }
  params.old_dynamics = options.dynamics == "old";
  for (const int recipe : layout.orders) {
    if (params.old_dynamics && MixSize(recipe) != kMaxIngredients) {
      throw std::invalid_argument(
          "dynamics: 'old' cooks only three ingredients, and this layout orders '" +
          MixName(recipe) + "'; pass dynamics='new'");
    }
  }
  if (!options.partner.empty()) params.partner = BotNamed("partner", options.partner);
  if (params.HasPartner() && layout.num_players != 2) {
    throw std::invalid_argument("partner: a layout for 2 players has room for one, this one has " +
                                std::to_string(layout.num_players) +
                                "; pass partner=None or another layout");
  }
  if (!(options.partner_noise >= 0 && options.partner_noise <= 1)) {
    throw std::invalid_argument("partner_noise: expected a probability in [0, 1], got " +
                                std::to_string(options.partner_noise) + "; 0 switches it off");
  }
  params.partner_noise = options.partner_noise;
  if (options.ego < 0 || options.ego > 1 || (options.ego == 1 && !params.HasPartner())) {
    throw std::invalid_argument("ego: expected 0, or 1 with a partner, got " +
                                std::to_string(options.ego) +
                                "; it says which start of the grid is yours");
  }
  params.ego = static_cast<int>(options.ego);
  params.start = StartOf(layout);
  FillPotPlan(params);

  params.backdrop.assign(static_cast<std::size_t>(layout.num_cells) * kChannels, 0);
  // planes 10..15 in the encoding's own order
  constexpr Terrain kPlanes[] = {kPot, kCounter, kOnions, kTomatoes, kDishes, kServing};
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    for (int plane = 0; plane < 6; ++plane) {
      params.backdrop[cell * kChannels + kPotPlane + plane] =
          layout.terrain[cell] == kPlanes[plane];
    }
  }
  params.urgent_backdrop = params.backdrop;
  for (int cell = 0; cell < layout.num_cells; ++cell) {
    params.urgent_backdrop[cell * kChannels + kUrgency] = 1;
  }
  return params;
}

void StepPlayers(const Params& params, State& state,
                 const std::array<std::uint8_t, kMaxPlayers>& actions, StepRecord& record) {
  bool interacts = false;
  for (int i = 0; i < params.layout.num_players; ++i) interacts |= actions[i] == kInteract;
  if (interacts) {
    Interacts all(params, state, record);
    for (int i = 0; i < params.layout.num_players; ++i) {
      if (actions[i] == kInteract) all.Act(i);
    }
  }
  Move(params, state, actions, record.events);
  ++state.timestep;
  Cook(params, state);
}

void Encode(const Params& params, const State& state, int player, std::uint8_t* out) {
  DrawWorld(params, state, out);
  DrawPlayers(params, state, player, out);
}

}  // namespace kitchen

EnvSpec Kitchen::Describe(const Params& params) {
  const auto& layout = params.layout;
  EnvSpec spec;
  spec.id = "Kitchen-v0";
  spec.obs_shape = {layout.width, layout.height, kitchen::kChannels};
  if (!params.HasPartner()) spec.obs_shape.insert(spec.obs_shape.begin(), layout.num_players);
  spec.obs_dtype = Dtype::kUint8;
  spec.obs_low = {0};
  spec.obs_high = {255};
  spec.action_is_scalar = params.HasPartner();
  spec.action_nvec.assign(params.NumViews(), kitchen::kNumActions);
  spec.max_episode_steps = params.horizon;
  spec.event_names.assign(std::begin(kitchen::kEventNames), std::end(kitchen::kEventNames));
  spec.event_rows = layout.num_players;
  spec.signal_names = {"sparse_reward", "shaped_reward"};
  spec.signal_widths = {layout.num_players, layout.num_players};
  return spec;
}

Outcome Kitchen::Step(const Params& params, State& state, const Action* action, const StepKey& key,
                      const StepExtras& extras) {
  std::array<std::uint8_t, kitchen::kMaxPlayers> joint{};
  const int players = params.layout.num_players;
  if (params.HasPartner()) {
    const int other = 1 - params.ego;
    joint[params.ego] = static_cast<std::uint8_t>(action[0]);
    joint[other] = static_cast<std::uint8_t>(
        kitchen::BotAction(params, state, other, params.partner, params.partner_noise, key));
  } else {
    for (int i = 0; i < players; ++i) joint[i] = static_cast<std::uint8_t>(action[i]);
  }
  kitchen::StepRecord record;
  record.events = extras.events;
  kitchen::StepPlayers(params, state, joint, record);
  Outcome outcome;
  for (int i = 0; i < players; ++i) outcome.reward += record.sparse[i];
  if (extras.signals != nullptr) {
    for (int i = 0; i < players; ++i) {
      extras.signals[i] = static_cast<float>(record.sparse[i]);
      extras.signals[players + i] = record.shaped[i];
    }
  }
  return outcome;
}

void Kitchen::Observe(const Params& params, const State& state, Obs* out) {
  const std::size_t size = params.backdrop.size();
  if (params.HasPartner()) return kitchen::Encode(params, state, params.ego, out);
  // the world is drawn once and copied: views differ in the players' planes alone
  kitchen::DrawWorld(params, state, out);
  for (int i = 1; i < params.layout.num_players; ++i) std::memcpy(out + i * size, out, size);
  for (int i = 0; i < params.layout.num_players; ++i) {
    kitchen::DrawPlayers(params, state, i, out + i * size);
  }
}

}  // namespace rollout
