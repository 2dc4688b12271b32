// Trajectory optimisation: what is done to candidates that is not the model's work.
#include "stress.h"
#include "trajectory/population.h"

namespace rollout::stress {
namespace {

void Optimise(int threads, Notes& notes) {
  trajectory::Shape shape;
  shape.horizon = 12;
  shape.batch = 5;
  shape.candidates = 97;
  shape.width = 3;
  const std::size_t means = shape.batch * shape.horizon * shape.width;
  std::vector<trajectory::RowKey> keys(shape.batch);
  for (std::uint32_t i = 0; i < keys.size(); ++i) keys[i] = {5, i};
  std::vector<float> mean(means, 0.1F), deviation(means, 0.7F), low(3, -1.0F), high(3, 1.0F);
  std::vector<float> population(shape.horizon * shape.step());
  std::vector<float> scores(shape.batch * shape.candidates), weights(scores.size());
  std::vector<std::int64_t> elites(shape.batch * 8);
  ThreadPool pool(threads);
  for (std::uint32_t round = 0; round < 20; ++round) {
    const trajectory::Gaussian gaussian{mean.data(), deviation.data(), low.data(), high.data()};
    trajectory::FillNormal(pool, shape, keys, round, gaussian, {nullptr, shape.horizon},
                           population.data());
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = population[i * shape.width];
    trajectory::Elites(pool, shape.batch, shape.candidates, scores.data(), 8, elites.data());
    trajectory::SoftWeights(pool, shape.batch, shape.candidates, scores.data(), 0.5F,
                            weights.data());
    trajectory::Moments(pool, shape, population.data(), weights.data(), mean.data(),
                        deviation.data());
    notes.Add(population);
    notes.Add(elites);
    notes.Add(mean);
    notes.Add(deviation);
  }
}

}  // namespace

void Trajectories() { Compare("trajectories", Optimise); }

}  // namespace rollout::stress
