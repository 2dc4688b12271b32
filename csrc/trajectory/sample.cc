// Draws candidates: normal numbers shaped over time, and choices.
#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "core/simd.h"
#include "trajectory/normal.h"
#include "trajectory/population.h"

namespace rollout::trajectory {
namespace {

constexpr std::size_t kWords = 4;  // of a Philox block

// A strip is what the L lanes fill: numbers L s .. L s + L - 1 of a problem at every step, where
// number j is number j % D of candidate j / D.

std::size_t Blocks(std::size_t draws) { return (draws + kWords - 1) / kWords; }

// Calls body(begin, end, strips a problem) on chunks of all strips.
template <class Body>
void ForStrips(ThreadPool& pool, const Shape& shape, std::size_t lanes, std::size_t grain,
               const Body& body) {
  const std::size_t strips = (shape.row() + lanes - 1) / lanes;
  pool.ParallelFor(shape.batch * strips, grain,
                   [&](std::size_t begin, std::size_t end) { body(begin, end, strips); });
}

// A row's mean, deviation and bounds, laid out for L lanes: lane l of strip s holds number
// (L s + l) % D, a pattern that repeats after `phases` strips.
template <std::size_t kLanes>
class LaneTable {
 public:
  explicit LaneTable(const Shape& shape) : shape_(shape), phases_(Phases(shape.width)) {
    const std::size_t size = phases_ * shape.horizon * kLanes;
    mean_.resize(size);
    std_.resize(size);
    low_.resize(phases_ * kLanes);
    high_.resize(phases_ * kLanes);
  }

  static std::size_t Phases(std::size_t width) {
    std::size_t phases = width;
    for (std::size_t half = kLanes; half > 1 && phases % 2 == 0; half /= 2) phases /= 2;
    return phases;
  }

  void Load(const Gaussian& from, std::size_t problem) {
    if (problem == problem_) return;
    problem_ = problem;
    const std::size_t width = shape_.width;
    for (std::size_t phase = 0; phase < phases_; ++phase) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const std::size_t d = (phase * kLanes + lane) % width;
        low_[phase * kLanes + lane] = from.low[d];
        high_[phase * kLanes + lane] = from.high[d];
        for (std::size_t t = 0; t < shape_.horizon; ++t) {
          const std::size_t at = (problem * shape_.horizon + t) * width + d;
          const std::size_t to = (phase * shape_.horizon + t) * kLanes + lane;
          mean_[to] = from.mean[at];
          std_[to] = from.std[at];
        }
      }
    }
  }

  const float* mean(std::size_t strip) const {
    return mean_.data() + strip % phases_ * shape_.horizon * kLanes;
  }
  const float* std(std::size_t strip) const {
    return std_.data() + strip % phases_ * shape_.horizon * kLanes;
  }
  const float* low(std::size_t strip) const { return low_.data() + strip % phases_ * kLanes; }
  const float* high(std::size_t strip) const { return high_.data() + strip % phases_ * kLanes; }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  Shape shape_;
  std::size_t phases_, problem_ = kNone;
  std::vector<float> mean_, std_, low_, high_;
};

struct NormalJob {
  const Shape& shape;
  std::span<const RowKey> keys;
  std::uint32_t iteration;
  const Gaussian& gaussian;
  const Basis& basis;
  float* population;

  std::size_t knots() const { return basis.weights == nullptr ? shape.horizon : basis.knots; }
};

template <class F, auto kPhilox>
ROLLOUT_INLINE void FillStrips(const NormalJob& job, std::size_t begin, std::size_t end,
                               std::size_t strips) {
  constexpr std::size_t kLanes = kLanesOf<F>;
  const auto load = [](const float* from) __attribute__((always_inline)) {
    F x;
    std::memcpy(&x, from, sizeof x);
    return x;
  };
  const Shape& shape = job.shape;
  const std::size_t knots = job.knots(), blocks = Blocks(knots);
  const std::size_t numbers = shape.row();
  LaneTable<kLanes> table(shape);
  std::vector<std::uint32_t> words(blocks * kWords * kLanes);
  const std::unique_ptr<F[]> white(new F[blocks * kWords]);
  for (std::size_t i = begin; i < end; ++i) {
    const std::size_t problem = i / strips, strip = i % strips, number = strip * kLanes;
    table.Load(job.gaussian, problem);
    kPhilox({job.keys[problem], job.iteration, Site::kNormal,
             static_cast<std::uint32_t>(number * blocks), static_cast<std::uint32_t>(blocks),
             static_cast<std::uint32_t>(blocks)},
            words.data());
    for (std::size_t b = 0; b < blocks; ++b) {
      NormalsOf(words.data() + b * kWords * kLanes, white.get() + b * kWords);
    }
    const float *mean = table.mean(strip), *std = table.std(strip);
    const F low = load(table.low(strip)), high = load(table.high(strip));
    const std::size_t rest = std::min<std::size_t>(kLanes, numbers - number);
    float* to = job.population + problem * shape.row() + number;
    for (std::size_t t = 0; t < shape.horizon; ++t, to += shape.step()) {
      F noise;
      if (job.basis.weights == nullptr) {
        noise = white[t];
      } else {
        const float* const weights = job.basis.weights + t * knots;
        noise = white[0] * weights[0];
        for (std::size_t k = 1; k < knots; ++k) noise = noise + white[k] * weights[k];
      }
      F value = load(mean + t * kLanes) + load(std + t * kLanes) * noise;
      value = value > low ? value : low;
      value = value < high ? value : high;
      if (rest == kLanes) {
        std::memcpy(to, &value, sizeof value);
      } else {
        for (std::size_t lane = 0; lane < rest; ++lane) to[lane] = value[lane];
      }
    }
  }
}

void FillStripsPortable(const NormalJob& job, std::size_t begin, std::size_t end,
                        std::size_t strips) {
  FillStrips<F8, PhiloxEight>(job, begin, end, strips);
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
__attribute__((target("avx2"))) void FillStripsAvx2(const NormalJob& job, std::size_t begin,
                                                    std::size_t end, std::size_t strips) {
  FillStrips<F8, PhiloxEight>(job, begin, end, strips);
}

__attribute__((target("avx512f,avx512dq,prefer-vector-width=512"))) void FillStripsAvx512(
    const NormalJob& job, std::size_t begin, std::size_t end, std::size_t strips) {
  FillStrips<F16, PhiloxSixteen>(job, begin, end, strips);
}
#endif

// Chances as ends of intervals, the last choice that can be made reaching to infinity.
void Accumulate(const float* chances, std::size_t actions, float* ends, float* total) {
  double sum = 0.0;
  std::size_t last = 0;
  for (std::size_t a = 0; a < actions; ++a) {
    sum += chances[a];
    ends[a] = static_cast<float>(sum);
    if (chances[a] > 0.0f) last = a;
  }
  *total = static_cast<float>(sum);
  for (std::size_t a = last; a < actions; ++a) ends[a] = std::numeric_limits<float>::infinity();
}

}  // namespace

void FillNormal(ThreadPool& pool, const Shape& shape, std::span<const RowKey> keys,
                std::uint32_t iteration, const Gaussian& gaussian, const Basis& basis,
                float* population) {
  constexpr std::size_t kGrain = 32;  // strips: some 20 us at a horizon of 30
  const NormalJob job{shape, keys, iteration, gaussian, basis, population};
  auto* fill = &FillStripsPortable;
  std::size_t lanes = kLanes;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) fill = &FillStripsAvx2;
  if (ActiveSimd() >= SimdLevel::kAvx512) {
    fill = &FillStripsAvx512;
    lanes = kLanesOf<F16>;
  }
#endif
  ForStrips(pool, shape, lanes, kGrain,
            [&](std::size_t begin, std::size_t end, std::size_t strips) {
              fill(job, begin, end, strips);
            });
}

void FillChoices(ThreadPool& pool, const Shape& shape, std::span<const RowKey> keys,
                 std::uint32_t iteration, const float* chances, std::size_t actions,
                 float* population) {
  constexpr std::size_t kGrain = 32;
  const std::size_t steps = shape.horizon * shape.width, blocks = Blocks(shape.horizon);
  const std::size_t numbers = shape.row();
  ForStrips(
      pool, shape, kLanes, kGrain, [&](std::size_t begin, std::size_t end, std::size_t strips) {
        std::vector<float> ends(steps * actions), totals(steps);
        std::vector<std::uint32_t> words(blocks * kWords * kLanes);
        std::size_t loaded = shape.batch;
        for (std::size_t i = begin; i < end; ++i) {
          const std::size_t problem = i / strips, number = i % strips * kLanes;
          if (loaded != problem) {
            const float* const from = chances + problem * steps * actions;
            for (std::size_t s = 0; s < steps; ++s) {
              Accumulate(from + s * actions, actions, &ends[s * actions], &totals[s]);
            }
            loaded = problem;
          }
          PhiloxEight(
              {keys[problem], iteration, Site::kChoice, static_cast<std::uint32_t>(number * blocks),
               static_cast<std::uint32_t>(blocks), static_cast<std::uint32_t>(blocks)},
              words.data());
          const std::size_t rest = std::min<std::size_t>(kLanes, numbers - number);
          float* to = population + problem * shape.row() + number;
          for (std::size_t t = 0; t < shape.horizon; ++t, to += shape.step()) {
            for (std::size_t lane = 0; lane < rest; ++lane) {
              constexpr float kUnit = 0x1p-23f;
              const std::size_t s = t * shape.width + (number + lane) % shape.width;
              const auto word = static_cast<float>(words[t * kLanes + lane] >> 9);
              const float uniform = (word + 0.5f) * kUnit * totals[s];
              const float* const end_of = &ends[s * actions];
              std::size_t a = 0;
              while (uniform >= end_of[a]) ++a;
              to[lane] = static_cast<float>(a);
            }
          }
        }
      });
}

}  // namespace rollout::trajectory
