// What the board games share: bits turned into bytes, how a game ends, what a batch is told.
//
// Every game here is for two players who take turns, player 0 first. An observation is uint8
// [planes, height, width] of 0 and 1, from the view of the player to move: plane 0 has that
// player's stones, plane 1 the opponent's. A game pays once, at its end: 1, 0 or -1.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "envs/env.h"

namespace rollout::boards {

// The low 8 bits as 8 bytes of 0 or 1, the lowest bit in the byte that comes first.
constexpr std::uint64_t SpreadBits(std::uint64_t bits) {
  const std::uint64_t one_each = ((bits & 0xFF) * 0x0101010101010101ULL) & 0x8040201008040201ULL;
  return ((one_each + 0x7F7F7F7F7F7F7F7FULL) >> 7) & 0x0101010101010101ULL;
}

// The low kCount bits as kCount bytes of 0 or 1.
template <int kCount, class Byte>
void WriteBits(std::uint64_t bits, Byte* out) {
  static_assert(sizeof(Byte) == 1);
  constexpr int kWhole = kCount / 8 * 8;
  for (int i = 0; i < kWhole; i += 8) {
    const std::uint64_t bytes = SpreadBits(bits >> i);
    std::memcpy(out + i, &bytes, 8);
  }
  if constexpr (kCount == kWhole + 1) {
    out[kWhole] = static_cast<Byte>(bits >> kWhole & 1);
  } else if constexpr (kCount > kWhole) {
    const std::uint64_t bytes = SpreadBits(bits >> kWhole);
    std::memcpy(out + kWhole, &bytes, kCount - kWhole);
  }
}

// The end of a game: `result` is what the player who has moved gets.
inline Outcome Settle(int mover, int result, const StepExtras& extras) {
  if (extras.signals != nullptr) {
    extras.signals[mover] = static_cast<float>(result);
    extras.signals[1 - mover] = static_cast<float>(-result);
  }
  return {static_cast<double>(result), true};
}

inline EnvSpec DescribeBoard(std::string id, std::int64_t planes, std::int64_t height,
                             std::int64_t width, std::int64_t actions) {
  EnvSpec spec;
  spec.id = std::move(id);
  spec.obs_shape = {planes, height, width};
  spec.obs_dtype = Dtype::kUint8;
  spec.obs_low = {0};
  spec.obs_high = {1};
  spec.action_nvec = {actions};
  spec.signal_names = {"rewards"};
  spec.signal_widths = {2};
  spec.num_players = 2;
  return spec;
}

}  // namespace rollout::boards
