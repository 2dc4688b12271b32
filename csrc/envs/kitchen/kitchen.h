// Kitchen-v0: cooks share a small kitchen, fill pots, plate soups and serve them (Overcooked).
//
// Equal, step for step, to overcooked_ai (Carroll et al. 2019): positions, objects, cooking times,
// sparse and shaped reward, events and the lossless encoding, in both its dynamics. A world is a
// flat State of under 200 bytes; Params owns the layout's tables and is read-only while stepping.
// Thread-safe for distinct states; nothing here allocates but MakeParams. A random joint step in
// cramped_room takes about 50 ns, and 130 ns with both players' views (one thread of a shared
// server).
//
//   old dynamics  a pot starts by itself when it holds three ingredients
//   new dynamics  an empty-handed interact starts a pot that holds at least one
//
// With a partner the second player is scripted: it acts inside Step, and everything a player sees
// (events, signals, the view) puts the ego first. Without one every player is controlled.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "envs/env.h"
#include "envs/kitchen/bots.h"
#include "envs/kitchen/features.h"
#include "envs/kitchen/layout.h"

namespace rollout {
namespace kitchen {

enum Action : std::uint8_t { kGoNorth, kGoSouth, kGoEast, kGoWest, kStay, kInteract, kNumActions };

inline constexpr int kChannels = 26;
inline constexpr int kUrgentSteps = 40;  // the last plane is 1 when fewer steps than this remain

// one count a player and step; the names are the events' public names
enum Event : std::uint8_t {
  kTomatoPickup,
  kUsefulTomatoPickup,
  kTomatoDrop,
  kUsefulTomatoDrop,
  kPottingTomato,
  kOnionPickup,
  kUsefulOnionPickup,
  kOnionDrop,
  kUsefulOnionDrop,
  kPottingOnion,
  kDishPickup,
  kUsefulDishPickup,
  kDishDrop,
  kUsefulDishDrop,
  kSoupPickup,
  kSoupDelivery,
  kSoupDrop,
  kOptimalOnionPotting,
  kOptimalTomatoPotting,
  kViableOnionPotting,
  kViableTomatoPotting,
  kCatastrophicOnionPotting,
  kCatastrophicTomatoPotting,
  kUselessOnionPotting,
  kUselessTomatoPotting,
  kCollision,  // ours: the player wanted to walk onto another floor cell and a collision undid it
  kNumEvents,
};

inline constexpr std::string_view kEventNames[kNumEvents] = {
    "tomato_pickup",
    "useful_tomato_pickup",
    "tomato_drop",
    "useful_tomato_drop",
    "potting_tomato",
    "onion_pickup",
    "useful_onion_pickup",
    "onion_drop",
    "useful_onion_drop",
    "potting_onion",
    "dish_pickup",
    "useful_dish_pickup",
    "dish_drop",
    "useful_dish_drop",
    "soup_pickup",
    "soup_delivery",
    "soup_drop",
    "optimal_onion_potting",
    "optimal_tomato_potting",
    "viable_onion_potting",
    "viable_tomato_potting",
    "catastrophic_onion_potting",
    "catastrophic_tomato_potting",
    "useless_onion_potting",
    "useless_tomato_potting",
    "collision",
};

struct State {
  std::int32_t timestep = 0;
  std::array<std::int16_t, kMaxPots> tick{};  // by pot: steps cooked, -1 while empty or idle
  std::array<std::uint8_t, kMaxPlayers> cell{};
  std::array<std::uint8_t, kMaxPlayers> facing{};
  std::array<Item, kMaxPlayers> held{};
  std::array<Item, kMaxCells> object{};  // what lies on a counter or cooks in a pot
};

// How a kitchen is asked for; the names and defaults are those of make_vec.
struct Options {
  std::string layout;  // a layout's text
  std::int64_t horizon = 400;
  std::string dynamics = "old";
  std::string partner;  // empty: nobody is scripted
  double partner_noise = 0.0;
  std::int64_t ego = 0;
  std::string observation = "lossless";
  bool interactions = false;  // signals that say who did what to which unit
};

// What to put into a pot next, by its mix: the way to the dearest soup still in reach.
enum class PotPlan : std::uint8_t { kAddOnion, kAddTomato, kCook };

struct Params {
  Layout layout;
  std::int64_t horizon = 400;
  bool old_dynamics = true;
  Bot partner = Bot::kNone;
  double partner_noise = 0.0;
  int ego = 0;

  std::array<PotPlan, kNumMixes> pot_plan{};
  State start;
  // what never moves, as an encoding [cell][channel]: with the urgency plane clear, and set
  std::vector<std::uint8_t> backdrop, urgent_backdrop;
  bool features = false;  // observations are features
  std::vector<PoseFeature> pose_features;
  bool interactions = false;

  bool HasPartner() const { return partner != Bot::kNone; }
  int NumViews() const { return HasPartner() ? 1 : layout.num_players; }
  // the row of a player's events and signals
  int RowOf(int player) const { return HasPartner() && ego == 1 ? 1 - player : player; }
};

// The parts of an encoding that never change (encoding.cc); MakeParams calls it.
void FillBackdrops(Params& params);

// Throws std::invalid_argument naming the option, the rule, what arrived and the next move.
Params MakeParams(const Options& options);

// What one player's interact did, if it did anything.
enum class Verb : std::uint8_t { kNone, kTake, kPut, kAdd, kStart, kPlate, kServe };
inline constexpr std::string_view kVerbNames[] = {"",      "take",  "put",  "add",
                                                  "start", "plate", "serve"};
struct Interaction {
  Verb verb = Verb::kNone;
  std::uint8_t cell = 0;  // the counter, box, pot or serving cell
  Item item = kNothing;   // what was taken, put, added, started, plated or served
};

// One joint step for all players; rewards and events by row (Params::RowOf).
struct StepRecord {
  std::uint8_t* events = nullptr;       // [players, kNumEvents], zeroed, or null
  Interaction* interactions = nullptr;  // [players], or null
  std::array<double, kMaxPlayers> sparse{};
  std::array<float, kMaxPlayers> shaped{};
};
void StepPlayers(const Params& params, State& state,
                 const std::array<std::uint8_t, kMaxPlayers>& actions, StepRecord& record);

// The lossless encoding [width, height, 26] as `player` sees it: planes 0 and 2..5 are its place
// and facing, 1 and 6..9 those of all others (overcooked_ai defines it for two players; with more,
// the others share their planes, each at its own cell).
void Encode(const Params& params, const State& state, int player, std::uint8_t* out);

// Every view's features (features.h): [players, FeatureCount], or [FeatureCount] with a partner.
void Featurize(const Params& params, const State& state, float* out);

}  // namespace kitchen

struct Kitchen {
  using Action = std::int64_t;  // one of kitchen::Action for each controlled player
  using Obs = std::uint8_t;     // or float, where the features are asked for: the spec says which
  using Params = kitchen::Params;
  using State = kitchen::State;

  static EnvSpec Describe(const Params& params);
  static void Reset(const Params& params, State& state, const StepKey&) { state = params.start; }
  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey& key,
                      const StepExtras& extras);
  static void Observe(const Params& params, const State& state, Obs* out);
  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/kitchen.cc
};

static_assert(Environment<Kitchen>);

}  // namespace rollout
