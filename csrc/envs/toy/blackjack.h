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

  static constexpr std::int32_t kMost = 21, kDealerStands = 17, kAceBonus = 10;

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

    void Add(std::int32_t card) {
      hard += card;
      ++cards;
      ace |= card == 1;
    }
    bool usable_ace() const { return ace & (hard + kAceBonus <= kMost); }
    std::int32_t sum() const { return hard + kAceBonus * usable_ace(); }
    std::int32_t score() const { return sum() * (sum() <= kMost); }
    bool natural() const { return (cards == 2) & ace & (hard == 11); }
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
  static constexpr std::uint32_t kRanks = 13;

  static std::int32_t Draw(State& state) {
    return static_cast<std::int32_t>(std::min<std::int64_t>(state.rng.Integer(1, 1 + kRanks), 10));
  }

  // Draws that are looked at ahead. One in 2^28 is rejected, and then the next one counts: `rare`
  // says that there may be such a one, and that these are not what the stream gives.
  template <int kPairs>
  struct Deck {
    explicit Deck(State& state) : ahead(state.rng) {}

    // of 0 .. n - 1
    std::int32_t Number(int k, std::uint32_t n) {
      const std::uint64_t product = std::uint64_t{ahead[k]} * n;
      rare |= static_cast<std::uint32_t>(product) < n;
      return static_cast<std::int32_t>(product >> 32);
    }
    std::int32_t Card(int k) { return std::min(1 + Number(k, kRanks), 10); }

    NumpyIntegers::Ahead<kPairs> ahead;
    bool rare = false;
  };

  static void Reset(const Params&, State& state, const StepKey& key) {
    if (key.reseeded) state.rng.Seed(key.seed);
    constexpr int kCards = 4;
    Deck<3> deck(state);
    std::int32_t cards[kCards];
    for (int k = 0; k < kCards; ++k) cards[k] = deck.Card(k);
    // the original draws the suit and the face of the dealer's card for its pictures
    const bool face = cards[0] == 10;
    deck.Number(kCards, 4);
    deck.Number(kCards + 1, 3);
    if (__builtin_expect(deck.rare, 0)) {
      for (std::int32_t& card : cards) card = Draw(state);
      state.rng.Integer(0, 4);
      if (cards[0] == 10) state.rng.Integer(0, 3);
    } else {
      deck.ahead.Take(kCards + 1 + face);
    }
    state.shown = cards[0];
    state.dealer = HandOf(cards[0], cards[1]);
    state.player = HandOf(cards[2], cards[3]);
  }

  static Hand HandOf(std::int32_t first, std::int32_t second) {
    return {first + second, 2, first == 1 || second == 1};
  }

  static Outcome Hit(State& state) {
    Deck<1> deck(state);
    std::int32_t card = deck.Card(0);
    if (__builtin_expect(deck.rare, 0)) {
      card = Draw(state);
    } else {
      deck.ahead.Take(1);
    }
    state.player.Add(card);
    const bool bust = state.player.sum() > kMost;
    return {static_cast<double>(-int{bust}), bust};
  }

  static Outcome Stick(const Params& params, State& state) {
    DrawForDealer(state);
    const std::int32_t mine = state.player.score(), theirs = state.dealer.score();
    const int won = (mine > theirs) - (mine < theirs);
    const bool natural = state.player.natural();
    if (params.sab) {
      return {static_cast<double>(natural & !state.dealer.natural() ? 1 : won), true};
    }
    const bool pays_more = params.natural & natural & (won == 1);
    return {won + 0.5 * pays_more, true};
  }

  static void DrawForDealer(State& state) {
    constexpr int kMostly = 4;  // few dealers draw more
    Deck<kMostly / 2> deck(state);
    Hand hand = state.dealer;
    int taken = 0;
    for (int k = 0; k < kMostly; ++k) {
      const std::int32_t card = deck.Card(k);
      const bool draws = hand.sum() < kDealerStands;
      hand.hard += draws ? card : 0;
      hand.cards += draws;
      hand.ace |= draws & (card == 1);
      taken += draws;
    }
    if (__builtin_expect(!deck.rare, 1)) {
      state.dealer = hand;
      deck.ahead.Take(taken);
    }
    while (state.dealer.sum() < kDealerStands) state.dealer.Add(Draw(state));
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
        // written to both ends, of which one counts
        const bool hit = *actions[first + i] == 1;
        order[hits] = order[sticks - 1] = static_cast<std::uint8_t>(i);
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
