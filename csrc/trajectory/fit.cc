// Turns scores into weights, and weighted candidates into a distribution.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "core/simd.h"
#include "trajectory/normal.h"
#include "trajectory/population.h"

namespace rollout::trajectory {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

ROLLOUT_INLINE void SoftenRow(const float* scores, std::size_t n, float temperature, float* out) {
  float best = kLowest;
  for (std::size_t c = 0; c < n; ++c) best = std::max(best, scores[c]);
  if (best == kLowest) {
    std::fill_n(out, n, 0.0f);
    return;
  }
  double sum = 0.0;
  for (std::size_t c = 0; c < n; c += kLanes) {
    const std::size_t rest = std::min<std::size_t>(kLanes, n - c);
    F8 x = Fill(kLowest);
    if (rest == kLanes) {
      x = Load(scores + c);
    } else {
      for (std::size_t lane = 0; lane < rest; ++lane) x[lane] = scores[c + lane];
    }
    // a temperature that underflows the quotient still leaves the best with a weight of one
    const F8 below = (x - best) / temperature;
    // so little moves no sum, and a product with it may be denormal, which is slow
    constexpr float kNothing = -64.0f;
    const F8 weight = below < kNothing ? F8{} : search::Exp(below);
    for (std::size_t lane = 0; lane < rest; ++lane) {
      out[c + lane] = weight[lane];
      sum += weight[lane];
    }
  }
  const auto scale = static_cast<float>(1.0 / sum);
  for (std::size_t c = 0; c < n; ++c) out[c] *= scale;
}

struct SoftenJob {
  std::size_t candidates;
  const float* scores;
  float temperature;
  float* weights;
};

ROLLOUT_INLINE void SoftenRows(const SoftenJob& job, std::size_t begin, std::size_t end) {
  for (std::size_t b = begin; b < end; ++b) {
    const std::size_t at = b * job.candidates;
    SoftenRow(job.scores + at, job.candidates, job.temperature, job.weights + at);
  }
}

void SoftenPortable(const SoftenJob& job, std::size_t begin, std::size_t end) {
  SoftenRows(job, begin, end);
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
__attribute__((target("avx2"))) void SoftenAvx2(const SoftenJob& job, std::size_t begin,
                                                std::size_t end) {
  SoftenRows(job, begin, end);
}
#endif

// Adds term(j, phase) for j = 0, 8, .. below `whole` to the sums, whose phases take turns.
template <class Term>
ROLLOUT_INLINE void AddUp(F8* sums, std::size_t phases, std::size_t whole, const Term& term) {
  std::size_t j = 0, phase = 0;
  if (phases == 4) {
    // most often: in registers
    F8 a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    for (; j + 4 * kLanes <= whole; j += 4 * kLanes) {
      a = a + term(j, 0);
      b = b + term(j + kLanes, 1);
      c = c + term(j + 2 * kLanes, 2);
      d = d + term(j + 3 * kLanes, 3);
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
  }
  for (; j < whole; j += kLanes) {
    sums[phase] = sums[phase] + term(j, phase);
    if (++phase == phases) phase = 0;
  }
}

// One problem's mean and, where `std` is not null, deviation. `spread` is the weights, each D
// times; sums are kept a lane and a phase, so that a lane always holds the same of the D numbers.
ROLLOUT_INLINE void MomentsOfRow(const Shape& shape, const float* from, const float* spread,
                                 std::size_t phases, F8* sums, F8* centres, float* mean,
                                 float* std) {
  const std::size_t width = shape.width, row = shape.row();
  const std::size_t whole = row - row % kLanes;
  const auto total = [&](std::size_t d) __attribute__((always_inline)) {
    float sum = 0.0f;
    for (std::size_t at = d; at < phases * kLanes; at += width) {
      sum += sums[at / kLanes][at % kLanes];
    }
    return sum;
  };
  for (std::size_t t = 0; t < shape.horizon; ++t, from += shape.step()) {
    float* const mean_t = mean + t * width;
    std::fill_n(sums, phases, F8{});
    AddUp(sums, phases, whole, [&](std::size_t j, std::size_t) __attribute__((always_inline)) {
      return Load(from + j) * Load(spread + j);
    });
    for (std::size_t j = whole; j < row; ++j) {
      sums[j / kLanes % phases][j % kLanes] += from[j] * spread[j];
    }
    for (std::size_t d = 0; d < width; ++d) mean_t[d] = total(d);
    if (std == nullptr) continue;

    float* const std_t = std + t * width;
    for (std::size_t at = 0; at < phases * kLanes; ++at) {
      centres[at / kLanes][at % kLanes] = mean_t[at % width];
    }
    std::fill_n(sums, phases, F8{});
    AddUp(sums, phases, whole,
          [&](std::size_t j, std::size_t phase) __attribute__((always_inline)) {
            const F8 off = Load(from + j) - centres[phase];
            return off * off * Load(spread + j);
          });
    for (std::size_t j = whole; j < row; ++j) {
      const float off = from[j] - mean_t[j % width];
      sums[j / kLanes % phases][j % kLanes] += off * off * spread[j];
    }
    for (std::size_t d = 0; d < width; ++d) std_t[d] = std::sqrt(total(d));
  }
}

struct MomentsJob {
  const Shape& shape;
  const float *population, *weights;
  float *mean, *std;
};

ROLLOUT_INLINE void MomentsOfRows(const MomentsJob& job, std::size_t begin, std::size_t end) {
  const Shape& shape = job.shape;
  std::size_t phases = shape.width;
  for (int half = kLanes; half > 1 && phases % 2 == 0; half /= 2) phases /= 2;
  // several sums at once, so that one addition need not wait for the last
  while (phases < 4) phases *= 2;
  const std::unique_ptr<F8[]> sums(new F8[2 * phases]);
  std::vector<float> spread(shape.row());
  for (std::size_t b = begin; b < end; ++b) {
    for (std::size_t j = 0; j < shape.row(); ++j) {
      spread[j] = job.weights[b * shape.candidates + j / shape.width];
    }
    const std::size_t at = b * shape.horizon * shape.width;
    MomentsOfRow(shape, job.population + b * shape.row(), spread.data(), phases, sums.get(),
                 sums.get() + phases, job.mean + at, job.std == nullptr ? nullptr : job.std + at);
  }
}

void MomentsPortable(const MomentsJob& job, std::size_t begin, std::size_t end) {
  MomentsOfRows(job, begin, end);
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
__attribute__((target("avx2"))) void MomentsAvx2(const MomentsJob& job, std::size_t begin,
                                                 std::size_t end) {
  MomentsOfRows(job, begin, end);
}
#endif

}  // namespace

void Elites(ThreadPool& pool, std::size_t batch, std::size_t candidates, const float* scores,
            std::size_t n, std::int64_t* index) {
  pool.ParallelFor(batch, 1, [&](std::size_t begin, std::size_t end) {
    std::vector<std::int64_t> order(candidates);
    for (std::size_t b = begin; b < end; ++b) {
      const float* const row = scores + b * candidates;
      const auto better = [row](std::int64_t i, std::int64_t j) {
        return row[i] > row[j] || (row[i] == row[j] && i < j);
      };
      std::iota(order.begin(), order.end(), std::int64_t{0});
      const auto middle = order.begin() + static_cast<std::ptrdiff_t>(n);
      std::nth_element(order.begin(), middle - 1, order.end(), better);
      std::sort(order.begin(), middle, better);
      std::copy(order.begin(), middle, index + b * n);
    }
  });
}

void SoftWeights(ThreadPool& pool, std::size_t batch, std::size_t candidates, const float* scores,
                 float temperature, float* weights) {
  constexpr std::size_t kGrain = 4;
  const SoftenJob job{candidates, scores, temperature, weights};
  auto* soften = &SoftenPortable;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) soften = &SoftenAvx2;
#endif
  pool.ParallelFor(batch, kGrain,
                   [&](std::size_t begin, std::size_t end) { soften(job, begin, end); });
}

void Moments(ThreadPool& pool, const Shape& shape, const float* population, const float* weights,
             float* mean, float* std) {
  const MomentsJob job{shape, population, weights, mean, std};
  auto* moments = &MomentsPortable;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) moments = &MomentsAvx2;
#endif
  pool.ParallelFor(shape.batch, 1,
                   [&](std::size_t begin, std::size_t end) { moments(job, begin, end); });
}

void Dot(ThreadPool& pool, const Shape& shape, const float* population, const float* coefficients,
         float* out) {
  pool.ParallelFor(shape.batch, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) {
      float* const to = out + b * shape.candidates;
      std::fill_n(to, shape.candidates, 0.0f);
      for (std::size_t t = 0; t < shape.horizon; ++t) {
        const float* const from = population + t * shape.step() + b * shape.row();
        const float* const with = coefficients + (b * shape.horizon + t) * shape.width;
        for (std::size_t d = 0; d < shape.width; ++d) {
          const float coefficient = with[d];
          for (std::size_t c = 0; c < shape.candidates; ++c) {
            to[c] += coefficient * from[c * shape.width + d];
          }
        }
      }
    }
  });
}

void Frequencies(ThreadPool& pool, const Shape& shape, const float* population,
                 const float* weights, std::size_t actions, float* out) {
  pool.ParallelFor(shape.batch, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) {
      for (std::size_t t = 0; t < shape.horizon; ++t) {
        const float* const from = population + t * shape.step() + b * shape.row();
        float* const to = out + (b * shape.horizon + t) * shape.width * actions;
        std::fill_n(to, shape.width * actions, 0.0f);
        for (std::size_t c = 0; c < shape.candidates; ++c) {
          const float weight = weights[b * shape.candidates + c];
          for (std::size_t d = 0; d < shape.width; ++d) {
            to[d * actions + static_cast<std::size_t>(from[c * shape.width + d])] += weight;
          }
        }
      }
    }
  });
}

void Returns(ThreadPool& pool, std::size_t horizon, std::size_t n, const float* reward,
             const float* cont, const float* discounts, const float* tail, float* out) {
  constexpr std::size_t kBlock = 512;  // sums and chances that stay in the cache
  pool.ParallelFor((n + kBlock - 1) / kBlock, 4, [&](std::size_t begin, std::size_t end) {
    float alive[kBlock];
    for (std::size_t first = begin * kBlock; first < std::min(n, end * kBlock); first += kBlock) {
      const std::size_t count = std::min(kBlock, n - first);
      float* const sum = out + first;
      std::fill_n(alive, count, 1.0f);
      std::fill_n(sum, count, 0.0f);
      for (std::size_t t = 0; t < horizon; ++t) {
        const float* const gained = reward + t * n + first;
        for (std::size_t i = 0; i < count; ++i) sum[i] += discounts[t] * alive[i] * gained[i];
        if (cont == nullptr) continue;
        const float* const goes_on = cont + t * n + first;
        for (std::size_t i = 0; i < count; ++i) alive[i] *= goes_on[i];
      }
      if (tail == nullptr) continue;
      for (std::size_t i = 0; i < count; ++i) {
        const float weight = discounts[horizon] * alive[i];
        // there a tail may be anything, a NaN included
        if (weight > 0.0f) sum[i] += weight * tail[first + i];
      }
    }
  });
}

}  // namespace rollout::trajectory
