// How an environment reaches Python: an EnvEntry, in the list of its family (envs/<family>.cc),
// which envs/environments.cc names.
//
//   std::vector<EnvEntry> ClassicEntries() {
//     return {MakeEntry<CartPole>("CartPole-v1", "one line of what it is", [](Kwargs& kwargs) {
//       return CartPole::Params{.max_episode_steps = kwargs.Int("max_episode_steps", 500, 0)};
//     }, GetState, SetState)};
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kwargs.h"
#include "module.h"
#include "outputs.h"
#include "vec/batch.h"
#include "vec/flight.h"

namespace rollout::bindings {

struct EnvEntry {
  std::string id;
  std::string summary;
  std::function<std::shared_ptr<const Kernel>(Kwargs&)> make;
  std::function<py::dict(const Kernel&, const std::byte* row)> get_state;
  std::function<void(const Kernel&, std::byte* row, const py::dict& state)> set_state;
};

// get and set turn a row's state into a readable dict and back. They also see the header, whose
// `step` is what the step limit counts.
template <Environment E>
EnvEntry MakeEntry(std::string id, std::string summary, typename E::Params (*make_params)(Kwargs&),
                   py::dict (*get)(const typename E::Params&, const RowHeader&,
                                   const typename E::State&),
                   void (*set)(const typename E::Params&, RowHeader&, typename E::State&,
                               const py::dict&)) {
  using K = KernelOf<E>;
  return {std::move(id), std::move(summary),
          [make_params](Kwargs& kwargs) { return std::make_shared<K>(make_params(kwargs)); },
          [get](const Kernel& kernel, const std::byte* row) {
            return get(static_cast<const K&>(kernel).ParamsOf(row), Kernel::Header(row),
                       K::StateOf(row));
          },
          [set](const Kernel& kernel, std::byte* row, const py::dict& state) {
            set(static_cast<const K&>(kernel).ParamsOf(row), Kernel::Header(row), K::StateOf(row),
                state);
          }};
}

struct EnvBatch;

// Raises ResetNeeded unless every row has an episode, and AlreadyPendingCallError unless all are
// here.
void RequireBegun(EnvBatch& self);

// Every environment, in the order that users see; entries stay where they are. A plug-in comes
// after those built in, and of two with one id the later counts. Defined in envs/environments.cc;
// called with the GIL held.
const std::deque<EnvEntry>& Environments();
const EnvEntry* FindEnvironment(const std::string& id);  // null if there is none
void AddPlugin(EnvEntry entry);  // throws std::invalid_argument for the id of one built in

// What Python holds: a batch and the entry it was made from.
struct EnvBatch {
  const EnvEntry* entry;
  std::vector<std::map<std::string, std::string>> keywords;  // Kwargs::resolved, one a Params
  Batch batch;
  Autoreset mode;
  StepWish wish;                      // what step reports
  bool copy;                          // whether step makes new output arrays
  std::optional<StepArrays> outputs;  // kept between steps when copy is false
  bool begun = false;                 // every row was reset, or set from a snapshot
  // rows in the background (flight.h) and the arrays that they fill; made by the first send
  std::optional<StepArrays> flight_arrays;
  std::unique_ptr<Flight> flight;

  ~EnvBatch();

  // Params and State of row i, for functions that one environment adds; TypeError for another's
  // batch.
  template <Environment E>
  std::pair<const typename E::Params*, typename E::State*> As(std::size_t i) {
    const auto* kernel = dynamic_cast<const KernelOf<E>*>(&batch.kernel());
    if (kernel == nullptr) {
      throw py::type_error("env: this function is not for " + entry->id);
    }
    return {&kernel->ParamsOf(batch.row(i)), &KernelOf<E>::StateOf(batch.row(i))};
  }
};

}  // namespace rollout::bindings
