// The functions that promise the C library's bits, for tests to compare with it.
#include "envs/libm.h"

#include <cmath>

#include "envs/libm_avx2.h"
#include "envs/libm_avx512.h"
#include "envs/sincos_avx2.h"
#include "module.h"

namespace rollout::bindings {
namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Floats = py::array_t<float, py::array::c_style>;

// calls four(i) for each whole group of four, where the processor has AVX2; returns what is done
template <class Four>
py::ssize_t InFours([[maybe_unused]] py::ssize_t n, [[maybe_unused]] Four four) {
  py::ssize_t i = 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) {
    for (; i + 4 <= n; i += 4) four(i);
  }
#endif
  return i;
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
ROLLOUT_AVX512_TARGET void SinesInEights(py::ssize_t n, const double* angle, double* sine) {
  for (py::ssize_t i = 0; i + 8 <= n; i += 8) {
    _mm512_storeu_pd(sine + i, SinAnyAvx512(_mm512_loadu_pd(angle + i)));
  }
}
#endif

py::tuple SinCos(const Doubles& angles, bool small) {
  const py::ssize_t n = angles.size();
  Doubles sines(n), cosines(n);
  const double* angle = angles.data();
  double *sine = sines.mutable_data(), *cosine = cosines.mutable_data();
  py::ssize_t i = InFours(n, [&](py::ssize_t k) ROLLOUT_AVX2_TARGET {
    const __m256d four = _mm256_loadu_pd(angle + k);
    const SinCos4 out = small ? SinCosAvx2(four) : SinCosAnyAvx2(four);
    _mm256_storeu_pd(sine + k, out.sin);
    _mm256_storeu_pd(cosine + k, out.cos);
  });
  for (; i < n; ++i) {
    sine[i] = std::sin(angle[i]);
    cosine[i] = std::cos(angle[i]);
  }
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (!small && ActiveSimd() >= SimdLevel::kAvx512) SinesInEights(n, angle, sine);
#endif
  return py::make_tuple(sines, cosines);
}

Doubles PowTwos(const Doubles& numbers) {
  const py::ssize_t n = numbers.size();
  Doubles out(n);
  const double* from = numbers.data();
  double* to = out.mutable_data();
  py::ssize_t i = InFours(n, [&](py::ssize_t k) ROLLOUT_AVX2_TARGET {
    _mm256_storeu_pd(to + k, PowTwoAvx2(_mm256_loadu_pd(from + k)));
  });
  for (; i < n; ++i) to[i] = PowTwo(from[i]);
  return out;
}

Floats PowTwoFloats(const Floats& numbers) {
  const py::ssize_t n = numbers.size();
  Floats out(n);
  const float* from = numbers.data();
  float* to = out.mutable_data();
  py::ssize_t i = InFours(n, [&](py::ssize_t k) ROLLOUT_AVX2_TARGET {
    const __m256d squares = PowTwoFloatAvx2(_mm256_cvtps_pd(_mm_loadu_ps(from + k)));
    _mm_storeu_ps(to + k, _mm256_cvtpd_ps(squares));
  });
  for (; i < n; ++i) to[i] = PowTwo(from[i]);
  return out;
}

}  // namespace

void BindLibm(py::module_& m) {
  m.def("sin_cos", &SinCos, py::arg("angles"), py::arg("small") = false,
        "Return the sine and the cosine of each angle, as the environments compute them.");
  m.def("pow_two", &PowTwos, py::arg("numbers"),
        "Return pow(x, 2) of each number, as the environments compute it.");
  m.def("pow_two_floats", &PowTwoFloats, py::arg("numbers"),
        "Return powf(x, 2) of each number, as the environments compute it.");
}

}  // namespace rollout::bindings
