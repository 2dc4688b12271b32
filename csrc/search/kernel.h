// What walks a batch's rows by a rule. Declared for everyone, and compiled once, in the rule's own
// file, which defines it by
//
//   #include "search/walk.h"
//   template KernelOf<Rule> PickKernel<Rule>(std::size_t vectors, SimdLevel simd);
//
// so that whoever makes a search does not compile all its kernels again.
#pragma once

#include <cstddef>

#include "core/simd.h"
#include "search/search.h"

namespace rollout::search {

template <class Rule>
using KernelOf = void (*)(Search&, const Rule&, const Phase&, std::size_t begin, std::size_t end);

// The kernel for edge arrays of so many vectors and an instruction set.
template <class Rule>
KernelOf<Rule> PickKernel(std::size_t vectors, SimdLevel simd);

}  // namespace rollout::search
