// Open-loop rolls: many sequences of actions from given rows, through a whole horizon at once.
//
// What a planner of sequences asks of an exact model. Worlds are copied, a block that fits a core's
// cache at a time, and stepped to the end of the horizon before the next block; the rows that they
// start from stay as they are. No observation is made. There is no autoreset: a world that has
// ended stays as it is, with reward 0.
//
// Memory belongs to the caller, and so does the check of the actions' range. Bytes do not depend on
// the number of threads or on the company of other sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "vec/kernel.h"

namespace rollout {

// Arrays of H steps of n sequences, time first. A null pointer means "not requested".
struct FollowOutputs {
  float* reward = nullptr;         // [H, n]
  float* alive = nullptr;          // [H, n]: 0 where the world has ended by its rules, else 1
  std::uint8_t* events = nullptr;  // [H, n, event_size]
  std::byte* last = nullptr;       // n rows, packed: the worlds at the end
};

// from: the row of the slab that each sequence starts in, [n]. actions: [H, n, action_size].
// Rolls sequences begin .. end of them. Returns the first in which an action may not be taken, or
// -1; outputs are then incomplete.
std::int64_t Follow(ThreadPool& pool, const Kernel& kernel, const std::byte* slab,
                    std::span<const std::int64_t> from, const void* actions, std::size_t horizon,
                    const FollowOutputs& out, std::size_t begin, std::size_t end);

}  // namespace rollout
