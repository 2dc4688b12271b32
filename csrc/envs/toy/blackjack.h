// Blackjack-v1: draw cards towards 21 without passing it, against a dealer who draws up to 17.
//
// Actions: 0 stick, 1 hit. Equal with gymnasium's. Source: Sutton and Barto, Example 5.1, cards
// drawn with replacement, with the rules of gymnasium 1.x.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "envs/env.h"
#include "envs/numpy_rng.h"

namespace rollout {

struct Blackjack {
  using Action = std::int64_t;
  struct Obs {
    std::int64_t sum;     // the player's, a usable ace counting 11
    std::int64_t dealer;  // the dealer's first card, 1 for an ace
    std::int64_t ace;     // 1: the player has a usable ace
  };
  static constexpr std::size_t kGrainRows = 256;

  static constexpr std::int64_t kMost = 21, kDealerStands = 17, kAceBonus = 10;

  struct Params {
    bool natural = false;  // a win with a natural, an ace and a ten, pays 1.5
    bool sab = true;       // Sutton and Barto's rules: a natural wins unless the dealer has one too
    std::int64_t max_episode_steps = 0;
  };

  // All that matters of a hand.
  struct Hand {
    std::int32_t hard = 0;  // the sum, an ace counting 1
    std::int32_t cards = 0;
    bool ace = false;

    void Add(std::int64_t card) {
      hard += static_cast<std::int32_t>(card);
      ++cards;
      ace = ace || card == 1;
    }
    bool usable_ace() const { return ace && hard + kAceBonus <= kMost; }
    std::int64_t sum() const { return hard + (usable_ace() ? kAceBonus : 0); }
    std::int64_t score() const { return sum() > kMost ? 0 : sum(); }
    bool natural() const { return cards == 2 && ace && hard == 11; }
  };

  struct State {
    Hand player, dealer;
    std::int64_t shown;  // the dealer's first card
    NumpyIntegers rng;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "Blackjack-v1";
    const auto field = [](std::int64_t n, std::size_t offset) {
      ObsField out;
      out.dtype = Dtype::kInt64;
      out.nvec = {n};
      out.offset = offset;
      return out;
    };
    spec.obs_fields = {field(32, offsetof(Obs, sum)), field(11, offsetof(Obs, dealer)),
                       field(2, offsetof(Obs, ace))};
    spec.action_nvec = {2};
    spec.max_episode_steps = params.max_episode_steps;
    return spec;
  }

  // of a deck of 1 to 10 and three more tens
  static std::int64_t Draw(State& state) {
    const std::int64_t rank = state.rng.Integer(1, 14);
    return rank < 10 ? rank : 10;
  }

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    state.player = state.dealer = {};
    state.shown = Draw(state);
    state.dealer.Add(state.shown);
    state.dealer.Add(Draw(state));
    state.player.Add(Draw(state));
    state.player.Add(Draw(state));
    // the original draws the suit and the face of the dealer's card for its pictures
    state.rng.Integer(0, 4);
    if (state.shown == 10) state.rng.Integer(0, 3);
  }

  static Outcome Hit(State& state) {
    state.player.Add(Draw(state));
    const bool bust = state.player.sum() > kMost;
    return {bust ? -1.0 : 0.0, bust};
  }

  static Outcome Stick(const Params& params, State& state) {
    while (state.dealer.sum() < kDealerStands) state.dealer.Add(Draw(state));
    const std::int64_t mine = state.player.score(), theirs = state.dealer.score();
    double reward = static_cast<double>((mine > theirs) - (mine < theirs));
    if (params.sab) {
      if (state.player.natural() && !state.dealer.natural()) reward = 1.0;
    } else if (params.natural && state.player.natural() && reward == 1.0) {
      reward = 1.5;
    }
    return {reward, true};
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras&) {
    return *action == 1 ? Hit(state) : Stick(params, state);
  }

  // Those that hit before those that stick: nobody can guess what the next row does.
  static void StepMany(const Params& params, State* const* states, const Action* const* actions,
                       Outcome* outcomes, std::size_t n) {
    constexpr std::size_t kBlock = 64;
    for (std::size_t first = 0; first < n; first += kBlock) {
      const std::size_t count = std::min(kBlock, n - first);
      std::uint8_t order[kBlock];
      std::size_t hits = 0, sticks = count;
      for (std::size_t i = 0; i < count; ++i) {
        const bool hit = *actions[first + i] == 1;
        order[hit ? hits : sticks - 1] = static_cast<std::uint8_t>(i);
        hits += hit;
        sticks -= !hit;
      }
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t i = first + order[k];
        outcomes[i] = k < hits ? Hit(*states[i]) : Stick(params, *states[i]);
      }
    }
  }

  static void Observe(const Params&, const State& state, Obs* out) {
    *out = {state.player.sum(), state.shown, state.player.usable_ace() ? 1 : 0};
  }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/toy.cc
};

static_assert(Environment<Blackjack>);

}  // namespace rollout
