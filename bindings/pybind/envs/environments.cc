// The list of environments, a family a file of this folder. A new family is named twice below.
#include <ranges>
#include <stdexcept>
#include <utility>

#include "vec.h"

namespace rollout::bindings {

std::vector<EnvEntry> BoardEntries();
std::vector<EnvEntry> ChanceEntries();
std::vector<EnvEntry> ClassicEntries();
std::vector<EnvEntry> GridEntries();
std::vector<EnvEntry> ControlEntries();
std::vector<EnvEntry> KitchenEntries();
std::vector<EnvEntry> NimEntries();
std::vector<EnvEntry> MinAtarEntries();
std::vector<EnvEntry> ToyEntries();

namespace {

struct Registry {
  std::deque<EnvEntry> entries;
  std::size_t built_in = 0;

  Registry() {
    for (const auto family : {
             ClassicEntries,
             GridEntries,
             KitchenEntries,
             NimEntries,
             MinAtarEntries,
             BoardEntries,
             ChanceEntries,
             ToyEntries,
             ControlEntries,
         }) {
      for (EnvEntry& entry : family()) entries.push_back(std::move(entry));
    }
    built_in = entries.size();
  }
};

Registry& All() {
  static Registry registry;
  return registry;
}

}  // namespace

const std::deque<EnvEntry>& Environments() { return All().entries; }

const EnvEntry* FindEnvironment(const std::string& id) {
  for (const EnvEntry& entry : All().entries | std::views::reverse) {
    if (entry.id == id) return &entry;
  }
  return nullptr;
}

void AddPlugin(EnvEntry entry) {
  for (std::size_t i = 0; i < All().built_in; ++i) {
    if (All().entries[i].id == entry.id) {
      throw std::invalid_argument("plug-in " + entry.id +
                                  ": an environment of rollout has this id; choose another");
    }
  }
  All().entries.push_back(std::move(entry));
}

}  // namespace rollout::bindings
