// What the core tells about the machine, and what tests need to look inside it.
#include <pybind11/stl.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/philox.h"
#include "core/simd.h"
#include "core/thread_pool.h"
#include "envs/numpy_rng.h"
#include "module.h"

namespace rollout::bindings {
namespace {

constexpr const char* kSimdNames[] = {"baseline", "avx2", "avx512"};

const char* Name(SimdLevel level) { return kSimdNames[static_cast<int>(level)]; }

void SetSimdLevel(const std::string& name) {
  std::string supported;
  for (int level = 0; level <= static_cast<int>(SupportedSimd()); ++level) {
    if (name == kSimdNames[level]) return SetActiveSimd(static_cast<SimdLevel>(level));
    supported += (level > 0 ? " or '" : "'") + std::string(kSimdNames[level]) + "'";
  }
  throw py::value_error("level: expected " + supported + " on this processor, got '" + name + "'");
}

PhiloxCounter PhiloxBlock(PhiloxCounter counter, PhiloxKey key) { return Philox4x32(counter, key); }

// One loop that adds 1 to each of n counts; row `fail_at`, if there is one, throws when it is met.
// started: the loop is left to the workers first.
void AddOne(ThreadPool& pool, py::array_t<std::int64_t, py::array::c_style>& counts,
            std::size_t grain, std::int64_t fail_at, bool started) {
  std::int64_t* out = counts.mutable_data();
  const auto n = static_cast<std::size_t>(counts.size());
  const py::gil_scoped_release release;
  auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (static_cast<std::int64_t>(i) == fail_at) {
        throw std::runtime_error("row " + std::to_string(i) + " failed");
      }
      // a loop inside a loop, of two chunks: they may run at once when the outer loop is one chunk
      pool.ParallelFor(2, 1, [&](std::size_t from, std::size_t) {
        if (from == 0) ++out[i];
      });
    }
  };
  if (!started) return pool.ParallelFor(n, grain, body);
  pool.Start(n, grain, body);
  pool.Finish();
}

py::array_t<std::uint64_t> PhiloxBelow(std::uint64_t seed, std::uint32_t episode,
                                       std::uint32_t step, std::uint32_t site, std::uint32_t n,
                                       py::ssize_t count) {
  PhiloxStream stream(seed, episode, step, site);
  py::array_t<std::uint64_t> out(count);
  for (py::ssize_t i = 0; i < count; ++i) out.mutable_data()[i] = stream.Below(n);
  return out;
}

py::array_t<double> PhiloxDoubles(std::uint64_t seed, std::uint32_t episode, std::uint32_t step,
                                  std::uint32_t site, py::ssize_t count) {
  PhiloxStream stream(seed, episode, step, site);
  py::array_t<double> out(count);
  for (py::ssize_t i = 0; i < count; ++i) out.mutable_data()[i] = stream.NextDouble();
  return out;
}

// The numbers of rollout.models.noise: out [R, T, n] from counters (block, time, row, site).
void PhiloxUniform(py::array_t<float, py::array::c_style>& out,
                   const py::array_t<std::int64_t, py::array::c_style>& rows,
                   const py::array_t<std::int64_t, py::array::c_style>& times, std::uint32_t site,
                   std::uint64_t seed) {
  const PhiloxKey key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  const auto cells = static_cast<std::size_t>(rows.size() * times.size());
  const std::size_t count = cells == 0 ? 0 : static_cast<std::size_t>(out.size()) / cells;
  float* at = out.mutable_data();
  const std::int64_t *const row = rows.data(), *const time = times.data();
  const py::ssize_t num_rows = rows.size(), num_times = times.size();
  const py::gil_scoped_release release;
  for (py::ssize_t r = 0; r < num_rows; ++r) {
    for (py::ssize_t t = 0; t < num_times; ++t, at += count) {
      for (std::size_t i = 0; i < count; i += 4) {
        const PhiloxCounter words =
            Philox4x32({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(time[t]),
                        static_cast<std::uint32_t>(row[r]), site},
                       key);
        for (std::size_t j = 0; j < std::min<std::size_t>(4, count - i); ++j) {
          at[i + j] = (static_cast<float>(words[j] >> 9) + 0.5f) * 0x1p-23f;
        }
      }
    }
  }
}

py::array_t<std::uint64_t> NumpyWords(std::uint64_t seed, py::ssize_t count) {
  NumpyGenerator generator;
  generator.Seed(seed);
  py::array_t<std::uint64_t> out(count);
  for (py::ssize_t i = 0; i < count; ++i) out.mutable_data()[i] = generator.Next64();
  return out;
}

}  // namespace

void BindCore(py::module_& m) {
  m.def(
      "compiler",
      [] { return "g++ " __VERSION__ ", C++" + std::to_string(__cplusplus / 100 % 100); },
      "Return the compiler that built the module, and the C++ standard.");
  m.def("hardware_threads", &HardwareThreads, "Return how many processors this process may use.");
  m.def(
      "simd_level", [] { return Name(ActiveSimd()); },
      "Return the vector instructions in use: 'baseline', 'avx2' or 'avx512'.");
  m.def("set_simd_level", &SetSimdLevel, py::arg("level"),
        "Choose the vector instructions; results are the same for each.");
  m.def("philox4x32", &PhiloxBlock, py::arg("counter"), py::arg("key"),
        "Return one block of Philox4x32-10.");
  m.def("philox_doubles", &PhiloxDoubles, py::arg("seed"), py::arg("episode"), py::arg("step"),
        py::arg("site"), py::arg("count"), "Return the first uniform numbers of one site.");
  m.def("philox_below", &PhiloxBelow, py::arg("seed"), py::arg("episode"), py::arg("step"),
        py::arg("site"), py::arg("n"), py::arg("count"),
        "Return the first uniform integers below n of one site.");
  m.def("philox_uniform", &PhiloxUniform, py::arg("out"), py::arg("rows"), py::arg("times"),
        py::arg("site"), py::arg("seed"), "Write the uniform numbers of rows at times.");
  m.def("numpy_words", &NumpyWords, py::arg("seed"), py::arg("count"),
        "Return the first raw words of NumPy's PCG64(SeedSequence(seed)), made here.");
  py::class_<ThreadPool>(m, "ThreadPool", "A persistent pool of threads, as the engine uses it.")
      .def(py::init<int>(), py::arg("num_threads"))
      .def("add_one", &AddOne, py::arg("counts"), py::arg("grain"), py::arg("fail_at") = -1,
           py::arg("started") = false,
           "Add 1 to each count, over the pool; the row fail_at raises instead.");
}

}  // namespace rollout::bindings
