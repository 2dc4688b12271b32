// Trajectory optimisation's kernels over NumPy arrays: checks shapes, releases the GIL, calls.
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "module.h"
#include "trajectory/population.h"

namespace rollout::bindings {
namespace {

using trajectory::RowKey;
using trajectory::Shape;

using Floats = py::array_t<float, py::array::c_style>;
using Index = py::array_t<std::int64_t, py::array::c_style>;
using Seeds = py::array_t<std::uint64_t, py::array::c_style>;
using Numbers = py::array_t<std::uint32_t, py::array::c_style>;

std::string Text(const std::vector<py::ssize_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return out + "]";
}

void Require(const char* name, const py::array& array, const std::vector<std::size_t>& want) {
  const std::vector<py::ssize_t> shape(array.shape(), array.shape() + array.ndim());
  const std::vector<py::ssize_t> expected(want.begin(), want.end());
  if (shape != expected) {
    throw py::value_error(std::string(name) + ": expected " + Text(expected) + ", got " +
                          Text(shape));
  }
}

Shape ShapeOf(const char* name, const Floats& population) {
  if (population.ndim() != 4) {
    throw py::value_error(std::string(name) + ": expected [H, B, C, D], got " +
                          std::to_string(population.ndim()) + " axes");
  }
  const auto axis = [&](py::ssize_t i) { return static_cast<std::size_t>(population.shape(i)); };
  return {axis(0), axis(1), axis(2), axis(3)};
}

struct Table {
  std::size_t batch, candidates;
};

Table ScoresOf(const Floats& scores) {
  if (scores.ndim() != 2) {
    throw py::value_error("scores: expected [B, C], got " + std::to_string(scores.ndim()) +
                          " axes");
  }
  return {static_cast<std::size_t>(scores.shape(0)), static_cast<std::size_t>(scores.shape(1))};
}

std::vector<RowKey> Keys(const Shape& shape, const Seeds& seeds, const Numbers& rows) {
  Require("seeds", seeds, {shape.batch});
  Require("rows", rows, {shape.batch});
  std::vector<RowKey> keys(shape.batch);
  for (std::size_t b = 0; b < shape.batch; ++b) keys[b] = {seeds.data()[b], rows.data()[b]};
  return keys;
}

void FillNormal(ThreadPool& pool, Floats& population, const Seeds& seeds, const Numbers& rows,
                std::uint32_t iteration, const Floats& mean, const Floats& std, const Floats& low,
                const Floats& high, const std::optional<Floats>& basis) {
  const Shape shape = ShapeOf("population", population);
  const std::vector<RowKey> keys = Keys(shape, seeds, rows);
  Require("mean", mean, {shape.batch, shape.horizon, shape.width});
  Require("std", std, {shape.batch, shape.horizon, shape.width});
  Require("low", low, {shape.width});
  Require("high", high, {shape.width});
  trajectory::Basis over_time;
  if (basis) {
    if (basis->ndim() != 2 || basis->shape(1) < 1) {
      throw py::value_error("basis: expected [H, knots], with at least one knot");
    }
    over_time = {basis->data(), static_cast<std::size_t>(basis->shape(1))};
    Require("basis", *basis, {shape.horizon, over_time.knots});
  }
  float* const out = population.mutable_data();
  const trajectory::Gaussian gaussian{mean.data(), std.data(), low.data(), high.data()};
  const py::gil_scoped_release release;
  trajectory::FillNormal(pool, shape, keys, iteration, gaussian, over_time, out);
}

void FillChoices(ThreadPool& pool, Floats& population, const Seeds& seeds, const Numbers& rows,
                 std::uint32_t iteration, const Floats& chances) {
  const Shape shape = ShapeOf("population", population);
  const std::vector<RowKey> keys = Keys(shape, seeds, rows);
  const auto actions = static_cast<std::size_t>(chances.ndim() == 4 ? chances.shape(3) : 0);
  Require("chances", chances, {shape.batch, shape.horizon, shape.width, actions});
  float* const out = population.mutable_data();
  const py::gil_scoped_release release;
  trajectory::FillChoices(pool, shape, keys, iteration, chances.data(), actions, out);
}

Index Elites(ThreadPool& pool, const Floats& scores, std::size_t n) {
  const auto [batch, candidates] = ScoresOf(scores);
  if (n < 1 || n > candidates) {
    throw py::value_error("n: expected 1 to C=" + std::to_string(candidates) + " elites, got " +
                          std::to_string(n));
  }
  Index out({batch, n});
  std::int64_t* const to = out.mutable_data();
  const py::gil_scoped_release release;
  trajectory::Elites(pool, batch, candidates, scores.data(), n, to);
  return out;
}

Floats SoftWeights(ThreadPool& pool, const Floats& scores, float temperature) {
  const auto [batch, candidates] = ScoresOf(scores);
  Floats out({batch, candidates});
  float* const to = out.mutable_data();
  const py::gil_scoped_release release;
  trajectory::SoftWeights(pool, batch, candidates, scores.data(), temperature, to);
  return out;
}

py::tuple Moments(ThreadPool& pool, const Floats& population, const Floats& weights,
                  bool deviation) {
  const Shape shape = ShapeOf("population", population);
  Require("weights", weights, {shape.batch, shape.candidates});
  Floats mean({shape.batch, shape.horizon, shape.width});
  std::optional<Floats> std;
  if (deviation) std.emplace(std::vector<std::size_t>{shape.batch, shape.horizon, shape.width});
  float* const mean_to = mean.mutable_data();
  float* const std_to = std ? std->mutable_data() : nullptr;
  {
    const py::gil_scoped_release release;
    trajectory::Moments(pool, shape, population.data(), weights.data(), mean_to, std_to);
  }
  return py::make_tuple(mean, std);
}

Floats Frequencies(ThreadPool& pool, const Floats& population, const Floats& weights,
                   std::size_t actions) {
  const Shape shape = ShapeOf("population", population);
  Require("weights", weights, {shape.batch, shape.candidates});
  Floats out({shape.batch, shape.horizon, shape.width, actions});
  float* const to = out.mutable_data();
  const py::gil_scoped_release release;
  trajectory::Frequencies(pool, shape, population.data(), weights.data(), actions, to);
  return out;
}

Floats Dot(ThreadPool& pool, const Floats& population, const Floats& coefficients) {
  const Shape shape = ShapeOf("population", population);
  Require("coefficients", coefficients, {shape.batch, shape.horizon, shape.width});
  Floats out({shape.batch, shape.candidates});
  float* const to = out.mutable_data();
  const py::gil_scoped_release release;
  trajectory::Dot(pool, shape, population.data(), coefficients.data(), to);
  return out;
}

Floats Returns(ThreadPool& pool, const Floats& reward, const std::optional<Floats>& cont,
               const Floats& discounts, const std::optional<Floats>& tail) {
  if (reward.ndim() != 2) {
    throw py::value_error("reward: expected [H, n], got " + std::to_string(reward.ndim()) +
                          " axes");
  }
  const auto horizon = static_cast<std::size_t>(reward.shape(0));
  const auto n = static_cast<std::size_t>(reward.shape(1));
  if (cont) Require("cont", *cont, {horizon, n});
  Require("discounts", discounts, {horizon + 1});
  if (tail) Require("tail", *tail, {n});
  Floats out(static_cast<py::ssize_t>(n));
  float* const to = out.mutable_data();
  const py::gil_scoped_release release;
  trajectory::Returns(pool, horizon, n, reward.data(), cont ? cont->data() : nullptr,
                      discounts.data(), tail ? tail->data() : nullptr, to);
  return out;
}

}  // namespace

void BindTrajectory(py::module_& m) {
  using py::arg;
  m.def("trajectory_fill_normal", &FillNormal, arg("pool"), arg("population"), arg("seeds"),
        arg("rows"), arg("iteration"), arg("mean"), arg("std"), arg("low"), arg("high"),
        arg("basis"), "Draw candidates of numbers, in place.");
  m.def("trajectory_fill_choices", &FillChoices, arg("pool"), arg("population"), arg("seeds"),
        arg("rows"), arg("iteration"), arg("chances"), "Draw candidates of choices, in place.");
  m.def("trajectory_elites", &Elites, arg("pool"), arg("scores"), arg("n"),
        "Return each problem's best candidates.");
  m.def("trajectory_soft_weights", &SoftWeights, arg("pool"), arg("scores"), arg("temperature"),
        "Return a softmax of scores.");
  m.def("trajectory_moments", &Moments, arg("pool"), arg("population"), arg("weights"),
        arg("deviation") = true, "Return a population's weighted mean and deviation.");
  m.def("trajectory_dot", &Dot, arg("pool"), arg("population"), arg("coefficients"),
        "Return each candidate's sum of numbers times coefficients.");
  m.def("trajectory_frequencies", &Frequencies, arg("pool"), arg("population"), arg("weights"),
        arg("actions"), "Return the weight of each choice.");
  m.def("trajectory_returns", &Returns, arg("pool"), arg("reward"), arg("cont"), arg("discounts"),
        arg("tail"), "Return what each sequence brings.");
}

}  // namespace rollout::bindings
