// Reads a torch tensor's shape and memory without linking to torch.
//
// A view borrows: it is valid while the tensor lives and is not resized. Needs the GIL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "module.h"

namespace rollout::bindings {

struct TensorView {
  static constexpr int kMostDims = 16;

  std::byte* data = nullptr;
  PyObject* dtype = nullptr;  // borrowed: torch keeps one object a dtype for ever
  bool host = false;          // in host memory
  int dims = 0;
  std::array<std::int64_t, kMostDims> shape{}, stride{};  // strides in elements

  // True where everything after the first axis is contiguous, so that a row is one run of memory.
  bool RowsContiguous() const;
  std::int64_t RowElements() const;
};

// Throws TypeError naming `what` where `tensor` is not a torch.Tensor.
TensorView ReadTensor(py::handle tensor, const char* what);

std::string DescribeShape(const TensorView& view);  // "[64, 18]"
std::string DescribeDtype(const TensorView& view);  // "float32"
std::size_t ItemSize(const TensorView& view);

}  // namespace rollout::bindings
