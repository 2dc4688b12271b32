// Batches of environments: checks what Python hands over, allocates what it gets back.
#include "vec.h"

#include <pybind11/stl.h>

#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actions.h"

namespace rollout::bindings {
namespace {

py::dtype DtypeOf(Dtype dtype) {
  switch (dtype) {
    case Dtype::kUint8:
      return py::dtype::of<std::uint8_t>();
    case Dtype::kInt64:
      return py::dtype::of<std::int64_t>();
    case Dtype::kFloat32:
      return py::dtype::of<float>();
    case Dtype::kFloat64:
      break;
  }
  return py::dtype::of<double>();
}

using ArrayShape = std::vector<py::ssize_t>;

py::array NewObs(const EnvSpec& spec, std::size_t n) {
  ArrayShape shape = {static_cast<py::ssize_t>(n)};
  shape.insert(shape.end(), spec.obs_shape.begin(), spec.obs_shape.end());
  return py::array(DtypeOf(spec.obs_dtype), std::move(shape));
}

enum Output : std::size_t {
  kObs,
  kReward,
  kTerminated,
  kTruncated,
  kEvents,
  kSignals,
  kStepped,
  kFinalObs
};

// The arrays of one step in the order of Output; what is not wanted is left null.
std::vector<py::array> NewOutputs(const Kernel& kernel, std::size_t n, bool events,
                                  bool final_obs) {
  const EnvSpec& spec = kernel.spec();
  const auto rows = static_cast<py::ssize_t>(n);
  std::vector<py::array> out = {NewObs(spec, n), py::array_t<double>(rows), py::array_t<bool>(rows),
                                py::array_t<bool>(rows)};
  out.resize(kFinalObs + 1, py::reinterpret_steal<py::array>(py::handle()));
  if (events && kernel.event_size() > 0) {
    ArrayShape shape = {rows};
    if (spec.event_rows > 1) shape.push_back(spec.event_rows);
    shape.push_back(static_cast<py::ssize_t>(spec.event_names.size()));
    out[kEvents] = py::array_t<std::uint8_t>(std::move(shape));
  }
  if (kernel.signal_size() > 0) {
    out[kSignals] =
        py::array_t<float>(ArrayShape{rows, static_cast<py::ssize_t>(kernel.signal_size())});
  }
  if (out[kEvents] || out[kSignals]) out[kStepped] = py::array_t<bool>(rows);
  if (final_obs) out[kFinalObs] = NewObs(spec, n);
  return out;
}

StepOutputs Pointers(std::vector<py::array>& arrays) {
  const auto data = [&arrays](Output field) {
    return arrays[field] ? arrays[field].mutable_data() : nullptr;
  };
  return {data(kObs),
          static_cast<double*>(data(kReward)),
          static_cast<bool*>(data(kTerminated)),
          static_cast<bool*>(data(kTruncated)),
          static_cast<std::uint8_t*>(data(kEvents)),
          static_cast<float*>(data(kSignals)),
          static_cast<bool*>(data(kStepped)),
          data(kFinalObs)};
}

py::object OrNone(const py::array& array) { return array ? py::object(array) : py::none(); }

py::tuple AsTuple(const std::vector<py::array>& a) {
  return py::make_tuple(a[kObs], a[kReward], a[kTerminated], a[kTruncated], OrNone(a[kEvents]),
                        OrNone(a[kSignals]), OrNone(a[kStepped]), OrNone(a[kFinalObs]));
}

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Seeds = py::array_t<std::uint64_t, py::array::c_style>;
using Mask = py::array_t<bool, py::array::c_style>;
using Index = py::array_t<std::int64_t, py::array::c_style>;

std::unique_ptr<EnvBatch> Make(const std::string& id, std::size_t num_envs, int num_threads,
                               int mode, bool events, bool copy, const py::dict& values) {
  for (const EnvEntry& entry : Environments()) {
    if (entry.id != id) continue;
    Kwargs kwargs(id, py::dict(values.attr("copy")()));
    std::shared_ptr<const Kernel> kernel = entry.make(kwargs);
    kwargs.RefuseRest();
    return std::unique_ptr<EnvBatch>(new EnvBatch{&entry,
                                                  kwargs.resolved(),
                                                  Batch(std::move(kernel), num_envs, num_threads),
                                                  static_cast<Autoreset>(mode),
                                                  events,
                                                  copy,
                                                  {}});
  }
  throw py::value_error("id: no native environment is called '" + id + "'");
}

py::array Reset(EnvBatch& self, const std::optional<Seeds>& seeds,
                const std::optional<Mask>& seeded, const std::optional<Mask>& mask,
                std::uint64_t entropy) {
  const ResetRequest request{seeds ? seeds->data() : nullptr, seeded ? seeded->data() : nullptr,
                             mask ? mask->data() : nullptr, entropy};
  py::array obs = NewObs(self.batch.kernel().spec(), self.batch.num_rows());
  void* out = obs.mutable_data();
  const py::gil_scoped_release release;
  self.batch.Reset(request, out);
  return obs;
}

py::tuple Step(EnvBatch& self, const py::object& given) {
  const py::array actions = CheckActions(self.batch.kernel(), given, self.batch.num_rows());
  std::vector<py::array> fresh;
  std::vector<py::array>& arrays = self.copy ? fresh : self.outputs;
  if (arrays.empty()) {
    arrays = NewOutputs(self.batch.kernel(), self.batch.num_rows(), self.events,
                        self.mode == Autoreset::kSameStep);
  }
  const StepOutputs out = Pointers(arrays);
  const void* acts = actions.data();
  {
    const py::gil_scoped_release release;
    self.batch.Step(acts, self.mode, out);
  }
  return AsTuple(arrays);
}

std::span<const std::int64_t> Span(const Index& index) {
  return {index.data(), static_cast<std::size_t>(index.size())};
}

Bytes Read(const EnvBatch& self, const Index& index) {
  Bytes out({index.size(), static_cast<py::ssize_t>(self.batch.kernel().row_bytes())});
  self.batch.Read(Span(index), reinterpret_cast<std::byte*>(out.mutable_data()));
  return out;
}

void Write(EnvBatch& self, const Bytes& rows, const Index& index) {
  self.batch.Write(Span(index), reinterpret_cast<const std::byte*>(rows.data()));
}

// a copy of rows that starts where rows must start
Bytes Aligned(const Bytes& rows) {
  Bytes copy({rows.shape(0), rows.shape(1)});
  std::memcpy(copy.mutable_data(), rows.data(), static_cast<std::size_t>(rows.nbytes()));
  return copy;
}

py::tuple StepRows(EnvBatch& self, const Bytes& rows, const py::object& given) {
  const auto n = static_cast<std::size_t>(rows.shape(0));
  const py::array actions = CheckActions(self.batch.kernel(), given, n);
  Bytes next = Aligned(rows);
  std::vector<py::array> arrays = NewOutputs(self.batch.kernel(), n, true, false);
  const StepOutputs out = Pointers(arrays);
  auto* slab = reinterpret_cast<std::byte*>(next.mutable_data());
  const void* acts = actions.data();
  {
    const py::gil_scoped_release release;
    self.batch.StepRows(slab, n, acts, out);
  }
  return py::make_tuple(next, AsTuple(arrays));
}

py::array ObserveRows(EnvBatch& self, const Bytes& rows) {
  const Bytes aligned = Aligned(rows);
  const auto n = static_cast<std::size_t>(rows.shape(0));
  py::array obs = NewObs(self.batch.kernel().spec(), n);
  const auto* slab = reinterpret_cast<const std::byte*>(aligned.data());
  void* out = obs.mutable_data();
  const py::gil_scoped_release release;
  self.batch.ObserveRows(slab, n, out);
  return obs;
}

py::dict GetState(const EnvBatch& self, std::size_t i) {
  return self.entry->get_state(self.batch.kernel(), self.batch.row(i));
}

void SetState(EnvBatch& self, std::size_t i, const py::dict& state) {
  const std::string where = "row " + std::to_string(i) + ": ";
  const py::dict now = GetState(self, i);
  for (const auto& [key, value] : now) {
    if (state.contains(key)) continue;
    throw py::value_error(where + "state: the key " + py::repr(key).cast<std::string>() +
                          " is missing; start from get_attr('state')");
  }
  for (const auto& [key, value] : state) {
    if (now.contains(key)) continue;
    throw py::value_error(where + "state: unknown key " + py::repr(key).cast<std::string>());
  }
  // write to a copy, so that a refused dict changes nothing
  const std::size_t bytes = self.batch.kernel().row_bytes();
  Bytes copy(static_cast<py::ssize_t>(bytes));
  auto* row = reinterpret_cast<std::byte*>(copy.mutable_data());
  std::memcpy(row, self.batch.row(i), bytes);
  Kernel::Header(row).terminated = Kernel::Header(row).truncated = 0;
  try {
    self.entry->set_state(self.batch.kernel(), row, state);
  } catch (const py::value_error& error) {
    throw py::value_error(where + error.what());
  } catch (const std::invalid_argument& error) {
    throw py::value_error(where + error.what());
  }
  std::memcpy(self.batch.row(i), row, bytes);
}

Seeds RowSeeds(const EnvBatch& self) {
  const auto n = self.batch.num_rows();
  Seeds out(static_cast<py::ssize_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    out.mutable_data()[i] = Kernel::Header(self.batch.row(i)).seed;
  }
  return out;
}

py::dict Describe(const EnvBatch& self) {
  const EnvSpec& spec = self.batch.kernel().spec();
  py::dict out;
  out["obs_shape"] = py::tuple(py::cast(spec.obs_shape));
  out["obs_dtype"] = DtypeOf(spec.obs_dtype);
  out["obs_low"] = spec.obs_low;
  out["obs_high"] = spec.obs_high;
  out["action_nvec"] = spec.action_nvec;
  out["action_is_scalar"] = spec.action_is_scalar;
  out["action_low"] = spec.action_low;
  out["action_high"] = spec.action_high;
  out["max_episode_steps"] = spec.max_episode_steps;
  out["event_names"] = py::tuple(py::cast(spec.event_names));
  out["event_rows"] = spec.event_rows;
  out["signal_names"] = py::tuple(py::cast(spec.signal_names));
  out["signal_widths"] = py::tuple(py::cast(spec.signal_widths));
  out["keywords"] = self.keywords;
  out["row_bytes"] = self.batch.kernel().row_bytes();
  return out;
}

}  // namespace

void BindVec(py::module_& m) {
  m.def(
      "environments",
      [] {
        py::dict out;
        for (const EnvEntry& entry : Environments()) out[py::str(entry.id)] = entry.summary;
        return out;
      },
      "Return the native environments: id -> one line of what it is.");
  py::class_<EnvBatch>(m, "EnvBatch", "Rows of one environment, stepped over a thread pool.")
      .def(py::init(&Make), py::arg("id"), py::arg("num_envs"), py::arg("num_threads"),
           py::arg("mode"), py::arg("events"), py::arg("copy"), py::arg("kwargs"))
      .def("describe", &Describe, "Return shapes, bounds, names and sizes.")
      .def("reset", &Reset, py::arg("seeds"), py::arg("seeded"), py::arg("mask"),
           py::arg("entropy"), "Reset rows; return the observation of every row.")
      .def("step", &Step, py::arg("actions"), "Step every row once.")
      .def("read", &Read, py::arg("index"), "Return a copy of rows as bytes.")
      .def("write", &Write, py::arg("rows"), py::arg("index"), "Overwrite rows by bytes.")
      .def("step_rows", &StepRows, py::arg("rows"), py::arg("actions"),
           "Step rows that are not in the batch.")
      .def("observe_rows", &ObserveRows, py::arg("rows"),
           "Return the observations of rows that are not in the batch.")
      .def("get_state", &GetState, py::arg("row"), "Return a row's state in readable form.")
      .def("set_state", &SetState, py::arg("row"), py::arg("state"),
           "Set a row's state from what get_state returned.")
      .def("seeds", &RowSeeds, "Return the seed of every row.")
      .def(
          "first_not_begun", [](const EnvBatch& self) { return self.batch.FirstNotBegun(); },
          "Return the first row that was never reset, or -1.")
      .def(
          "first_ended", [](const EnvBatch& self) { return self.batch.FirstEnded(); },
          "Return the first row whose episode has ended, or -1.")
      .def_property_readonly(
          "num_threads", [](const EnvBatch& self) { return self.batch.num_threads(); },
          "How many threads step the rows.");
}

}  // namespace rollout::bindings
