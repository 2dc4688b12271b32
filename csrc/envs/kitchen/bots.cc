#include "envs/kitchen/bots.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/philox.h"
#include "envs/kitchen/kitchen.h"

namespace rollout::kitchen {
namespace {

using Cells = std::bitset<kMaxCells>;

constexpr std::uint32_t kBotSite = 0x4B000000;   // where a bot's numbers come from, plus its index
constexpr std::uint32_t kKindSite = 0x4B100000;  // likewise, for the kind of a mixed bot

// what a bot takes for granted about the others; all found by playing cooks against each other
constexpr int kTrustPeriod = 80,
              kTrustSteps = 60;  // steps; outside, others' hands count for nothing
constexpr int kDetourPeriod = 32, kDetourSteps = 8;  // steps; inside, any detour is taken
constexpr int kShortDetour = 4;      // extra steps that the first of two cooks walks to make way
constexpr int kDishAheadSteps = 12;  // a soup this close to ready is worth a dish now
constexpr std::uint32_t kYieldOdds = 10;  // one in this many times the later player goes first
constexpr int kTurnSteps = 50;            // who backs off changes this often
constexpr int kHoverDistance = 2;         // how near a pot to wait for it

class Scripted {
 public:
  Scripted(const Params& params, const State& state, int player, bool only_fills,
           PhiloxStream& random)
      : params_(params),
        layout_(params.layout),
        state_(state),
        me_(player),
        cell_(state.cell[player]),
        facing_(state.facing[player]),
        held_(state.held[player]),
        my_region_(1u << layout_.region[cell_]),
        only_fills_(only_fills),
        trusts_(state.timestep % kTrustPeriod < kTrustSteps),
        random_(random) {
    CountPots();
    CountHands();
  }

  int Act() {
    if (IsSoup(held_)) return only_fills_ ? PutDown() : Serve();
    if (held_ == kDish) return only_fills_ ? PutDown() : Plate();
    if (held_ != kNothing) return Fill();
    return Fetch();
  }

 private:
  struct PotView {
    int cell, mix, left;  // left: steps until ready, 0 when ready; meaningless while idle
    bool idle;
    std::array<int, 2> wants;  // onions and tomatoes still to go in, in any order
  };

  void CountPots() {
    for (std::size_t i = 0; i < layout_.pots.size(); ++i) {
      const int cell = layout_.pots[i];
      const Item soup = state_.object[cell];
      PotView& pot = pots_[i];
      pot.cell = cell;
      pot.mix = soup == kNothing ? kEmptyMix : MixOf(soup);
      pot.idle = state_.tick[i] < 0;
      pot.left = layout_.cook_steps[pot.mix] - state_.tick[i];
      if (!pot.idle) {
        ++soups_;
        soon_ready_ += pot.left <= kDishAheadSteps;
        continue;
      }
      int mix = pot.mix;
      for (; params_.pot_plan[mix] != PotPlan::kCook; mix = AddToMix(mix, Wanted(mix))) {
        ++pot.wants[Wanted(mix) == kTomato];
        ++wanted_[Wanted(mix) == kTomato];
      }
    }
  }

  void CountHands() {
    for (int i = 0; i < layout_.num_players; ++i) {
      if (i == me_ || !trusts_) continue;
      if (state_.held[i] == kDish) ++other_dishes_;
      if (IsIngredient(state_.held[i])) ++other_ingredients_[state_.held[i] == kTomato];
    }
    // whoever cannot get to a pot hands over; what lies ready to be taken counts as done
    if (CanReach(kPot)) return;
    for (int cell = 0; cell < layout_.num_cells; ++cell) {
      if (!IsHandover(cell, kPot)) continue;
      ++handovers_;
      const Item item = state_.object[cell];
      handovers_used_ += item != kNothing;
      other_dishes_ += item == kDish;
      if (IsIngredient(item)) ++other_ingredients_[item == kTomato];
    }
  }

  Item Wanted(int mix) const {
    return params_.pot_plan[mix] == PotPlan::kAddTomato ? kTomato : kOnion;
  }
  bool CanReach(Terrain terrain) const { return (layout_.reach[terrain] & my_region_) != 0; }
  bool Touches(int cell) const { return (layout_.touched_by[cell] & my_region_) != 0; }
  // a counter between me and somebody who can get to `terrain`
  bool IsHandover(int cell, Terrain terrain) const {
    const auto theirs = layout_.touched_by[cell] & layout_.peopled & ~my_region_;
    return layout_.terrain[cell] == kCounter && Touches(cell) &&
           (theirs & layout_.reach[terrain]) != 0;
  }
  int Missing(bool tomato) const { return wanted_[tomato] - other_ingredients_[tomato]; }
  // soups that cook, are ready, or will cook once the others have put in what they hold
  int Expected() const {
    const bool covered = wanted_[0] + wanted_[1] > 0 && Missing(false) <= 0 && Missing(true) <= 0;
    return soups_ + covered;
  }

  template <class Where>
  Cells Select(const Where& where) const {
    Cells cells;
    for (int cell = 0; cell < layout_.num_cells; ++cell) {
      if (Touches(cell) && where(cell)) cells.set(cell);
    }
    return cells;
  }
  Cells Stations(Terrain terrain) const {
    return Select([&](int cell) { return layout_.terrain[cell] == terrain; });
  }
  Cells Sources(Terrain box, Item item) const {
    return Select([&](int cell) {
      return layout_.terrain[cell] == box ||
             (layout_.terrain[cell] == kCounter && state_.object[cell] == item);
    });
  }
  template <class Which>
  Cells Pots(const Which& which) const {
    Cells cells;
    for (std::size_t i = 0; i < layout_.pots.size(); ++i) {
      if (Touches(pots_[i].cell) && which(pots_[i])) cells.set(pots_[i].cell);
    }
    return cells;
  }

  int Serve() {
    if (CanReach(kServing)) return GoAndUse(Stations(kServing));
    return HandOver(kServing);
  }

  int Plate() {
    if (!CanReach(kPot)) return HandOver(kPot);
    const Cells ready = Pots([](const PotView& pot) { return !pot.idle && pot.left <= 0; });
    if (ready.any()) return GoAndUse(ready);
    const Cells cooking = Pots([](const PotView& pot) { return !pot.idle; });
    if (cooking.any() && soups_ > other_dishes_) return GoAndWait(cooking, 0);
    if (Expected() > other_dishes_ || Startable().any()) {
      if (trusts_) return GoAndWait(Stations(kPot), kHoverDistance);
    }
    return PutDown();
  }

  int Fill() {
    const bool tomato = held_ == kTomato;
    if (!CanReach(kPot)) return Missing(tomato) > -1 ? HandOver(kPot) : Wait();
    const Cells open = Pots([&](const PotView& pot) { return pot.wants[tomato] > 0; });
    if (open.any()) return GoAndUse(open);
    if (only_fills_) return GoAndWait(Stations(kPot), kHoverDistance);
    // the next soup will want it, unless a dish is wanted first and nobody else goes for one
    const bool dish_first = soups_ > other_dishes_ && CanReach(kDishes) && !SomebodyFetches(kDish);
    if (dish_first || Startable().any() || wanted_[!tomato] > 0) return PutDown();
    return GoAndWait(Stations(kPot), kHoverDistance);
  }

  int Fetch() {
    if (!only_fills_) {
      if (CanReach(kServing)) {
        const Cells soups = Select([&](int cell) {
          return layout_.terrain[cell] == kCounter && IsSoup(state_.object[cell]);
        });
        if (soups.any()) return GoAndUse(soups);
      }
      const Cells startable = Startable();
      if (startable.any()) return GoAndUse(startable);
      if (soon_ready_ > other_dishes_) {
        if (const auto action = FetchDish()) return *action;
      }
    }
    if (const auto action = FetchIngredient()) return *action;
    if (!only_fills_ && Expected() > other_dishes_) {
      if (const auto action = FetchDish()) return *action;
    }
    // nothing is missing: be early for the next soup
    if (CanReach(kPot)) {
      const Item first = Wanted(kEmptyMix);
      const Cells sources = Sources(first == kTomato ? kTomatoes : kOnions, first);
      if (sources.any()) return GoAndUse(sources);
    }
    return Wait();
  }

  Cells Startable() const {
    return Pots([&](const PotView& pot) {
      return pot.idle && pot.mix != kEmptyMix && params_.pot_plan[pot.mix] == PotPlan::kCook;
    });
  }

  std::optional<int> FetchDish() {
    const Cells sources = Sources(kDishes, kDish);
    if (sources.none() || SomebodyFetches(kDish) || CountersClogged()) return std::nullopt;
    return GoAndUse(sources);
  }

  std::optional<int> FetchIngredient() {
    Cells sources;
    if (Missing(false) > 0) sources |= Sources(kOnions, kOnion);
    if (Missing(true) > 0) sources |= Sources(kTomatoes, kTomato);
    if (sources.none() || CountersClogged()) return std::nullopt;
    return GoAndUse(sources);
  }

  // one handover counter stays free, so that the other thing that is wanted can pass
  bool CountersClogged() const { return handovers_ > 0 && handovers_used_ + 1 >= handovers_; }

  // another player with free hands is nearer to a dish than me, and looks that way
  bool SomebodyFetches(Item item) const {
    if (!trusts_) return false;
    const Cells sources = Sources(kDishes, item);
    const auto [mine, my_target] = Nearest(sources, cell_, facing_);
    for (int i = 0; i < layout_.num_players; ++i) {
      if (i == me_ || state_.held[i] != kNothing) continue;
      const auto [theirs, target] = Nearest(sources, state_.cell[i], state_.facing[i]);
      const bool first = held_ != kNothing || theirs < mine || (theirs == mine && i < me_);
      if (target == kNoPlace || !first) continue;
      const int ahead = layout_.Ahead(state_.cell[i], state_.facing[i]);
      const bool looks =
          ahead == target ||
          (layout_.IsFloor(ahead) && layout_.Distance(target, ahead, state_.facing[i]) < theirs);
      if (looks) return true;
    }
    return false;
  }

  int PutDown() {
    const auto free = [&](int cell) {
      return layout_.terrain[cell] == kCounter && state_.object[cell] == kNothing;
    };
    // keep the counters between two regions for what must pass
    const Cells own = Select([&](int cell) {
      const auto touched = layout_.touched_by[cell] & layout_.peopled;
      return free(cell) && (touched & (touched - 1)) == 0;
    });
    const Cells any = own.any() ? own : Select(free);
    return any.any() ? GoAndUse(any) : Wait();
  }

  int HandOver(Terrain terrain) {
    const Cells free = Select(
        [&](int cell) { return IsHandover(cell, terrain) && state_.object[cell] == kNothing; });
    return free.any() ? GoAndUse(free) : Wait();
  }

  struct Near {
    int distance;
    int target;
  };
  Near Nearest(const Cells& targets, int cell, int facing) const {
    Near best{kUnreachable, kNoPlace};
    for (int target = 0; target < layout_.num_cells; ++target) {
      if (!targets[target]) continue;
      const int distance = layout_.Distance(target, cell, facing);
      if (distance < best.distance) best = {distance, target};
    }
    return best;
  }

  int GoAndUse(const Cells& targets) { return Go(targets, 0, kInteract); }
  int GoAndWait(const Cells& targets, int distance) { return Go(targets, distance, kStay); }

  // towards the nearest target; `arrived` once it is `near` or closer
  int Go(const Cells& targets, int near, int arrived) {
    const auto [distance, target] = Nearest(targets, cell_, facing_);
    if (target == kNoPlace) return Wait();
    if (distance <= near) return arrived == kStay ? Wait() : arrived;
    const int direct = Downhill(target, cell_, facing_);
    if (!PathIsTaken(target)) return Yielding(direct);

    const auto [detour, length] = SearchAround(targets);
    const bool patient = me_ == 0 && state_.timestep % kDetourPeriod >= kDetourSteps;
    const bool worth_it = detour != kStay && (!patient || length <= distance + kShortDetour);
    // two who both turn around would meet again on the other side
    const bool turns_back = detour == (facing_ ^ 1);
    if (worth_it && (!turns_back || random_.Below(2) == 0)) return Yielding(detour);
    if (!Taken(layout_.Ahead(cell_, direct))) return Yielding(direct);
    // face to face with no way around: one backs off, the other pushes, and turns are taken
    return MustYield(layout_.Ahead(cell_, direct)) ? StepAside() : direct;
  }

  bool MustYield(int their_cell) {
    int other = 0;
    while (other == me_ || state_.cell[other] != their_cell) ++other;
    if (layout_.Ahead(their_cell, state_.facing[other]) != cell_) return random_.Below(4) == 0;
    const bool swap = state_.timestep / kTurnSteps % 2 == 1;
    const bool free_hands = held_ == kNothing, their_free_hands = state_.held[other] == kNothing;
    return (free_hands != their_free_hands ? free_hands : me_ > other) != swap;
  }

  // the first action of the shortest way to face the target, others ignored
  int Downhill(int target, int cell, int facing) const {
    const int distance = layout_.Distance(target, cell, facing);
    for (int action = 0; action < 4; ++action) {
      const int ahead = layout_.Ahead(cell, action);
      const int next = layout_.IsFloor(ahead) ? ahead : cell;
      if (layout_.Distance(target, next, action) < distance) return action;
    }
    return kStay;
  }

  bool PathIsTaken(int target) const {
    int cell = cell_, facing = facing_;
    for (int left = layout_.Distance(target, cell, facing); left > 0; --left) {
      facing = Downhill(target, cell, facing);
      if (facing == kStay) return false;
      const int ahead = layout_.Ahead(cell, facing);
      if (!layout_.IsFloor(ahead)) continue;
      if (Taken(ahead)) return true;
      cell = ahead;
    }
    return false;
  }

  bool Taken(int cell) const {
    for (int i = 0; i < layout_.num_players; ++i) {
      if (i != me_ && state_.cell[i] == cell) return true;
    }
    return false;
  }

  // breadth first over floor with the others as walls; {kStay, 0} where they close every way
  std::pair<int, int> SearchAround(const Cells& targets) const {
    std::array<std::uint8_t, kMaxCells> queue, first, steps;
    Cells seen;
    int head = 0, tail = 0;
    seen.set(cell_);
    queue[tail] = static_cast<std::uint8_t>(cell_);
    first[cell_] = kStay;
    steps[cell_] = 0;
    ++tail;
    while (head < tail) {
      const int cell = queue[head++];
      for (int direction = 0; direction < 4; ++direction) {
        const int ahead = layout_.Ahead(cell, direction);
        const int action = cell == cell_ ? direction : first[cell];
        if (targets[ahead]) return {action, steps[cell] + 1};
        if (!layout_.IsFloor(ahead) || seen[ahead] || Taken(ahead)) continue;
        seen.set(ahead);
        first[ahead] = static_cast<std::uint8_t>(action);
        steps[ahead] = static_cast<std::uint8_t>(steps[cell] + 1);
        queue[tail++] = static_cast<std::uint8_t>(ahead);
      }
    }
    return {kStay, 0};
  }

  // a cell that somebody else looks at may be theirs next, and two who enter it freeze everybody:
  // the later player mostly waits
  int Yielding(int action) {
    if (action >= kStay) return action;
    const int ahead = layout_.Ahead(cell_, action);
    if (!layout_.IsFloor(ahead)) return action;
    for (int i = 0; i < me_; ++i) {
      const bool looks = layout_.Ahead(state_.cell[i], state_.facing[i]) == ahead;
      if (looks && random_.Below(kYieldOdds) != 0) return kStay;
    }
    return action;
  }

  // nothing to do: stay, but not in somebody's way
  int Wait() {
    for (int i = 0; i < layout_.num_players; ++i) {
      if (i != me_ && layout_.Ahead(state_.cell[i], state_.facing[i]) == cell_) return StepAside();
    }
    return kStay;
  }

  int StepAside() {
    std::array<int, 4> ways{};
    std::uint32_t count = 0;
    for (int direction = 0; direction < 4; ++direction) {
      const int ahead = layout_.Ahead(cell_, direction);
      if (layout_.IsFloor(ahead) && !Taken(ahead)) ways[count++] = direction;
    }
    return count == 0 ? static_cast<int>(kStay) : ways[random_.Below(count)];
  }

  const Params& params_;
  const Layout& layout_;
  const State& state_;
  const int me_, cell_, facing_;
  const Item held_;
  const std::uint32_t my_region_;
  const bool only_fills_, trusts_;
  PhiloxStream& random_;

  std::array<PotView, kMaxPots> pots_{};
  int soups_ = 0, soon_ready_ = 0;  // pots that cook or are ready; and those worth a dish now
  std::array<int, 2> wanted_{};     // onions and tomatoes that the idle pots still want
  int other_dishes_ = 0;            // in others' hands
  std::array<int, 2> other_ingredients_{};  // likewise
  int handovers_ = 0, handovers_used_ = 0;
};

}  // namespace

Bot BotNamed(std::string_view argument, std::string_view name) {
  const auto found = std::find(std::begin(kBotNames) + 1, std::end(kBotNames), name);
  if (found != std::end(kBotNames)) return static_cast<Bot>(found - std::begin(kBotNames));
  throw std::invalid_argument(std::string(argument) +
                              ": expected 'cook', 'onions', 'random', 'stay' or 'mixed', got '" +
                              std::string(name) + "'; choose one of them");
}

int BotAction(const Params& params, const State& state, int player, Bot bot, double noise,
              const StepKey& key) {
  if (bot == Bot::kMixed) {
    // the draw leaves the step out, so that a whole episode meets one kind
    PhiloxStream kinds(key.seed, key.episode, 0, kKindSite + static_cast<unsigned>(player));
    constexpr Bot kKinds[] = {Bot::kCook, Bot::kOnions, Bot::kRandom, Bot::kStay};
    bot = kKinds[kinds.Below(std::size(kKinds))];
  }
  PhiloxStream random(key.seed, key.episode, key.step, kBotSite + static_cast<unsigned>(player));
  if (bot == Bot::kRandom || (noise > 0 && random.NextDouble() < noise)) {
    return static_cast<int>(random.Below(kNumActions));
  }
  if (bot != Bot::kCook && bot != Bot::kOnions) return kStay;
  return Scripted(params, state, player, bot == Bot::kOnions, random).Act();
}

}  // namespace rollout::kitchen
