#include "search/puct/search.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "search/walk.h"

namespace rollout::search {
namespace {

void Softmax(std::span<double> x) {
  const double highest = *std::ranges::max_element(x);
  double sum = 0.0;
  for (double& value : x) sum += value = std::exp(value - highest);
  for (double& value : x) value /= sum;
}

bool Allowed(const Node& root, std::size_t action) { return root.logits()[action] > kLowest; }

}  // namespace

void PuctRoot::AddNoise(const RowKey& key, std::span<float> logits,
                        const std::uint8_t* invalid) const {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  const float fraction = settings_.dirichlet_fraction;
  const bool legal = settings_.dirichlet_legal && invalid != nullptr;
  std::vector<double> prior(logits.begin(), logits.end());
  for (std::size_t a = 0; legal && a < prior.size(); ++a) {
    if (invalid[a] != 0) prior[a] = kNever;
  }
  Softmax(prior);
  if (fraction > 0.0f) {
    std::vector<double> noise(logits.size());
    for (std::uint32_t a = 0; a < noise.size(); ++a) {
      PhiloxStream stream = key.Stream(Site::kDirichlet, 0, a);
      noise[a] = legal && invalid[a] != 0 ? kNever : LogGamma(stream, settings_.dirichlet_alpha);
    }
    Softmax(noise);
    for (std::size_t a = 0; a < prior.size(); ++a) {
      prior[a] = (1.0 - fraction) * prior[a] + fraction * noise[a];
    }
  }
  for (std::size_t a = 0; a < prior.size(); ++a) {
    logits[a] = std::log(std::max(static_cast<float>(prior[a]), kTiny));
  }
}

void VisitShares(const Node& root, std::span<float> weights) {
  const float total = static_cast<float>(root.head().visits - 1);
  for (std::size_t a = 0; a < weights.size(); ++a) {
    weights[a] = total > 0.0f ? static_cast<float>(root.visits()[a]) / total
                              : std::max(root.prior()[a], 0.0f);
  }
}

std::int64_t PuctRoot::Draw(const RowKey& key, std::int32_t simulations, const Node& root,
                            std::span<const float> weights, bool tried) const {
  tried = tried && root.head().visits > 1;
  const double sharpness = 1.0 / std::max(settings_.temperature, kTiny);
  const float highest = std::log(*std::ranges::max_element(weights));
  std::vector<double> mass(weights.size());
  double sum = 0.0;
  for (std::size_t a = 0; a < mass.size(); ++a) {
    // an action never visited keeps the weight of the smallest float, one not allowed gets none
    const double log_weight = std::log(std::max(weights[a], kTiny)) - highest;
    const bool may = Allowed(root, a) && (!tried || root.visits()[a] > 0);
    mass[a] = may ? std::exp(log_weight * sharpness) : 0.0;
    sum += mass[a];
  }
  PhiloxStream stream = key.Stream(Site::kAct, static_cast<std::uint32_t>(simulations), 0);
  double left = stream.NextDouble() * sum;
  std::size_t choice = 0;
  for (std::size_t a = 0; a < mass.size(); ++a) {
    if (mass[a] == 0.0) continue;
    choice = a;
    if ((left -= mass[a]) < 0.0) break;
  }
  return static_cast<std::int64_t>(choice);
}

std::int64_t PuctRoot::HighestBound(const Node& root, const float* squares,
                                    std::size_t actions) const {
  const std::int32_t* const visits = root.visits();
  const auto most = static_cast<float>(*std::max_element(visits, visits + actions));
  std::size_t best = 0;
  double highest = -std::numeric_limits<double>::infinity();
  for (std::size_t a = 0; a < actions; ++a) {
    if (!Allowed(root, a)) continue;
    double bound = -std::numeric_limits<double>::max();
    if (const double n = visits[a]; n > 0.0 && n >= settings_.least_share * most) {
      // one return says nothing of its spread: such an action counts as wholly uncertain
      const double mean = root.q()[a], variance = squares[a] / n - mean * mean;
      const double error = std::sqrt(std::max(variance, 0.0) / std::max(n - 1.0, 1e-9));
      bound = n > 1.0 ? mean - settings_.deviations * error : bound / 2.0;
    }
    if (bound > highest) {
      highest = bound;
      best = a;
    }
  }
  return static_cast<std::int64_t>(best);
}

bool PuctRoot::IsSettled(const Node& root, std::size_t actions, std::int32_t left) const {
  std::int32_t most = 0, second = 0;
  std::size_t allowed = 0;
  for (std::size_t a = 0; a < actions; ++a) {
    allowed += Allowed(root, a);
    const std::int32_t visits = root.visits()[a];
    second = std::max(second, std::min(most, visits));
    most = std::max(most, visits);
  }
  if (allowed == 1) return true;
  return settings_.choice == PuctSettings::Choice::kVisits && settings_.temperature == 0.0f &&
         most - second > left;
}

template KernelOf<Puct> PickKernel<Puct>(std::size_t vectors, SimdLevel simd);

}  // namespace rollout::search
