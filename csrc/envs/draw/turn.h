// Sine and cosine for pictures: additions and multiplications only, so the same bits everywhere,
// which a C library's need not have. Right to 1e-6 for angles of ordinary size.
#pragma once

#include <cmath>

namespace rollout::draw {

struct Turn {
  double sine, cosine;
};

inline Turn TurnOf(double radians) {
  constexpr double kHalfTurn = 3.141592653589793;
  // sine of an angle within a quarter turn of zero, by its Taylor series
  const auto sine = [](double x) {
    const double s = x * x;
    return x *
           (1 + s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 +
                                                      s * (1.0 / 362880 - s * (1.0 / 39916800))))));
  };
  const auto folded = [&sine](double halves) {  // of halves half turns
    const double nearest = std::floor(halves + 0.5);
    const double value = sine((halves - nearest) * kHalfTurn);
    return std::fmod(nearest, 2.0) == 0.0 ? value : -value;
  };
  const double halves = radians / kHalfTurn;
  return {folded(halves), folded(halves + 0.5)};
}

}  // namespace rollout::draw
