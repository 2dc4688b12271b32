// What a kitchen is asked for, checked and turned into its Params.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "envs/kitchen/features.h"
#include "envs/kitchen/kitchen.h"

namespace rollout::kitchen {
namespace {

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

  FillBackdrops(params);
  if (options.observation == "features") {
    params.features = true;
    params.pose_features = PoseFeatures(layout);
  } else if (options.observation != "lossless") {
    throw std::invalid_argument("observation: expected 'lossless' or 'features', got '" +
                                options.observation +
                                "'; lossless has planes of the grid, features has numbers");
  }
  params.interactions = options.interactions;
  return params;
}

}  // namespace rollout::kitchen
