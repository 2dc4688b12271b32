// States that are a handful of numbers, as dicts and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kwargs.h"
#include "module.h"
#include "vec/kernel.h"

namespace rollout::bindings {

constexpr double kMostDouble = std::numeric_limits<double>::max();  // any finite number is within

// One number of a state and the range that set_state takes it from.
template <class State>
struct Field {
  const char* name;
  double& (*in)(State&);
  double low = -kMostDouble, high = kMostDouble;
};

template <class State, std::size_t kCount>
py::dict FieldsToDict(const Field<State> (&fields)[kCount], const RowHeader& header, State state) {
  py::dict out;
  for (const Field<State>& field : fields) out[field.name] = field.in(state);
  out["step"] = header.step;
  return out;
}

template <class State, std::size_t kCount>
void FieldsFromDict(const Field<State> (&fields)[kCount], RowHeader& header, State& state,
                    const py::dict& dict) {
  Kwargs values("state", dict);
  for (const Field<State>& field : fields) {
    field.in(state) = values.Double(field.name, 0.0, field.low, field.high);
  }
  header.step = static_cast<std::uint32_t>(values.Int("step", 0, 0, UINT32_MAX));
}

}  // namespace rollout::bindings
