#include "vec/follow.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>

namespace rollout {
namespace {

constexpr std::size_t kBlock = 64;  // sequences stepped together
constexpr std::align_val_t kAlignment{64};

struct Free {
  void operator()(std::byte* slab) const { ::operator delete[](slab, kAlignment); }
};

// What one thread needs to step a block.
struct Scratch {
  explicit Scratch(const Kernel& kernel)
      : worlds(static_cast<std::byte*>(::operator new[](kBlock* kernel.row_bytes(), kAlignment))) {}

  std::unique_ptr<std::byte[], Free> worlds;
  double reward[kBlock];
  bool terminated[kBlock], truncated[kBlock];
};

}  // namespace

std::int64_t Follow(ThreadPool& pool, const Kernel& kernel, const std::byte* slab,
                    std::span<const std::int64_t> from, const void* actions, std::size_t horizon,
                    const FollowOutputs& out, std::size_t begin, std::size_t end) {
  const std::size_t n = from.size(), bytes = kernel.row_bytes();
  const std::size_t action_bytes = kernel.action_bytes();
  std::atomic<std::size_t> illegal{n};
  const auto refuse = [&](std::size_t i) {
    std::size_t now = illegal.load(std::memory_order_relaxed);
    while (i < now && !illegal.compare_exchange_weak(now, i)) {
    }
  };

  pool.ParallelFor(end - begin, kBlock, [&](std::size_t part_begin, std::size_t part_end) {
    Scratch scratch(kernel);
    for (std::size_t part = part_begin; part < part_end; part += kBlock) {
      const std::size_t first = begin + part, count = std::min(kBlock, part_end - part);
      std::byte* const worlds = scratch.worlds.get();
      for (std::size_t i = 0; i < count; ++i) {
        const auto row = static_cast<std::size_t>(from[first + i]);
        std::memcpy(worlds + i * bytes, slab + row * bytes, bytes);
      }
      std::size_t start = 0;
      if (out.events == nullptr && !kernel.can().legality) {
        start = kernel.Roll(worlds, count,
                            static_cast<const std::byte*>(actions) + first * action_bytes,
                            out.reward + first, n, horizon);
        for (std::size_t t = 0; t < start; ++t) std::fill_n(out.alive + t * n + first, count, 1.0f);
      }
      for (std::size_t t = start; t < horizon; ++t) {
        const std::size_t at = t * n + first;
        const auto* const taken = static_cast<const std::byte*>(actions) + at * action_bytes;
        if (kernel.can().legality) {
          const std::size_t bad = kernel.FirstIllegal(worlds, taken, 0, count);
          if (bad < count) return refuse(first + bad);
        }
        StepOutputs step;
        step.reward = scratch.reward;
        step.terminated = scratch.terminated;
        step.truncated = scratch.truncated;
        step.events = out.events == nullptr ? nullptr : out.events + at * kernel.event_size();
        kernel.Step(worlds, taken, Autoreset::kDisabled, step, 0, count);
        for (std::size_t i = 0; i < count; ++i) {
          out.reward[at + i] = static_cast<float>(scratch.reward[i]);
          out.alive[at + i] = scratch.terminated[i] ? 0.0f : 1.0f;
        }
      }
      if (out.last != nullptr) std::memcpy(out.last + first * bytes, worlds, count * bytes);
    }
  });
  const std::size_t first = illegal.load(std::memory_order_relaxed);
  return first == n ? -1 : static_cast<std::int64_t>(first);
}

}  // namespace rollout
