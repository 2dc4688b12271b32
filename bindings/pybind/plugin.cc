// Plug-ins: a description at an address becomes an entry like any other environment's.
#include "plugin/plugin.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "vec.h"

namespace rollout::bindings {
namespace {

std::shared_ptr<const Kernel> MakeKernel(const std::shared_ptr<const Plugin>& plugin,
                                         Kwargs& kwargs) {
  std::vector<double> values;
  for (const Plugin::Param& param : plugin->params) {
    values.push_back(kwargs.Double(param.name.c_str(), param.value, param.low, param.high));
  }
  return MakePluginKernel(plugin, std::move(values));
}

// what a plug-in's row looks like from outside: rollout cannot know more of it
py::dict GetState(const Plugin& plugin, const std::byte* row) {
  py::dict out;
  out["step"] = Kernel::Header(row).step;
  out["bytes"] = py::bytes(reinterpret_cast<const char*>(PluginState(row)), plugin.raw.state_bytes);
  return out;
}

void SetState(const Plugin& plugin, std::byte* row, const py::dict& state) {
  Kwargs fields("state", py::dict(state.attr("copy")()));
  const std::int64_t step = fields.Int("step", 0, 0, UINT32_MAX);
  const py::object bytes = fields.Object("bytes");
  if (!py::isinstance<py::bytes>(bytes) || py::len(bytes) != plugin.raw.state_bytes) {
    throw py::value_error("state: bytes: expected " + std::to_string(plugin.raw.state_bytes) +
                          " of them, got " + py::repr(bytes).cast<std::string>());
  }
  Kernel::Header(row).step = static_cast<std::uint32_t>(step);
  std::memcpy(PluginState(row), PyBytes_AS_STRING(bytes.ptr()), plugin.raw.state_bytes);
}

std::string Register(std::uintptr_t address) {
  const auto plugin = Plugin::From(reinterpret_cast<const rollout_env*>(address));
  AddPlugin({plugin->spec.id, plugin->summary,
             [plugin](Kwargs& kwargs) { return MakeKernel(plugin, kwargs); },
             [plugin](const Kernel&, const std::byte* row) { return GetState(*plugin, row); },
             [plugin](const Kernel&, std::byte* row, const py::dict& state) {
               SetState(*plugin, row, state);
             }});
  return plugin->spec.id;
}

// EnvError with its facts as attributes
void Translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const EnvError& error) {
    const std::string text = error.what();
    const py::object type = py::module_::import("rollout._native").attr("EnvError");
    const py::object raised =
        type(error.id + ": row " + std::to_string(error.row) + ": " + error.function +
             " failed with code " + std::to_string(error.code) + (text.empty() ? "" : ": " + text) +
             "; all rows are as they were before the call");
    raised.attr("row") = error.row;
    raised.attr("function") = error.function;
    raised.attr("code") = error.code;
    raised.attr("key") = py::make_tuple(error.key.seed, error.key.episode, error.key.step);
    raised.attr("state") =
        py::bytes(reinterpret_cast<const char*>(error.bytes.data()), error.bytes.size());
    PyErr_SetObject(type.ptr(), raised.ptr());
  }
}

}  // namespace

void BindPlugin(py::module_& m) {
  py::dict facts;  // as an error has them before it is told better
  facts["row"] = -1;
  facts["function"] = "";
  facts["code"] = 0;
  facts["key"] = py::make_tuple(0, 0, 0);
  facts["state"] = py::bytes();
  m.attr("EnvError") = py::reinterpret_steal<py::object>(PyErr_NewExceptionWithDoc(
      "rollout._native.EnvError",
      "A plug-in's function failed; all rows are as they were before the call.", PyExc_RuntimeError,
      facts.ptr()));
  py::register_exception_translator(&Translate);
  m.def("register_plugin", &Register, py::arg("address"),
        "Register the environment that the rollout_env at an address describes; return its id.");
}

}  // namespace rollout::bindings
