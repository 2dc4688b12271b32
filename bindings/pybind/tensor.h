// Reads a torch tensor's shape and memory without linking to torch.
//
// torch hands out a table of C functions for this (DLPack's exchange table, torch 2.10 and later),
// at some 30 ns a tensor; for an older torch the tensor's own attributes serve, at 300 ns.
// A view borrows: it is valid while the tensor lives and is not resized. Needs the GIL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "module.h"

namespace rollout::bindings {

struct TensorView {
  static constexpr int kMostDims = 12;

  std::byte* data = nullptr;
  std::uint32_t kind = 0;  // one number a dtype
  std::size_t item_size = 0;
  bool host = false;  // in host memory
  int dims = 0;
  std::int64_t shape[kMostDims], stride[kMostDims];  // strides in elements

  bool IsFloat32() const;
  // The same dtype and shape.
  bool SameKind(const TensorView& other) const;
  // Elements after the first axis, and whether they are one run of memory.
  std::int64_t RowElements() const;
  bool RowsContiguous() const;
};

// Throws TypeError naming `what` where `tensor` is not a torch.Tensor.
TensorView ReadTensor(py::handle tensor, const char* what);

// As in "float32 [64, 18]", with the device where it is not the CPU.
std::string Describe(py::handle tensor);

}  // namespace rollout::bindings
