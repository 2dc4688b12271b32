#include "outputs.h"

#include <cstdint>
#include <string>
#include <utility>

namespace rollout::bindings {
namespace {

using ArrayShape = std::vector<py::ssize_t>;

py::array NewField(const ObsField& field, std::size_t n, std::size_t frames) {
  ArrayShape shape = {static_cast<py::ssize_t>(n)};
  if (frames > 1) shape.push_back(static_cast<py::ssize_t>(frames));
  shape.insert(shape.end(), field.shape.begin(), field.shape.end());
  return py::array(DtypeOf(field.dtype), std::move(shape));
}

// makes an array and notes where its data is
template <class T>
py::object New(ArrayShape shape, T** data) {
  py::array_t<T> array(std::move(shape));
  *data = array.mutable_data();
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

ViewArrays::ViewArrays(const Kernel& kernel, std::size_t n, bool observe) {
  const auto rows = static_cast<py::ssize_t>(n);
  if (observe) {
    const std::vector<ObsField>& fields = kernel.obs_fields();
    std::vector<py::array> arrays;
    for (const ObsField& field : fields) {
      arrays.push_back(NewField(field, n, kernel.options().frame_stack));
      slabs_.push_back(arrays.back().mutable_data());
    }
    pointers_.obs = slabs_.data();
    if (kernel.obs_is_single()) {
      obs_ = arrays[0];
    } else if (fields[0].name.empty()) {
      py::tuple parts(arrays.size());
      for (std::size_t f = 0; f < arrays.size(); ++f) parts[f] = arrays[f];
      obs_ = parts;
    } else {
      py::dict parts;
      for (std::size_t f = 0; f < arrays.size(); ++f) parts[py::str(fields[f].name)] = arrays[f];
      obs_ = parts;
    }
  }
  if (kernel.can().action_mask) {
    mask_ = New({rows, static_cast<py::ssize_t>(kernel.mask_size())}, &pointers_.action_mask);
  }
  if (kernel.can().to_play) to_play_ = New({rows}, &pointers_.to_play);
}

StepArrays::StepArrays(const Kernel& kernel, std::size_t n, bool observe, bool events,
                       bool final_view)
    : view_(kernel, n, observe) {
  const EnvSpec& spec = kernel.spec();
  const auto rows = static_cast<py::ssize_t>(n);
  py::object reward = New({rows}, &pointers_.reward);
  py::object terminated = New({rows}, &pointers_.terminated);
  py::object truncated = New({rows}, &pointers_.truncated);
  py::object event_counts = py::none(), signals = py::none(), stepped = py::none();
  if (events && kernel.event_size() > 0) {
    ArrayShape shape = {rows};
    if (spec.event_rows > 1) shape.push_back(spec.event_rows);
    shape.push_back(static_cast<py::ssize_t>(spec.event_names.size()));
    event_counts = New(std::move(shape), &pointers_.events);
  }
  if (kernel.signal_size() > 0) {
    signals = New({rows, static_cast<py::ssize_t>(kernel.signal_size())}, &pointers_.signals);
  }
  if (!event_counts.is_none() || !signals.is_none()) stepped = New({rows}, &pointers_.stepped);
  pointers_.view = view_.pointers();
  py::object last = py::none();
  if (final_view) {
    final_view_.emplace(kernel, n, observe);
    pointers_.final_view = final_view_->pointers();
    last = final_view_->AsTuple();
  }
  tuple_ = py::make_tuple(view_.obs(), reward, terminated, truncated, event_counts, signals,
                          stepped, view_.mask(), view_.to_play(), last);
}

}  // namespace rollout::bindings
