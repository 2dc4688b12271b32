#include "envs/kitchen/kitchen.h"

#include <algorithm>
#include <string>
#include <utility>

#include "envs/kitchen/features.h"

namespace rollout {
namespace kitchen {
namespace {

// shaped reward, as overcooked_ai's default
constexpr float kPottingReward = 3, kDishReward = 3, kSoupReward = 5;

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
        Note(player, Verb::kTake, target, held);
        break;
      case kTomatoes:
        // the original logs no event here, though it does for a tomato from a counter
        if (held != kNothing) break;
        held = kTomato;
        Note(player, Verb::kTake, target, held);
        break;
      case kDishes:
        if (held != kNothing) break;
        LogPickup(player, kDish);
        if (DishIsUseful()) record_.shaped[params_.RowOf(player)] += kDishReward;
        held = kDish;
        Note(player, Verb::kTake, target, held);
        break;
      case kPot:
        UsePot(player, target);
        break;
      case kServing:
        if (!IsSoup(held)) break;
        record_.sparse[params_.RowOf(player)] += layout_.value[MixOf(held)];
        Log(player, kSoupDelivery);
        Note(player, Verb::kServe, target, held);
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
      Note(player, Verb::kPut, target, held);
      std::swap(held, object);
    } else if (held == kNothing && object != kNothing) {
      LogPickup(player, object);
      Note(player, Verb::kTake, target, object);
      std::swap(held, object);
    }
  }

  void UsePot(int player, int target) {
    Item& held = state_.held[player];
    Item& soup = state_.object[target];
    std::int16_t& tick = state_.tick[layout_.pot_at[target]];
    if (held == kNothing) {
      if (params_.old_dynamics || soup == kNothing || tick >= 0) return;
      tick = 0;
      Note(player, Verb::kStart, target, soup);
    } else if (held == kDish) {
      if (soup == kNothing || tick < layout_.cook_steps[MixOf(soup)]) return;
      LogPickup(player, soup);
      record_.shaped[params_.RowOf(player)] += kSoupReward;
      Note(player, Verb::kPlate, target, soup);
      held = soup;
      soup = kNothing;
      tick = -1;
    } else if (IsIngredient(held)) {
      const int mix = soup == kNothing ? kEmptyMix : MixOf(soup);
      if (tick >= 0 || MixSize(mix) == kMaxIngredients) return;
      record_.shaped[params_.RowOf(player)] += kPottingReward;
      LogPotting(player, mix, held);
      Note(player, Verb::kAdd, target, held);
      soup = static_cast<Item>(kSoup + AddToMix(mix, held));
      held = kNothing;
    }
  }

  void Note(int player, Verb verb, int cell, Item item) {
    if (record_.interactions == nullptr) return;
    record_.interactions[params_.RowOf(player)] = {verb, static_cast<std::uint8_t>(cell), item};
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

}  // namespace

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

}  // namespace kitchen

EnvSpec Kitchen::Describe(const Params& params) {
  const auto& layout = params.layout;
  EnvSpec spec;
  spec.id = "Kitchen-v0";
  if (params.features) {
    spec.obs_shape = {kitchen::FeatureCount(layout.num_players)};
    spec.obs_dtype = Dtype::kFloat32;
    spec.obs_low = {-double{kitchen::kMaxCells}};
  } else {
    spec.obs_shape = {layout.width, layout.height, kitchen::kChannels};
    spec.obs_dtype = Dtype::kUint8;
    spec.obs_low = {0};
  }
  spec.obs_high = {255};
  if (!params.HasPartner()) spec.obs_shape.insert(spec.obs_shape.begin(), layout.num_players);
  spec.action_is_scalar = params.HasPartner();
  spec.action_nvec.assign(params.NumViews(), kitchen::kNumActions);
  spec.max_episode_steps = params.horizon;
  spec.event_names.assign(std::begin(kitchen::kEventNames), std::end(kitchen::kEventNames));
  spec.event_rows = layout.num_players;
  spec.signal_names = {"sparse_reward", "shaped_reward"};
  if (params.interactions) {
    for (const char* part : {"verb", "cell", "item"}) {
      spec.signal_names.push_back(std::string("interaction_") + part);
    }
  }
  spec.signal_widths.assign(spec.signal_names.size(), layout.num_players);
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
  std::array<kitchen::Interaction, kitchen::kMaxPlayers> interactions;
  const bool note = params.interactions && extras.signals != nullptr;
  if (note) record.interactions = interactions.data();
  kitchen::StepPlayers(params, state, joint, record);
  Outcome outcome;
  for (int i = 0; i < players; ++i) outcome.reward += record.sparse[i];
  if (extras.signals != nullptr) {
    for (int i = 0; i < players; ++i) {
      extras.signals[i] = static_cast<float>(record.sparse[i]);
      extras.signals[players + i] = record.shaped[i];
    }
    for (int i = 0; note && i < players; ++i) {
      extras.signals[2 * players + i] = static_cast<float>(interactions[i].verb);
      extras.signals[3 * players + i] = static_cast<float>(interactions[i].cell);
      extras.signals[4 * players + i] = static_cast<float>(interactions[i].item);
    }
  }
  return outcome;
}

}  // namespace rollout
