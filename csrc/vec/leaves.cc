#include "vec/leaves.h"

namespace rollout {

std::int64_t StepLeaves(Batch& batch, std::byte* worlds, std::size_t n, const std::int64_t* actions,
                        float discount, std::size_t players, const LeafOutputs& out) {
  const Kernel& kernel = batch.kernel();
  const std::int64_t illegal = batch.Step(worlds, n, actions, Autoreset::kDisabled, out.step);
  if (illegal >= 0) return illegal;
  for (std::size_t i = 0; i < n; ++i) {
    const bool terminated = out.step.terminated[i];
    out.discount[i] = terminated ? 0.0f : discount;
    out.done[i] = terminated || out.step.truncated[i];
    if (players == 1) out.reward[i] = static_cast<float>(out.step.reward[i]);
    for (std::size_t p = 0; players > 1 && p < players; ++p) {
      out.reward[i * players + p] =
          out.step.signals[i * kernel.signal_size() + kernel.rewards_at() + p];
    }
  }
  if (out.invalid != nullptr) {
    const std::int8_t* const mask = out.step.view.action_mask;
    for (std::size_t i = 0; i < n * kernel.mask_size(); ++i) out.invalid[i] = mask[i] == 0;
  }
  return -1;
}

}  // namespace rollout
