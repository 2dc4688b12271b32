// Sequential halving as a table: how many visits an action must have to be considered next.
//
// Source: Karnin et al. 2013, "Almost optimal exploration in multi-armed bandits", in the form of
// mctx's seq_halving (Apache-2.0). Allocates; O(simulations).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace rollout::search {

// The visit count considered at each simulation, for `considered` actions under a budget.
inline std::vector<std::int32_t> ConsideredVisits(std::int32_t considered,
                                                  std::int32_t simulations) {
  std::vector<std::int32_t> sequence;
  sequence.reserve(static_cast<std::size_t>(simulations));
  if (considered <= 1) {
    for (std::int32_t i = 0; i < simulations; ++i) sequence.push_back(i);
    return sequence;
  }
  const auto rounds_of_halving =
      static_cast<std::int32_t>(std::bit_width(static_cast<std::uint32_t>(considered) - 1));
  // visits of the actions still considered are equal, so one number stands for all of them
  std::int32_t visits = 0;
  const auto full = [&] { return static_cast<std::int32_t>(sequence.size()) >= simulations; };
  for (std::int32_t k = considered; !full(); k = std::max(2, k / 2)) {
    const std::int32_t repeats = std::max(1, simulations / (rounds_of_halving * k));
    for (std::int32_t repeat = 0; repeat < repeats; ++repeat, ++visits) {
      for (std::int32_t i = 0; i < k && !full(); ++i) sequence.push_back(visits);
    }
  }
  return sequence;
}

}  // namespace rollout::search
