// libFuzzer: any text is a kitchen's layout or is refused in words; one that is taken can be
// played.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "envs/kitchen/kitchen.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rollout::Kitchen;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    rollout::kitchen::Options options;
    options.layout = text;
    const Kitchen::Params params = rollout::kitchen::MakeParams(options);
    const rollout::EnvSpec spec = Kitchen::Describe(params);
    std::size_t elements = 1;
    for (const std::int64_t length : spec.obs_shape) elements *= static_cast<std::size_t>(length);
    std::vector<Kitchen::Obs> obs(elements);
    Kitchen::State state{};
    rollout::StepKey key{.seed = size, .reseeded = true};
    Kitchen::Reset(params, state, key);
    std::vector<Kitchen::Action> actions(spec.action_nvec.size());
    for (key.step = 1; key.step <= 40; ++key.step) {
      for (std::size_t k = 0; k < actions.size(); ++k) {
        actions[k] = data[(key.step * actions.size() + k) % size] % spec.action_nvec[k];
      }
      Kitchen::Step(params, state, actions.data(), key, {});
      Kitchen::Observe(params, state, obs.data());
    }
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
