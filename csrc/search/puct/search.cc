#include "search/puct/search.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace rollout::search {

PuctSearch::PuctSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                       const PuctSettings& settings)
    : Search(shape, keys, num_threads),
      settings_(settings),
      rows_(Kernel<Puct>::Pick(tree_.width() / kLanes, simd_)) {}

void PuctSearch::PrepareRoot(std::size_t row, std::span<float> logits) const {
  const float fraction = settings_.dirichlet_fraction;
  const auto softmax = [](std::span<double> x) {
    const double highest = *std::ranges::max_element(x);
    double sum = 0.0;
    for (double& value : x) sum += value = std::exp(value - highest);
    for (double& value : x) value /= sum;
  };
  std::vector<double> prior(logits.begin(), logits.end());
  softmax(prior);
  if (fraction > 0.0f) {
    std::vector<double> noise(logits.size());
    for (std::uint32_t a = 0; a < noise.size(); ++a) {
      PhiloxStream stream = keys_[row].Stream(Site::kDirichlet, 0, a);
      noise[a] = LogGamma(stream, settings_.dirichlet_alpha);
    }
    softmax(noise);
    for (std::size_t a = 0; a < prior.size(); ++a) {
      prior[a] = (1.0 - fraction) * prior[a] + fraction * noise[a];
    }
  }
  for (std::size_t a = 0; a < prior.size(); ++a) {
    logits[a] = std::log(std::max(static_cast<float>(prior[a]), kTiny));
  }
}

void PuctSearch::PrepareSelection() {
  rule_.emplace(settings_.qtransform, settings_.pb_c_init, settings_.pb_c_base,
                shape_.simulations + 1, keys_.data());
}

void PuctSearch::Step(const Outputs* outputs, std::span<const States> states, std::size_t begin,
                      std::size_t end) {
  rows_(*this, *rule_, outputs, states, begin, end);
}

void PuctSearch::Act(std::int64_t* action, float* weights) {
  const auto simulations = static_cast<std::uint32_t>(shape_.simulations);
  const double sharpness = 1.0 / std::max(settings_.temperature, kTiny);
  std::vector<double> mass(shape_.actions);
  std::vector<std::byte> scratch(Node::EdgeBytes(tree_.width()));
  for (std::size_t row = 0; row < shape_.batch; ++row, weights += shape_.actions) {
    const Node node = tree_.Read(row, kRoot, scratch.data());
    const float total = static_cast<float>(node.edge_visits());
    for (std::size_t a = 0; a < shape_.actions; ++a) {
      weights[a] = static_cast<float>(node.visits()[a]) / total;
    }
    const float highest = std::log(*std::max_element(weights, weights + shape_.actions));
    double sum = 0.0;
    for (std::size_t a = 0; a < shape_.actions; ++a) {
      // an action never visited keeps the weight of the smallest float, one not allowed gets none
      const double log_weight = std::log(std::max(weights[a], kTiny)) - highest;
      mass[a] = allowed(row, a) ? std::exp(log_weight * sharpness) : 0.0;
      sum += mass[a];
    }
    PhiloxStream stream = keys_[row].Stream(Site::kAct, simulations, 0);
    double left = stream.NextDouble() * sum;
    std::size_t choice = 0;
    for (std::size_t a = 0; a < shape_.actions; ++a) {
      if (mass[a] == 0.0) continue;
      choice = a;
      if ((left -= mass[a]) < 0.0) break;
    }
    action[row] = static_cast<std::int64_t>(choice);
  }
}

}  // namespace rollout::search
