// The one check of actions from Python.
#pragma once

#include <cstddef>

#include "module.h"
#include "vec/kernel.h"

namespace rollout::bindings {

// The actions of n rows as the kernel reads them: converted where that loses nothing, else refused
// with TypeError or ValueError that names the first bad one. Costs one pass over the actions.
py::array CheckActions(const Kernel& kernel, const py::object& given, std::size_t n);

}  // namespace rollout::bindings
