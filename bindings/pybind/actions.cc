#include "actions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace rollout::bindings {
namespace {

using ArrayShape = std::vector<py::ssize_t>;

std::string Shape(const ArrayShape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return out + "]";
}

// What `actions` should be, for an error.
std::string Expected(const EnvSpec& spec, const ArrayShape& shape) {
  return "actions: expected " + Shape(shape) + (spec.action_nvec.empty() ? " float32" : " int64");
}

// Whether these are n int64 numbers that can be read as they are, which most actions are.
bool IsPlain(const py::object& given, std::size_t n) {
  if (!py::isinstance<py::array>(given)) return false;
  const auto array = py::reinterpret_borrow<py::array>(given);
  static const int kInt64 = py::dtype::of<std::int64_t>().num();
  constexpr int kNeeded = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  return array.dtype().num() == kInt64 && (array.flags() & kNeeded) == kNeeded &&
         array.ndim() == 1 && array.shape(0) == static_cast<py::ssize_t>(n);
}

// The first action of a Discrete or MultiDiscrete batch that is out of range raises.
void CheckChoices(const EnvSpec& spec, const ArrayShape& shape, const std::int64_t* values,
                  std::size_t n) {
  const std::size_t width = spec.action_nvec.size();
  for (std::size_t part = 0; part < width; ++part) {
    const auto choices = static_cast<std::uint64_t>(spec.action_nvec[part]);
    const auto legal = [&](std::size_t row) {
      // as unsigned, a negative number is too large as well
      return static_cast<std::uint64_t>(values[row * width + part]) < choices;
    };
    // neither a number nor what it leaves up to the last choice is negative; without an early exit
    // or a comparison of 64 bits, so that this vectorises
    std::uint64_t signs = 0;
    for (std::size_t row = 0; row < n; ++row) {
      const auto value = static_cast<std::uint64_t>(values[row * width + part]);
      signs |= value | (choices - 1 - value);
    }
    if (signs >> 63 == 0) continue;
    std::size_t row = 0;
    while (legal(row)) ++row;
    throw py::value_error(Expected(spec, shape) + " in 0.." + std::to_string(choices - 1) +
                          ", got " + std::to_string(values[row * width + part]) + " in row " +
                          std::to_string(row) +
                          (width > 1 ? ", element " + std::to_string(part) : std::string()));
  }
}

void CheckFinite(const EnvSpec& spec, const ArrayShape& shape, const float* values, std::size_t n) {
  const std::size_t width = spec.action_low.size();
  // no early exit and integers of the floats' size, so that this vectorises
  constexpr std::uint32_t kNotFinite = 0x7F800000;
  std::uint32_t found = 0;
  for (std::size_t k = 0; k < n * width; ++k) {
    const std::uint32_t exponent = std::bit_cast<std::uint32_t>(values[k]) & kNotFinite;
    found |= static_cast<std::uint32_t>(exponent == kNotFinite);
  }
  if (found == 0) return;
  for (std::size_t k = 0; k < n * width; ++k) {
    if (std::isfinite(values[k])) continue;
    throw py::value_error(Expected(spec, shape) + ", all finite, got " + std::to_string(values[k]) +
                          " in row " + std::to_string(k / width));
  }
}

}  // namespace

py::array CheckActions(const Kernel& kernel, const py::object& given, std::size_t n) {
  const EnvSpec& spec = kernel.spec();
  const bool discrete = !spec.action_nvec.empty();
  if (discrete && spec.action_is_scalar && IsPlain(given, n)) {
    auto actions = py::reinterpret_borrow<py::array>(given);
    CheckChoices(spec, {static_cast<py::ssize_t>(n)},
                 static_cast<const std::int64_t*>(actions.data()), n);
    return actions;
  }
  ArrayShape shape = {static_cast<py::ssize_t>(n)};
  if (!discrete || !spec.action_is_scalar) {
    shape.push_back(static_cast<py::ssize_t>(kernel.action_size()));
  }

  const py::array any = py::array::ensure(given);
  if (!any) {
    PyErr_Clear();
    throw py::type_error(Expected(spec, shape) + ", got " +
                         py::repr(py::type::of(given)).cast<std::string>() +
                         ", which is no array; pass a NumPy array");
  }
  const auto got = [&any] {
    return ", got " + Shape({any.shape(), any.shape() + any.ndim()}) + " " +
           py::str(any.dtype()).cast<std::string>();
  };
  const char kind = any.dtype().kind();
  if (!(kind == 'i' || kind == 'u' || (kind == 'f' && !discrete))) {
    throw py::type_error(Expected(spec, shape) + got() +
                         (discrete ? "; convert with actions.astype(np.int64)" : ""));
  }
  if (!std::equal(shape.begin(), shape.end(), any.shape(), any.shape() + any.ndim())) {
    throw py::value_error(Expected(spec, shape) + got() + "; give one action a row");
  }

  if (!discrete) {
    const auto cast = py::array_t<float, py::array::c_style | py::array::forcecast>(any);
    CheckFinite(spec, shape, cast.data(), n);
    return cast;
  }
  const auto cast = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>(any);
  CheckChoices(spec, shape, cast.data(), n);
  return cast;
}

void RefuseIllegal(const Kernel& kernel, const std::byte* slab, const py::array& actions,
                   std::int64_t k, std::int64_t row) {
  const py::object action = actions.attr("__getitem__")(k).attr("tolist")();
  std::string message = "actions: row " + std::to_string(row) + " may not play " +
                        py::repr(action).cast<std::string>() + " now; ";
  if (!kernel.can().action_mask) {
    message += "no row was stepped; the environment's page says what is legal";
    throw py::value_error(message);
  }
  std::vector<std::int8_t> mask(kernel.mask_size());
  View view;
  view.action_mask = mask.data();
  kernel.Look(slab + static_cast<std::size_t>(row) * kernel.row_bytes(), view, 0, 1);
  constexpr std::size_t kShown = 8;
  std::vector<std::string> legal;
  for (std::size_t a = 0; a < mask.size(); ++a) {
    if (mask[a] != 0) legal.push_back(std::to_string(a));
  }
  message += "it may play ";
  for (std::size_t k = 0; k < std::min(legal.size(), kShown); ++k) {
    message += (k == 0 ? "" : ", ") + legal[k];
  }
  if (legal.empty()) message += "nothing";
  if (legal.size() > kShown) message += ", ... (" + std::to_string(legal.size()) + " in all)";
  throw py::value_error(message + "; infos['action_mask'] has the legal actions of every row");
}

}  // namespace rollout::bindings
