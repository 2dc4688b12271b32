// Search where players move at once: checks what the model said, releases the GIL, calls.
#include <pybind11/stl.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/thread_pool.h"
#include "module.h"
#include "search/simultaneous/search.h"

namespace rollout::bindings {
namespace {

using search::JointOutputs;
using search::JointShape;
using search::RowKey;
using search::SimultaneousSearch;

using Floats = py::array_t<float, py::array::c_style>;
using Flags = py::array_t<bool, py::array::c_style>;
using Seeds = py::array_t<std::uint64_t, py::array::c_style>;

class BoundJoint {
 public:
  BoundJoint(const JointShape& shape, const search::JointSettings& settings,
             const std::vector<RowKey>& keys, int num_threads)
      : search_(shape, settings, keys, num_threads),
        action_({shape.batch, shape.players}),
        from_(static_cast<py::ssize_t>(shape.batch)),
        to_(static_cast<py::ssize_t>(shape.batch)) {}

  void Begin(const Floats& prior_logits, const Floats& value, const std::optional<Flags>& invalid) {
    JointOutputs root;
    root.prior_logits = Check(prior_logits, "root: prior_logits");
    root.value = Check(value, "root: value");
    root.invalid = CheckInvalid(invalid, nullptr, "root");
    const search::JointLeaves next = Next();
    const py::gil_scoped_release release;
    search_.Begin(root, next);
  }

  bool Advance(const Floats& reward, const Floats& discount, const Floats& prior_logits,
               const Floats& value, const std::optional<Flags>& invalid,
               const std::optional<Flags>& done) {
    JointOutputs outputs;
    outputs.reward = Check(reward, "recurrent_fn: reward");
    outputs.discount = Check(discount, "recurrent_fn: discount");
    outputs.prior_logits = Check(prior_logits, "recurrent_fn: prior_logits");
    outputs.value = Check(value, "recurrent_fn: value");
    if (done) outputs.done = reinterpret_cast<const std::uint8_t*>(done->data());
    outputs.invalid = CheckInvalid(invalid, outputs.done, "recurrent_fn");
    const search::JointLeaves next = Next();
    const py::gil_scoped_release release;
    return search_.Advance(outputs, next);
  }

  // (actions, slots to step from, slots to store to), which every step overwrites
  py::tuple Leaves() const { return py::make_tuple(action_, from_, to_); }

  py::tuple Act() const {
    const JointShape& shape = search_.shape();
    const std::vector<std::size_t> all = {shape.batch, shape.players, shape.actions};
    py::array_t<std::int64_t> action({shape.batch, shape.players});
    Floats strategy(all), returns(all), value({shape.batch, shape.players});
    py::array_t<std::int32_t> visits(all);
    search_.Act({action.mutable_data(), strategy.mutable_data(), visits.mutable_data(),
                 returns.mutable_data(), value.mutable_data()});
    return py::make_tuple(action, strategy, visits, returns, value);
  }

 private:
  search::JointLeaves Next() {
    return {action_.mutable_data(), from_.mutable_data(), to_.mutable_data()};
  }

  // refuses what is not finite
  const float* Check(const Floats& head, const char* name) const {
    const float* const at = head.data();
    for (py::ssize_t i = 0; i < head.size(); ++i) {
      if (std::isfinite(at[i])) [[likely]]
        continue;
      const py::ssize_t row = i / (head.size() / head.shape(0));
      throw py::value_error(std::string(name) + ": row " + std::to_string(row) +
                            " is not finite (NaN or infinity) at simulation " +
                            std::to_string(search_.simulation()));
    }
    return at;
  }

  // refuses a player without a legal action where the game goes on
  const std::uint8_t* CheckInvalid(const std::optional<Flags>& invalid, const std::uint8_t* done,
                                   const char* source) const {
    if (!invalid) return nullptr;
    const JointShape& shape = search_.shape();
    const bool* const flags = invalid->data();
    for (std::size_t i = 0; i < shape.batch * shape.players; ++i) {
      const bool* const mine = flags + i * shape.actions;
      const std::size_t row = i / shape.players;
      if (done != nullptr && done[row] != 0) continue;
      if (std::find(mine, mine + shape.actions, false) != mine + shape.actions) continue;
      throw py::value_error(std::string(source) + ": invalid_actions: row " + std::to_string(row) +
                            " allows player " + std::to_string(i % shape.players) +
                            " no action; allow one that does nothing, or say done");
    }
    return reinterpret_cast<const std::uint8_t*>(flags);
  }

  SimultaneousSearch search_;
  py::array_t<std::int64_t> action_, from_, to_;
};

}  // namespace

void BindSimultaneous(py::module_& m) {
  using py::arg;
  using py::kw_only;
  py::class_<BoundJoint>(m, "SimultaneousSearch", "A batch of searches where players move at once.")
      .def(py::init([](const std::variant<std::uint64_t, Seeds>& seed, std::size_t batch,
                       std::size_t players, std::size_t actions, std::int32_t simulations,
                       std::int32_t max_depth, bool regret_matching, double c, double exploration,
                       double temperature, int num_threads) {
             std::vector<RowKey> keys(batch);
             for (std::size_t i = 0; i < batch; ++i) {
               const auto* const one = std::get_if<std::uint64_t>(&seed);
               keys[i] = one != nullptr ? RowKey{*one, static_cast<std::uint32_t>(i)}
                                        : RowKey{std::get<Seeds>(seed).data()[i], 0};
             }
             if (num_threads == 0) num_threads = HardwareThreads();
             return std::make_unique<BoundJoint>(
                 JointShape{batch, players, actions, simulations, std::min(max_depth, simulations)},
                 search::JointSettings{regret_matching, c, exploration, temperature}, keys,
                 num_threads);
           }),
           arg("seed"), kw_only(), arg("batch"), arg("players"), arg("actions"), arg("simulations"),
           arg("max_depth"), arg("regret_matching"), arg("c"), arg("exploration"),
           arg("temperature"), arg("num_threads"))
      .def("begin", &BoundJoint::Begin, arg("prior_logits"), arg("value"), arg("invalid"),
           "Take the roots and choose the first leaves.")
      .def("advance", &BoundJoint::Advance, arg("reward"), arg("discount"), arg("prior_logits"),
           arg("value"), arg("invalid"), arg("done"),
           "Back up the evaluated leaves and choose the next; return whether there are any.")
      .def("leaves", &BoundJoint::Leaves, "Return the arrays that every step writes.")
      .def("act", &BoundJoint::Act, "Return what was found of the roots.");
}

}  // namespace rollout::bindings
