// Batches of environments: checks what Python hands over, allocates what it gets back.
#include "vec.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actions.h"
#include "flight.h"
#include "vec/follow.h"

namespace rollout::bindings {
namespace {

const EnvEntry* Find(const std::string& id) {
  const EnvEntry* const entry = FindEnvironment(id);
  if (entry == nullptr) throw py::value_error("id: no native environment is called '" + id + "'");
  return entry;
}

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using Seeds = py::array_t<std::uint64_t, py::array::c_style>;
using Mask = py::array_t<bool, py::array::c_style>;
using Index = py::array_t<std::int64_t, py::array::c_style>;
using ParamsIndex = py::array_t<std::uint16_t, py::array::c_style>;

std::unique_ptr<EnvBatch> Make(const std::string& id, std::size_t num_envs, int num_threads,
                               int mode, const py::list& table, const ParamsIndex& rows,
                               bool redraw_params, bool observe, bool events, bool copy,
                               int picture_size, std::size_t frame_stack, double reward_scale) {
  const EnvEntry* const entry = Find(id);
  KernelOptions options{.frame_stack = frame_stack,
                        .picture_size = picture_size,
                        .reward_scale = reward_scale,
                        .redraw_params = redraw_params,
                        .limits = {}};
  std::vector<std::shared_ptr<const Kernel>> parts;
  std::vector<std::map<std::string, std::string>> keywords;
  for (const py::handle values : table) {
    const std::string where = "params[" + std::to_string(parts.size()) + "]";
    Kwargs kwargs(table.size() == 1 ? id : id + ": " + where, py::dict(values.attr("copy")()));
    parts.push_back(entry->make(kwargs));
    // what an environment does not take itself is the batch's own limit
    std::int64_t limit = parts.back()->limit(0);
    if (!kwargs.Took("max_episode_steps")) limit = kwargs.Int("max_episode_steps", limit, 0);
    kwargs.RefuseRest();
    options.limits.push_back(limit);
    keywords.push_back(kwargs.resolved());
  }
  const auto autoreset = static_cast<Autoreset>(mode);
  const StepWish wish{observe, events, autoreset == Autoreset::kSameStep};
  return std::unique_ptr<EnvBatch>(
      new EnvBatch{entry, std::move(keywords),
                   Batch(parts[0]->Join(parts, options), num_envs, num_threads,
                         {rows.data(), static_cast<std::size_t>(rows.size())}),
                   autoreset, wish, copy, std::nullopt, false, std::nullopt, nullptr});
}

[[noreturn]] void ResetNeeded(const std::string& message) {
  const py::object error = py::module_::import("gymnasium.error").attr("ResetNeeded");
  PyErr_SetString(error.ptr(), message.c_str());
  throw py::error_already_set();
}

}  // namespace

void RequireBegun(EnvBatch& self) {
  RequireHome(self);
  if (self.begun) return;
  const std::int64_t row = self.batch.FirstNotBegun();
  if (row >= 0) {
    ResetNeeded("row " + std::to_string(row) + " has no episode yet; call reset() first");
  }
  self.begun = true;
}

namespace {

// raises unless every row can be stepped
void RequireReady(EnvBatch& self) {
  RequireBegun(self);
  if (self.mode != Autoreset::kDisabled) return;
  if (const std::int64_t row = self.batch.FirstEnded(); row >= 0) {
    ResetNeeded("row " + std::to_string(row) +
                " has ended and autoreset is disabled; reset it with "
                "reset(options={\"reset_mask\": terminations | truncations})");
  }
}

py::tuple Reset(EnvBatch& self, const std::optional<Seeds>& seeds,
                const std::optional<Mask>& seeded, const std::optional<Mask>& mask,
                const std::optional<ParamsIndex>& params, std::uint64_t entropy) {
  RequireHome(self);
  const ResetRequest request{.seeds = seeds ? seeds->data() : nullptr,
                             .seeded = seeded ? seeded->data() : nullptr,
                             .mask = mask ? mask->data() : nullptr,
                             .entropy = entropy,
                             .params = params ? params->data() : nullptr};
  const ViewArrays seen(self.batch.kernel(), self.batch.num_rows(), self.wish.observe);
  {
    const py::gil_scoped_release release;
    self.batch.Reset(request, seen.pointers());
  }
  return seen.AsTuple();
}

// steps rows, or refuses an action that is against the rules before any row has moved
void StepSlab(EnvBatch& self, std::byte* slab, std::size_t n, const py::array& actions,
              Autoreset mode, const StepOutputs& out) {
  const void* const acts = actions.data();
  std::int64_t illegal = -1;
  {
    const py::gil_scoped_release release;
    illegal = self.batch.Step(slab, n, acts, mode, out);
  }
  if (illegal >= 0) RefuseIllegal(self.batch.kernel(), slab, actions, illegal, illegal);
}

py::tuple Step(EnvBatch& self, const py::object& given) {
  RequireReady(self);
  const Kernel& kernel = self.batch.kernel();
  const std::size_t n = self.batch.num_rows();
  const py::array actions = CheckActions(kernel, given, n);
  std::optional<StepArrays> fresh;
  std::optional<StepArrays>& arrays = self.copy ? fresh : self.outputs;
  if (!arrays) arrays.emplace(kernel, n, self.wish);
  StepSlab(self, self.batch.row(0), n, actions, self.mode, arrays->pointers());
  return arrays->AsTuple();
}

// the floor of the benches: the same rows in a plain loop, with nothing of Python, the pool or new
// arrays in it
double Loop(EnvBatch& self, const py::list& tape) {
  RequireReady(self);
  const Kernel& kernel = self.batch.kernel();
  const std::size_t n = self.batch.num_rows();
  std::vector<py::array> steps;
  for (const py::handle actions : tape) {
    steps.push_back(CheckActions(kernel, py::reinterpret_borrow<py::object>(actions), n));
  }
  std::vector<const void*> pointers;
  for (const py::array& actions : steps) pointers.push_back(actions.data());
  const StepArrays arrays(kernel, n, self.wish);
  const StepOutputs out = arrays.pointers();
  double total = 0.0;
  const py::gil_scoped_release release;
  for (const void* const actions : pointers) {
    kernel.Step(self.batch.row(0), actions, self.mode, out, 0, n);
    for (std::size_t i = 0; i < n; ++i) total += out.reward[i];
  }
  return total;
}

std::unique_ptr<StepArrays> Buffers(const EnvBatch& self, const py::dict& given) {
  return std::make_unique<StepArrays>(self.batch.kernel(), self.batch.num_rows(), self.wish,
                                      ArraySource(given));
}

void StepInto(EnvBatch& self, const py::object& given, const StepArrays& buffers) {
  RequireReady(self);
  const py::array actions = CheckActions(self.batch.kernel(), given, self.batch.num_rows());
  StepSlab(self, self.batch.row(0), self.batch.num_rows(), actions, self.mode, buffers.pointers());
}

std::span<const std::int64_t> Span(const Index& index) {
  return {index.data(), static_cast<std::size_t>(index.size())};
}

Bytes Read(const EnvBatch& self, const Index& index) {
  RequireHome(self);
  Bytes out({index.size(), static_cast<py::ssize_t>(self.batch.kernel().row_bytes())});
  self.batch.Read(Span(index), reinterpret_cast<std::byte*>(out.mutable_data()));
  return out;
}

// the row numbers of Params reach into memory: a damaged blob must not
void RequireKnownParams(const Kernel& kernel, const std::byte* slab, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    RowHeader header;
    std::memcpy(&header, slab + i * kernel.row_bytes(), sizeof(header));
    if (header.params < kernel.num_params()) continue;
    throw py::value_error("snapshot: row " + std::to_string(i) + " is damaged: it has params " +
                          std::to_string(header.params) + " of " +
                          std::to_string(kernel.num_params()) + "; take it again");
  }
}

void Write(EnvBatch& self, const Bytes& rows, const Index& index) {
  RequireHome(self);
  RequireKnownParams(self.batch.kernel(), reinterpret_cast<const std::byte*>(rows.data()),
                     static_cast<std::size_t>(rows.shape(0)));
  self.batch.Write(Span(index), reinterpret_cast<const std::byte*>(rows.data()));
}

// a copy of rows that starts where rows must start
Bytes Aligned(const EnvBatch& self, const Bytes& rows) {
  RequireKnownParams(self.batch.kernel(), reinterpret_cast<const std::byte*>(rows.data()),
                     static_cast<std::size_t>(rows.shape(0)));
  Bytes copy({rows.shape(0), rows.shape(1)});
  std::memcpy(copy.mutable_data(), rows.data(), static_cast<std::size_t>(rows.nbytes()));
  return copy;
}

py::tuple StepRows(EnvBatch& self, const Bytes& rows, const py::object& given) {
  const auto n = static_cast<std::size_t>(rows.shape(0));
  const py::array actions = CheckActions(self.batch.kernel(), given, n);
  Bytes next = Aligned(self, rows);
  const StepArrays arrays(self.batch.kernel(), n, {.observe = self.wish.observe, .events = true});
  StepSlab(self, reinterpret_cast<std::byte*>(next.mutable_data()), n, actions,
           Autoreset::kDisabled, arrays.pointers());
  return py::make_tuple(next, arrays.AsTuple());
}

// Runs a long loop part by part, so that seconds of it are no longer than this without a look at
// whether the user wants to go on.
template <class Body>
void InParts(std::size_t n, std::size_t part, const Body& body) {
  constexpr std::chrono::milliseconds kPatience(20);
  for (std::size_t begin = 0; begin < n;) {
    const std::size_t end = std::min(begin + part, n);
    const auto start = std::chrono::steady_clock::now();
    body(begin, end);
    if (std::chrono::steady_clock::now() - start < kPatience) part *= 2;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    begin = end;
  }
}

// (worlds at the end, reward, alive, events or None) of sequences that start in some of the rows.
py::tuple Follow(EnvBatch& self, const Bytes& rows, const Index& start, const py::object& given,
                 std::size_t horizon, bool with_events) {
  const Kernel& kernel = self.batch.kernel();
  const auto n = static_cast<std::size_t>(start.size());
  for (const std::int64_t row : Span(start)) {
    if (row >= 0 && row < rows.shape(0)) continue;
    throw py::value_error("rows: expected 0.." + std::to_string(rows.shape(0) - 1) + ", got " +
                          std::to_string(row));
  }
  const py::array actions = CheckActions(kernel, given, horizon * n);
  const Bytes from = Aligned(self, rows);
  Bytes last({n, kernel.row_bytes()});
  py::array_t<float> reward({horizon, n}), alive({horizon, n});
  py::object events = py::none();
  FollowOutputs out{reward.mutable_data(), alive.mutable_data(), nullptr,
                    reinterpret_cast<std::byte*>(last.mutable_data())};
  if (with_events && kernel.event_size() > 0) {
    const EnvSpec& spec = kernel.spec();
    std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(horizon),
                                      static_cast<py::ssize_t>(n)};
    if (spec.event_rows > 1) shape.push_back(spec.event_rows);
    shape.push_back(static_cast<py::ssize_t>(spec.event_names.size()));
    py::array_t<std::uint8_t> counts(std::move(shape));
    out.events = counts.mutable_data();
    events = counts;
  }
  const auto* const slab = reinterpret_cast<const std::byte*>(from.data());
  const void* const acts = actions.data();
  constexpr std::size_t kFirstSteps = 1 << 16;  // most calls of planners take fewer
  const std::size_t first_part = std::max<std::size_t>(1, kFirstSteps / horizon);
  InParts(n, first_part, [&](std::size_t begin, std::size_t end) {
    std::int64_t illegal = -1;
    {
      const py::gil_scoped_release release;
      illegal = rollout::Follow(self.batch.pool(), kernel, slab, Span(start), acts, horizon, out,
                                begin, end);
    }
    if (illegal >= 0) {
      throw py::value_error("actions: sequence " + std::to_string(illegal) +
                            " holds an action that is against the rules where it is taken; a "
                            "world with illegal actions is for tree search");
    }
  });
  return py::make_tuple(last, reward, alive, events);
}

py::tuple Look(EnvBatch& self, const std::optional<Bytes>& rows) {
  std::optional<Bytes> aligned;
  const std::byte* slab = self.batch.row(0);
  std::size_t n = self.batch.num_rows();
  if (rows) {
    aligned = Aligned(self, *rows);
    slab = reinterpret_cast<const std::byte*>(aligned->data());
    n = static_cast<std::size_t>(rows->shape(0));
  }
  const ViewArrays seen(self.batch.kernel(), n, true);
  {
    const py::gil_scoped_release release;
    self.batch.Look(slab, n, seen.pointers());
  }
  return seen.AsTuple();
}

py::array Pictures(EnvBatch& self, const Bytes& rows, int size) {
  const Bytes aligned = Aligned(self, rows);
  const auto n = rows.shape(0);
  py::array_t<std::uint8_t> out(std::vector<py::ssize_t>{n, size, size, 3});
  const View view{.picture = out.mutable_data(), .picture_size = size};
  const py::gil_scoped_release release;
  self.batch.Look(reinterpret_cast<const std::byte*>(aligned.data()), static_cast<std::size_t>(n),
                  view);
  return out;
}

py::tuple Playouts(EnvBatch& self, const Bytes& rows, std::size_t times, std::uint64_t seed,
                   std::uint32_t max_steps) {
  const auto n = rows.shape(0), each = static_cast<py::ssize_t>(times);
  const py::ssize_t players = self.batch.kernel().spec().num_players;
  py::array_t<double> returns(std::vector<py::ssize_t>{n, each, players});
  py::array_t<std::int32_t> steps(std::vector<py::ssize_t>{n, each});
  const auto* const slab = reinterpret_cast<const std::byte*>(rows.data());
  double* const sums = returns.mutable_data();
  std::int32_t* const counts = steps.mutable_data();
  InParts(static_cast<std::size_t>(n) * times, 64, [&](std::size_t begin, std::size_t end) {
    const py::gil_scoped_release release;
    self.batch.Playouts(slab, times, begin, end, seed, max_steps, sums, counts);
  });
  return py::make_tuple(returns, steps);
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
  self.batch.kernel().ForgetFrames(row);
  std::memcpy(self.batch.row(i), row, bytes);
}

ParamsIndex RowParams(const EnvBatch& self) {
  const auto n = self.batch.num_rows();
  ParamsIndex out(static_cast<py::ssize_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    out.mutable_data()[i] = Kernel::Header(self.batch.row(i)).params;
  }
  return out;
}

Seeds RowSeeds(const EnvBatch& self) {
  const auto n = self.batch.num_rows();
  Seeds out(static_cast<py::ssize_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    out.mutable_data()[i] = Kernel::Header(self.batch.row(i)).seed;
  }
  return out;
}

py::list DescribeFields(const Kernel& kernel) {
  py::list out;
  for (const ObsField& field : kernel.obs_fields()) {
    py::dict facts;
    facts["name"] = field.name;
    facts["shape"] = py::tuple(py::cast(field.shape));
    facts["dtype"] = DtypeOf(field.dtype);
    facts["low"] = field.low;
    facts["high"] = field.high;
    facts["nvec"] = field.nvec;
    out.append(facts);
  }
  return out;
}

py::dict Describe(const EnvBatch& self) {
  const Kernel& kernel = self.batch.kernel();
  const EnvSpec& spec = kernel.spec();
  py::dict out;
  out["obs_fields"] = DescribeFields(kernel);
  out["frame_stack"] = kernel.options().frame_stack;
  out["obs_is_single"] = kernel.obs_is_single();
  out["action_nvec"] = spec.action_nvec;
  out["action_is_scalar"] = spec.action_is_scalar;
  out["action_low"] = spec.action_low;
  out["action_high"] = spec.action_high;
  out["max_episode_steps"] = kernel.limit(0);
  out["event_names"] = py::tuple(py::cast(spec.event_names));
  out["event_rows"] = spec.event_rows;
  out["signal_names"] = py::tuple(py::cast(spec.signal_names));
  out["signal_widths"] = py::tuple(py::cast(spec.signal_widths));
  out["num_players"] = spec.num_players;
  out["has_action_mask"] = kernel.can().action_mask;
  out["has_to_play"] = kernel.can().to_play;
  out["has_pictures"] = kernel.can().pictures;
  out["has_playouts"] = kernel.can().playouts;
  out["keywords"] = self.keywords;
  out["row_bytes"] = kernel.row_bytes();
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
  m.def(
      "force_threads", [](std::size_t chunk) { forced_chunk.store(chunk); }, py::arg("chunk"),
      "Give every loop to the threads, in chunks of so many rows; 0: what is faster.");
  // both are known before either is used in a signature
  py::class_<EnvBatch> env_batch(m, "EnvBatch",
                                 "Rows of one environment, stepped over a thread pool.");
  py::class_<StepArrays> step_arrays(m, "StepArrays", "The arrays of one step.");
  env_batch
      .def(py::init(&Make), py::arg("id"), py::arg("num_envs"), py::arg("num_threads"),
           py::arg("mode"), py::arg("table"), py::arg("rows"), py::arg("redraw_params"),
           py::arg("observe"), py::arg("events"), py::arg("copy"), py::arg("picture_size"),
           py::arg("frame_stack"), py::arg("reward_scale"))
      .def("describe", &Describe, "Return shapes, bounds, names and sizes.")
      .def("reset", &Reset, py::arg("seeds"), py::arg("seeded"), py::arg("mask"), py::arg("params"),
           py::arg("entropy"), "Reset rows; return what is to be seen of every row.")
      .def("step", &Step, py::arg("actions"), "Step every row once.")
      .def("step_into", &StepInto, py::arg("actions"), py::arg("buffers"),
           "Step every row once, into those arrays.")
      .def("send", &Send, py::arg("actions"), py::arg("rows"),
           "Step rows in the background; None: all.")
      .def("recv", &Recv, py::arg("most"), "Wait for the first rows that are done.")
      .def("in_flight", &InFlight, "Return how many rows were sent and not received.")
      .def(
          "threaded",
          [](const EnvBatch& self) { return self.batch.Threaded(self.batch.num_rows()); },
          "Return whether the last step used the threads.")
      .def("loop", &Loop, py::arg("tape"),
           "Step every row through a tape of legal actions in one call; return all rewards' sum.")
      .def("read", &Read, py::arg("index"), "Return a copy of rows as bytes.")
      .def("write", &Write, py::arg("rows"), py::arg("index"), "Overwrite rows by bytes.")
      .def("step_rows", &StepRows, py::arg("rows"), py::arg("actions"),
           "Step rows that are not in the batch.")
      .def("follow", &Follow, py::arg("rows"), py::arg("start"), py::arg("actions"),
           py::arg("horizon"), py::arg("events"),
           "Take sequences of actions from rows that are not in the batch.")
      .def("look", &Look, py::arg("rows"),
           "Return what is to be seen of the batch, or of rows that are not in it.")
      .def("pictures", &Pictures, py::arg("rows"), py::arg("size"), "Return pictures of rows.")
      .def("playouts", &Playouts, py::arg("rows"), py::arg("times"), py::arg("seed"),
           py::arg("max_steps"), "Play episodes on by random actions; their returns and steps.")
      .def("get_state", &GetState, py::arg("row"), "Return a row's state in readable form.")
      .def("set_state", &SetState, py::arg("row"), py::arg("state"),
           "Set a row's state from what get_state returned.")
      .def("params", &RowParams, "Return which Params every row has.")
      .def("seeds", &RowSeeds, "Return the seed of every row.")
      .def("require_begun", &RequireBegun, "Raise ResetNeeded unless every row has an episode.")
      .def_property_readonly(
          "num_threads", [](const EnvBatch& self) { return self.batch.num_threads(); },
          "How many threads step the rows.");
  step_arrays.def(py::init(&Buffers), py::arg("batch"), py::arg("given"))
      .def("arrays", &StepArrays::AsTuple, "Return them, in the order that EnvBatch.step does.");
}

}  // namespace rollout::bindings
