// The floor that batches are timed against: an environment in a plain loop over its states, with
// observations and resets and nothing else: no headers, no flags, no masks, no threads, no Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "envs/env.h"
#include "vec/kernel.h"

namespace rollout {

// Steps n states `steps` times by the same actions [n, parts of an action], and returns the sum of
// their rewards. Episodes end as the rules say, or at the limit.
template <Environment E>
double PlainLoop(const typename E::Params& params, std::size_t n, std::size_t steps,
                 const void* actions) {
  using State = typename E::State;
  using Action = typename E::Action;
  using Obs = typename E::Obs;
  constexpr bool kMany = requires(State* const* states, const Action* const* acts, Outcome* out) {
    E::StepMany(params, states, acts, out, n);
  };
  const EnvSpec spec = E::Describe(params);
  const std::size_t action_size =
      spec.action_nvec.empty() ? spec.action_low.size() : spec.action_nvec.size();
  std::size_t obs_size = 1, state_bytes = sizeof(State);
  if constexpr (!std::is_class_v<Obs>) {
    for (const std::int64_t axis : spec.obs_shape) obs_size *= static_cast<std::size_t>(axis);
  }
  if constexpr (requires { E::StateBytes(params); }) state_bytes = E::StateBytes(params);

  const std::size_t stride = AlignUp(state_bytes, kRowAlignment);
  std::vector<std::byte> slab(n * stride);
  std::vector<State*> states(n);
  std::vector<const Action*> acts(n);
  std::vector<StepKey> keys(n);
  std::vector<Outcome> outcomes(n);
  std::vector<Obs> obs(n * obs_size);
  for (std::size_t i = 0; i < n; ++i) {
    states[i] = reinterpret_cast<State*>(slab.data() + i * stride);
    acts[i] = static_cast<const Action*>(actions) + i * action_size;
    keys[i] = {i, 0, 0, true};
    E::Reset(params, *states[i], keys[i]);
    keys[i].reseeded = false;
  }
  double sum = 0.0;
  for (std::size_t step = 0; step < steps; ++step) {
    if constexpr (kMany) E::StepMany(params, states.data(), acts.data(), outcomes.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      ++keys[i].step;
      if constexpr (!kMany) outcomes[i] = E::Step(params, *states[i], acts[i], keys[i], {});
      sum += outcomes[i].reward;
      E::Observe(params, static_cast<const State&>(*states[i]), &obs[i * obs_size]);
      if (!outcomes[i].terminated && keys[i].step != spec.max_episode_steps) continue;
      ++keys[i].episode;
      keys[i].step = 0;
      E::Reset(params, *states[i], keys[i]);
    }
  }
  return sum;
}

}  // namespace rollout
