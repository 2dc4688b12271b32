// Worlds as the leaves of a tree search: stepped where they lie, and told in a search's terms.
//
// A search hands out copies of its leaves' parents, L blobs in a row, and an action for each; they
// are stepped in place, so they are then the leaves' own worlds, for the search to take back. There
// is no autoreset. Worlds and outputs belong to the caller; one caller at a time, as for the batch.
// The cost is that of Batch::Step and O(A) a leaf.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vec/batch.h"

namespace rollout {

struct LeafOutputs {
  StepOutputs step;         // with reward, terminated and truncated, and with the mask if there is
                            // one; with signals if `players` is more than 1
  float* reward = nullptr;  // [L] of who has moved, or [L, players] of everyone
  float* discount = nullptr;  // [L] `discount`, or 0 where the game has ended by its rules
  bool* done = nullptr;       // [L] where the world has ended, by its rules or by its limit
  bool* invalid = nullptr;    // [L, A] where an action is against the rules, or null
};

// Steps n worlds. Returns the first whose action is against the rules, and then none was stepped;
// or -1. May throw EnvError.
std::int64_t StepLeaves(Batch& batch, std::byte* worlds, std::size_t n, const std::int64_t* actions,
                        float discount, std::size_t players, const LeafOutputs& out);

}  // namespace rollout
