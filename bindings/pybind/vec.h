// How an environment reaches Python: one EnvEntry, listed in environments.cc.
//
//   EnvEntry CartPoleEntry() {
//     return MakeEntry<CartPole>("CartPole-v1", "one line of what it is", [](Kwargs& kwargs) {
//       return CartPole::Params{.max_episode_steps = kwargs.Int("max_episode_steps", 500, 0)};
//     }, GetState, SetState);
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "module.h"
#include "vec/batch.h"

namespace rollout::bindings {

// The keywords of one make_vec call. Each getter takes one by name, checks it, or gives the
// default; what no getter took is an error. Errors name the environment and the keyword.
class Kwargs {
 public:
  Kwargs(std::string id, py::dict values) : id_(std::move(id)), values_(std::move(values)) {}

  std::int64_t Int(const char* name, std::int64_t otherwise, std::int64_t low = INT64_MIN,
                   std::int64_t high = INT64_MAX);
  double Double(const char* name, double otherwise, double low, double high);
  bool Bool(const char* name, bool otherwise);
  std::string String(const char* name, const std::string& otherwise);
  // One of `choices`, as its index.
  std::size_t Choice(const char* name, const std::vector<std::string>& choices,
                     std::size_t otherwise = 0);
  // Any object, for the caller to convert; None if it was not given.
  py::object Object(const char* name);

  void RefuseRest() const;

  // Every keyword with the repr of its value in force, defaults included: environments with equal
  // ones are the same environment.
  const std::map<std::string, std::string>& resolved() const { return resolved_; }

 private:
  py::object Take(const char* name, py::object otherwise);
  [[noreturn]] void Refuse(const char* name, const std::string& rule,
                           const py::object& value) const;

  std::string id_;
  py::dict values_;
  std::map<std::string, std::string> resolved_;
};

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
  return {
      std::move(id), std::move(summary),
      [make_params](Kwargs& kwargs) { return std::make_shared<K>(make_params(kwargs)); },
      [get](const Kernel& kernel, const std::byte* row) {
        return get(static_cast<const K&>(kernel).params(), Kernel::Header(row), K::StateOf(row));
      },
      [set](const Kernel& kernel, std::byte* row, const py::dict& state) {
        set(static_cast<const K&>(kernel).params(), Kernel::Header(row), K::StateOf(row), state);
      }};
}

// Every environment, in the order that users see. Defined in environments.cc.
const std::vector<EnvEntry>& Environments();

// What Python holds: a batch and the entry it was made from.
struct EnvBatch {
  const EnvEntry* entry;
  std::map<std::string, std::string> keywords;  // Kwargs::resolved
  Batch batch;
  Autoreset mode;
  bool events;                     // whether step reports events
  bool copy;                       // whether step makes new output arrays
  std::vector<py::array> outputs;  // kept between steps when copy is false

  // Params and State of row i, for functions that one environment adds; TypeError for another's
  // batch.
  template <Environment E>
  std::pair<const typename E::Params*, typename E::State*> As(std::size_t i) {
    const auto* kernel = dynamic_cast<const KernelOf<E>*>(&batch.kernel());
    if (kernel == nullptr) {
      throw py::type_error("env: this function is not for " + entry->id);
    }
    return {&kernel->params(), &KernelOf<E>::StateOf(batch.row(i))};
  }
};

}  // namespace rollout::bindings
