// Plain UCT: checks nothing that rollout.search.uct has checked, allocates the results, calls.
#include "uct/uct.h"

#include <pybind11/stl.h>

#include <cstring>
#include <optional>
#include <variant>
#include <vector>

#include "vec.h"

namespace rollout::bindings {
namespace {

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Seeds = py::array_t<std::uint64_t, py::array::c_style>;
using Mask = py::array_t<std::int8_t, py::array::c_style>;

// lets Ctrl-C end a search
void RaiseSignals() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

py::tuple Uct(EnvBatch& env, const Bytes& rows, const std::variant<std::uint64_t, Seeds>& seed,
              std::int32_t simulations, double c, std::int32_t playouts,
              std::uint32_t playout_steps, bool sampled, std::uintptr_t evaluate,
              const std::optional<Mask>& forbidden, const std::optional<double>& seconds) {
  uct::Settings settings;
  settings.simulations = simulations;
  settings.c = c;
  settings.playouts = playouts;
  settings.playout_steps = playout_steps;
  settings.sampled = sampled;
  settings.evaluate = reinterpret_cast<uct::Evaluate>(evaluate);
  settings.forbidden = forbidden ? forbidden->data() : nullptr;
  settings.poll = RaiseSignals;
  if (seconds) {
    using Clock = std::chrono::steady_clock;
    settings.stop_at = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(*seconds));
  }

  const Kernel& kernel = env.batch.kernel();
  const auto batch = static_cast<std::size_t>(rows.shape(0));
  const auto actions = static_cast<std::size_t>(kernel.spec().action_nvec[0]);
  std::vector<search::RowKey> keys(batch);
  for (std::size_t i = 0; i < batch; ++i) {
    const auto* const one = std::get_if<std::uint64_t>(&seed);
    keys[i] = one != nullptr ? search::RowKey{*one, static_cast<std::uint32_t>(i)}
                             : search::RowKey{std::get<Seeds>(seed).data()[i], 0};
  }
  // a copy that starts where rows must start
  Bytes worlds({rows.shape(0), rows.shape(1)});
  std::memcpy(worlds.mutable_data(), rows.data(), static_cast<std::size_t>(rows.nbytes()));
  py::array_t<std::int64_t> action(static_cast<py::ssize_t>(batch));
  py::array_t<std::int32_t> visits({batch, actions});
  py::array_t<float> values({batch, actions}), value(static_cast<py::ssize_t>(batch));
  py::array_t<std::int32_t> done(static_cast<py::ssize_t>(batch));
  const uct::Results results{action.mutable_data(), visits.mutable_data(), values.mutable_data(),
                             value.mutable_data(), done.mutable_data()};
  const auto* const slab = reinterpret_cast<const std::byte*>(worlds.data());
  {
    const py::gil_scoped_release release;
    uct::Search(env.batch.pool(), kernel, slab, keys, settings, results);
  }
  return py::make_tuple(action, visits, values, value, done);
}

}  // namespace

void BindUct(py::module_& m) {
  using py::arg;
  m.def("uct", &Uct, arg("env"), arg("rows"), arg("seed"), arg("simulations"), arg("c"),
        arg("playouts"), arg("playout_steps"), arg("sampled"), arg("evaluate"), arg("forbidden"),
        arg("seconds"), "Search from worlds by UCT, in native threads.");
}

}  // namespace rollout::bindings
