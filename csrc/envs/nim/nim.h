// Nim-v0: two players take one to three tokens from a heap in turn; who takes the last one wins.
//
// The smallest game that uses all that an environment may have (env.h): turns, legal actions, an
// observation of several arrays, events and a reward a player, pictures. Who is to move wins
// exactly when the heap is no multiple of four (Bouton 1901), which makes it a good first test of a
// planner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/philox.h"
#include "envs/env.h"

namespace rollout {

struct Nim {
  using Action = std::int64_t;  // a takes a + 1 tokens

  static constexpr std::int64_t kMostTaken = 3;
  static constexpr std::int64_t kLargestHeap = 32;
  static constexpr std::size_t kGrainRows = 512;

  struct Params {
    std::int64_t heap = 15;   // the largest a game starts with
    bool random_heap = true;  // start with 1 .. heap, all equally likely; else always with heap
    bool misere = false;      // who takes the last token loses instead
  };

  struct State {
    std::int32_t heap, first_heap;
    std::int32_t to_play;  // 0 or 1
  };

  struct Obs {
    std::int64_t heap;
    std::uint8_t tokens[kLargestHeap];
    float left;
  };

  static EnvSpec Describe(const Params& params) {
    EnvSpec spec;
    spec.id = "Nim-v0";
    spec.obs_fields = {
        {.name = "heap",
         .shape = {},
         .dtype = Dtype::kInt64,
         .low = {},
         .high = {},
         .nvec = {params.heap + 1},
         .offset = offsetof(Obs, heap)},
        {.name = "tokens",
         .shape = {params.heap},
         .dtype = Dtype::kUint8,
         .low = {0},
         .high = {1},
         .nvec = {},
         .offset = offsetof(Obs, tokens)},
        {.name = "left",
         .shape = {1},
         .dtype = Dtype::kFloat32,
         .low = {0},
         .high = {1},
         .nvec = {},
         .offset = offsetof(Obs, left)},
    };
    spec.action_nvec = {kMostTaken};
    spec.event_names = {"took", "won"};
    spec.event_rows = 2;
    spec.signal_names = {"rewards"};
    spec.signal_widths = {2};
    spec.num_players = 2;
    return spec;
  }

  static void Reset(const Params& params, State& state, const StepKey& key) {
    std::int64_t heap = params.heap;
    if (params.random_heap) {
      PhiloxStream stream(key.seed, key.episode, 0, 0);
      heap = 1 + static_cast<std::int64_t>(stream.Below(static_cast<std::uint32_t>(params.heap)));
    }
    state.heap = state.first_heap = static_cast<std::int32_t>(heap);
    state.to_play = 0;
  }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const std::int32_t mover = state.to_play;
    state.heap -= static_cast<std::int32_t>(*action) + 1;
    state.to_play = 1 - mover;

    Outcome outcome;
    outcome.terminated = state.heap == 0;
    if (outcome.terminated) outcome.reward = params.misere ? -1.0 : 1.0;
    if (extras.events != nullptr) {
      const std::int32_t winner = params.misere ? 1 - mover : mover;
      extras.events[2 * mover] = static_cast<std::uint8_t>(*action + 1);
      if (outcome.terminated) extras.events[2 * winner + 1] = 1;
    }
    if (extras.signals != nullptr) {
      extras.signals[mover] = static_cast<float>(outcome.reward);
      extras.signals[1 - mover] = static_cast<float>(-outcome.reward);
    }
    return outcome;
  }

  static void Observe(const Params& params, const State& state, Obs* out) {
    out->heap = state.heap;
    for (std::int64_t k = 0; k < params.heap; ++k) out->tokens[k] = k < state.heap;
    out->left = static_cast<float>(state.heap) / static_cast<float>(state.first_heap);
  }

  static void LegalActions(const Params&, const State& state, std::int8_t* mask) {
    for (std::int64_t a = 0; a < kMostTaken; ++a) mask[a] = a < state.heap;
  }

  static bool IsLegal(const Params&, const State& state, const Action* action) {
    return *action < state.heap;
  }

  static int ToPlay(const Params&, const State& state) { return state.to_play; }

  // a row of tokens, those taken dark; the ground is red or blue as it is one's or the other's turn
  static void Render(const Params& params, const State& state, int size, std::uint8_t* rgb) {
    const auto heap = static_cast<int>(params.heap);
    const std::uint8_t ground[3] = {static_cast<std::uint8_t>(state.to_play == 0 ? 96 : 16), 16,
                                    static_cast<std::uint8_t>(state.to_play == 0 ? 16 : 96)};
    for (int y = 0; y < size; ++y) {
      const bool band = y >= size / 4 && y < size - size / 4;
      for (int x = 0; x < size; ++x, rgb += 3) {
        const int token = x * heap / size;
        const bool gap = x == 0 || (x - 1) * heap / size != token;
        const bool lit = band && !gap && token < state.heap;
        for (int c = 0; c < 3; ++c) rgb[c] = lit ? std::uint8_t{240} : ground[c];
      }
    }
  }
};

static_assert(Environment<Nim>);

}  // namespace rollout
