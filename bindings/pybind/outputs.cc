#include "outputs.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace rollout::bindings {
namespace {

using ArrayShape = std::vector<py::ssize_t>;

// a new array; half the time of py::array's constructor, which hands NumPy strides to check
py::array New(py::dtype dtype, const ArrayShape& shape) {
  const py::detail::npy_api& api = py::detail::npy_api::get();
  PyObject* made =
      api.PyArray_NewFromDescr_(api.PyArray_Type_, dtype.release().ptr(), int(shape.size()),
                                shape.data(), nullptr, nullptr, 0, nullptr);
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(made);
}

// takes an array and notes where its data is
template <class T>
py::object Take(ArraySource& source, const std::string& name, const ArrayShape& shape, T** data) {
  py::array array = source.Take(name, py::dtype::of<T>(), shape);
  *data = static_cast<T*>(array.mutable_data());
  return array;
}

}  // namespace

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

py::array ArraySource::Take(const std::string& name, const py::dtype& dtype,
                            const ArrayShape& shape) {
  if (!given_) return New(dtype, shape);
  names_.push_back(name);
  if (!given_.contains(name)) return New(dtype, shape);
  const py::object value = given_[py::str(name)];
  const std::string expected = name + ": expected a C-contiguous, writable " +
                               py::str(dtype).cast<std::string>() + " array of shape " +
                               py::str(py::cast(shape)).cast<std::string>() + ", got ";
  if (!py::isinstance<py::array>(value)) {
    throw py::type_error(expected + py::repr(py::type::of(value)).cast<std::string>());
  }
  auto array = py::reinterpret_borrow<py::array>(value);
  if (!array.dtype().equal(dtype)) {
    throw py::type_error(expected + py::str(array.dtype()).cast<std::string>());
  }
  if (!std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim())) {
    const ArrayShape got(array.shape(), array.shape() + array.ndim());
    throw py::value_error(expected + py::str(py::cast(got)).cast<std::string>());
  }
  constexpr int kNeeded = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  if ((array.flags() & kNeeded) != kNeeded) throw py::value_error(expected + "strided data");
  if (!array.writeable()) throw py::value_error(expected + "a read-only one");
  return array;
}

void ArraySource::RefuseRest() const {
  if (!given_) return;
  for (const auto& [key, value] : given_) {
    const std::string name = py::str(key);
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
    std::string known;
    for (const std::string& each : names_) known += (known.empty() ? "" : ", ") + each;
    throw py::value_error(name + ": a step has no such array; it has " + known);
  }
}

ViewArrays::ViewArrays(const Kernel& kernel, std::size_t n, bool observe) {
  ArraySource source;
  *this = ViewArrays(kernel, n, observe, source);
}

ViewArrays::ViewArrays(const Kernel& kernel, std::size_t n, bool observe, ArraySource& source,
                       const char* prefix) {
  const auto rows = static_cast<py::ssize_t>(n);
  const auto name = [&](const char* part) {
    return source.HasGiven() ? std::string(prefix) + part : std::string();
  };
  if (observe) {
    const std::vector<ObsField>& fields = kernel.obs_fields();
    const bool named = !fields[0].name.empty();
    py::list arrays;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      ArrayShape shape = {rows};
      if (const std::size_t frames = kernel.options().frame_stack; frames > 1) {
        shape.push_back(static_cast<py::ssize_t>(frames));
      }
      shape.insert(shape.end(), fields[f].shape.begin(), fields[f].shape.end());
      std::string full = name("obs");
      if (!kernel.obs_is_single() && source.HasGiven()) {
        full += named ? "['" + fields[f].name + "']" : "[" + std::to_string(f) + "]";
      }
      py::array array = source.Take(full, DtypeOf(fields[f].dtype), shape);
      slabs_.push_back(array.mutable_data());
      arrays.append(std::move(array));
    }
    pointers_.obs = slabs_.data();
    if (kernel.obs_is_single()) {
      obs_ = arrays[0];
    } else if (!named) {
      obs_ = py::tuple(arrays);
    } else {
      py::dict parts;
      for (std::size_t f = 0; f < fields.size(); ++f) parts[py::str(fields[f].name)] = arrays[f];
      obs_ = parts;
    }
  }
  if (kernel.can().action_mask) {
    mask_ = Take(source, name("action_mask"), {rows, static_cast<py::ssize_t>(kernel.mask_size())},
                 &pointers_.action_mask);
  }
  if (kernel.can().to_play) to_play_ = Take(source, name("to_play"), {rows}, &pointers_.to_play);
}

StepArrays::StepArrays(const Kernel& kernel, std::size_t n, const StepWish& wish,
                       ArraySource source)
    : view_(kernel, n, wish.observe, source) {
  const EnvSpec& spec = kernel.spec();
  const auto rows = static_cast<py::ssize_t>(n);
  py::object reward = Take(source, "reward", {rows}, &pointers_.reward);
  py::object terminated = Take(source, "terminated", {rows}, &pointers_.terminated);
  py::object truncated = Take(source, "truncated", {rows}, &pointers_.truncated);
  py::object event_counts = py::none(), signals = py::none(), stepped = py::none();
  if (wish.events && kernel.event_size() > 0) {
    ArrayShape shape = {rows};
    if (spec.event_rows > 1) shape.push_back(spec.event_rows);
    shape.push_back(static_cast<py::ssize_t>(spec.event_names.size()));
    event_counts = Take(source, "events", shape, &pointers_.events);
  }
  if (kernel.signal_size() > 0) {
    signals = Take(source, "signals", {rows, static_cast<py::ssize_t>(kernel.signal_size())},
                   &pointers_.signals);
  }
  if (!event_counts.is_none() || !signals.is_none()) {
    stepped = Take(source, "stepped", {rows}, &pointers_.stepped);
  }
  pointers_.view = view_.pointers();
  py::object last = py::none();
  if (wish.final_view) {
    final_view_.emplace(kernel, n, wish.observe, source, "final_");
    pointers_.final_view = final_view_->pointers();
    last = final_view_->AsTuple();
  }
  source.RefuseRest();
  tuple_ = py::make_tuple(view_.obs(), reward, terminated, truncated, event_counts, signals,
                          stepped, view_.mask(), view_.to_play(), last);
}

}  // namespace rollout::bindings
