// The checks of actions from Python.
#pragma once

#include <cstddef>
#include <cstdint>

#include "module.h"
#include "vec/kernel.h"

namespace rollout::bindings {

// The actions of n rows as the kernel reads them: converted where that loses nothing, else refused
// with TypeError or ValueError that names the first bad one. Costs one pass over the actions.
py::array CheckActions(const Kernel& kernel, const py::object& given, std::size_t n);

// Raises ValueError for the k-th action, which is against the rules in this row of a slab.
[[noreturn]] void RefuseIllegal(const Kernel& kernel, const std::byte* slab,
                                const py::array& actions, std::int64_t k, std::int64_t row);

}  // namespace rollout::bindings
