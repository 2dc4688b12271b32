// `x ** 2` as NumPy scalars and Python floats have it: the C library's pow, which in about one case
// in a thousand is not x * x. (NumPy arrays do have x * x.)
//
// Pure and thread-safe.
#pragma once

#include <cmath>

namespace rollout {

// compilers turn a pow by a constant 2 into x * x, so the exponent is hidden from them
template <class Real>
inline Real PowTwo(Real x) {
  volatile const Real two = 2;
  return std::pow(x, Real{two});
}

}  // namespace rollout
