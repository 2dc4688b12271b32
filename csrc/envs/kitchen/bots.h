// Scripted cooks: a partner for the kitchen's first player, and opponents for tests.
//
// A bot is a pure function of the state it sees and of the numbers that its StepKey fixes: it keeps
// no memory, so a snapshot holds all there is to know about it. Thread-safe, allocates nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "envs/env.h"

namespace rollout::kitchen {

struct Params;
struct State;

enum class Bot : std::uint8_t {
  kNone,    // nobody
  kCook,    // does whatever the kitchen needs next, makes way, hands over where nothing else helps
  kOnions,  // only ever fills the pots
  kRandom,  // any of the six actions
  kStay,    // never moves
  kMixed,   // one of the four above, drawn anew each episode
};

inline constexpr std::string_view kBotNames[] = {"", "cook", "onions", "random", "stay", "mixed"};

// Throws std::invalid_argument, naming `argument`, where no bot has this name.
Bot BotNamed(std::string_view argument, std::string_view name);

// The action (0..5) that `player` takes now. With probability `noise` it is any of the six instead.
// A cook costs about 0.1 us in cramped_room and 0.2 us in counter_circuit_o_1order (one thread of a
// shared server), most of it for finding a way around the others.
int BotAction(const Params& params, const State& state, int player, Bot bot, double noise,
              const StepKey& key);

}  // namespace rollout::kitchen
