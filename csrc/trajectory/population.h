// The candidates of a batch of problems, and what is done to them that is not the model's work.
//
// A population is [H, B, C, D] floats: at each step of the horizon, for each of B problems, C
// candidates of D numbers. Time comes first, so that the actions of one step are one block of
// memory, which is what a model takes and what eight lanes fill at once.
//
// Memory belongs to the caller and arguments are checked by it. Functions work over a thread pool;
// a problem's numbers depend on its own key, distribution and scores alone, with the same bits for
// any number of threads and either instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "trajectory/random.h"

namespace rollout::trajectory {

struct Shape {
  std::size_t horizon = 0, batch = 0, candidates = 0, width = 0;

  std::size_t step() const { return batch * candidates * width; }  // floats a step
  std::size_t row() const { return candidates * width; }           // floats a problem and step
};

// A distribution over sequences in which each number has its own mean and deviation.
struct Gaussian {
  const float* mean = nullptr;  // [B, H, D]
  const float* std = nullptr;   // [B, H, D]
  const float* low = nullptr;   // [D]; samples are clamped
  const float* high = nullptr;  // [D]
};

// How noise runs over time: x = weights z, with z white. Linear in z, so that white, coloured,
// spline and integrated noise are one kernel.
struct Basis {
  const float* weights = nullptr;  // [H, knots]; null: white, with knots = H
  std::size_t knots = 0;
};

// Writes mean + std * noise, clamped. A candidate's noise does not depend on how many there are.
void FillNormal(ThreadPool& pool, const Shape& shape, std::span<const RowKey> keys,
                std::uint32_t iteration, const Gaussian& gaussian, const Basis& basis,
                float* population);

// Writes choices, as whole floats, made with the chances [B, H, D, A], which need not sum to one; a
// choice of chance 0 is never made.
void FillChoices(ThreadPool& pool, const Shape& shape, std::span<const RowKey> keys,
                 std::uint32_t iteration, const float* chances, std::size_t actions,
                 float* population);

// Finds each problem's n best scores: index [B, n], the best first, ties by the lower index.
void Elites(ThreadPool& pool, std::size_t batch, std::size_t candidates, const float* scores,
            std::size_t n, std::int64_t* index);

// Writes exp((score - best) / temperature), scaled to sum to one, [B, C]. A score of minus infinity
// weighs 0, and where all are that, so do all. So do those below e^-64 of the best.
void SoftWeights(ThreadPool& pool, std::size_t batch, std::size_t candidates, const float* scores,
                 float temperature, float* weights);

// Writes the mean of a population under weights [B, C] that sum to one, and unless `std` is null
// its deviation, each [B, H, D].
void Moments(ThreadPool& pool, const Shape& shape, const float* population, const float* weights,
             float* mean, float* std);

// Writes the sum over a candidate's numbers of coefficients [B, H, D] times number, [B, C].
void Dot(ThreadPool& pool, const Shape& shape, const float* population, const float* coefficients,
         float* out);

// Writes how much weight each choice has, [B, H, D, A].
void Frequencies(ThreadPool& pool, const Shape& shape, const float* population,
                 const float* weights, std::size_t actions, float* out);

// Adds up what n sequences bring, reward [H, n] and continuation [H, n] (null: 1): the sum over t
// of discounts[t] * alive * reward, alive being the product of the continuations before, and
// discounts[H] * alive * tail [n] (null: 0), which is not asked of a world that is over. In the
// order of time, so a sequence's sum does not depend on n.
void Returns(ThreadPool& pool, std::size_t horizon, std::size_t n, const float* reward,
             const float* cont, const float* discounts, const float* tail, float* out);

}  // namespace rollout::trajectory
