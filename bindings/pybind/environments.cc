// The list of environments. To add one: write its header in csrc/envs, its entry in a file here,
// and name the entry twice below.
#include "vec.h"

namespace rollout::bindings {

EnvEntry CartPoleEntry();
EnvEntry KitchenEntry();

const std::vector<EnvEntry>& Environments() {
  static const std::vector<EnvEntry> entries = {
      CartPoleEntry(),
      KitchenEntry(),
  };
  return entries;
}

}  // namespace rollout::bindings
