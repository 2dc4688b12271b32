// Where the searches draw random numbers, and how.
//
// Every number is a pure function of (seed of the row, number of the row, simulation, depth, site):
// it does not depend on threads, on the batch around the row, or on what was drawn before.
// Thread-safe; values only.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/philox.h"

namespace rollout::search {

// One number a place that draws; streams of different sites share nothing.
enum class Site : std::uint32_t {
  kTie = 1,
  kDirichlet = 2,
  kGumbel = 3,
  kAct = 4,
  kRegularised = 16,
  kStep = 17,
  kJoint = 24
};

// A row's identity: its seed, and its number among the rows that share that seed.
struct RowKey {
  std::uint64_t seed = 0;
  std::uint32_t row = 0;

  // `index` tells apart draws of one site: a depth, or an action.
  PhiloxStream Stream(Site site, std::uint32_t simulation, std::uint32_t index) const {
    constexpr std::uint32_t kIndexShift = 8;  // sites fit in a byte
    return {seed, row, simulation, static_cast<std::uint32_t>(site) | index << kIndexShift};
  }
};

// Uniform in (0, 1): safe to take the logarithm of.
inline double OpenUniform(PhiloxStream& stream) {
  return (static_cast<double>(stream.Next32()) + 0.5) * 0x1p-32;
}

// Standard Gumbel, minus log of minus log of a uniform.
inline double Gumbel(PhiloxStream& stream) { return -std::log(-std::log(OpenUniform(stream))); }

inline double Normal(PhiloxStream& stream) {
  const double radius = std::sqrt(-2.0 * std::log(OpenUniform(stream)));
  return radius * std::cos(6.283185307179586 * OpenUniform(stream));
}

// Logarithm of a Gamma(alpha, 1) draw; the logarithm survives an alpha near 0, where the draw
// itself underflows. Source: Marsaglia and Tsang 2000; alpha is raised by one, and the draw of
// alpha is that of alpha + 1 times U^(1 / alpha).
inline double LogGamma(PhiloxStream& stream, double alpha) {
  constexpr double kSqueeze = 0.0331;  // below this curve a proposal needs no logarithm
  const double d = alpha + 1.0 - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = Normal(stream), root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root, log_v = std::log(v), u = OpenUniform(stream);
    if (u < 1.0 - kSqueeze * x * x * x * x || std::log(u) < 0.5 * x * x + d - d * v + d * log_v) {
      return std::log(d) + log_v + std::log(OpenUniform(stream)) / alpha;
    }
  }
}

}  // namespace rollout::search
