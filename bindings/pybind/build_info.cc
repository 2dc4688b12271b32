// How the module was built and what it uses of this machine, for `rollout doctor` and the benches.
#include "module.h"

namespace rollout::bindings {

namespace {

const char* SimdLevel() { return __builtin_cpu_supports("avx2") ? "avx2" : "baseline"; }

}  // namespace

void BindBuildInfo(py::module_& m) {
  m.def(
      "build_info",
      [] {
        py::dict info;
        info["compiler"] = "g++ " __VERSION__;
        info["cplusplus"] = __cplusplus / 100;
        info["simd"] = SimdLevel();
        return info;
      },
      "Return the compiler, the C++ standard and the SIMD level in use here.");
}

}  // namespace rollout::bindings
