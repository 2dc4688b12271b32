// The list of environments, a family a file of this folder. A new family is named twice below.
#include "vec.h"

namespace rollout::bindings {

std::vector<EnvEntry> BoardEntries();
std::vector<EnvEntry> ClassicEntries();
std::vector<EnvEntry> GridEntries();
std::vector<EnvEntry> KitchenEntries();
std::vector<EnvEntry> NimEntries();
std::vector<EnvEntry> MinAtarEntries();
std::vector<EnvEntry> ToyEntries();

const std::vector<EnvEntry>& Environments() {
  static const std::vector<EnvEntry> entries = [] {
    std::vector<EnvEntry> all;
    for (const auto family : {
             ClassicEntries,
             GridEntries,
             KitchenEntries,
             NimEntries,
             MinAtarEntries,
             BoardEntries,
             ToyEntries,
         }) {
      for (EnvEntry& entry : family()) all.push_back(std::move(entry));
    }
    return all;
  }();
  return entries;
}

}  // namespace rollout::bindings
