#include "vec/batch.h"

#include <cstring>
#include <new>
#include <utility>

namespace rollout {
namespace {

constexpr std::align_val_t kSlabAlignment{64};  // a cache line

}  // namespace

Batch::Batch(std::shared_ptr<const Kernel> kernel, std::size_t num_rows, int num_threads)
    : kernel_(std::move(kernel)),
      num_rows_(num_rows),
      pool_(num_threads),
      slab_(static_cast<std::byte*>(
          ::operator new[](num_rows * kernel_->row_bytes(), kSlabAlignment))) {
  // zeroed, so that padding never makes equal rows differ
  std::memset(slab_.get(), 0, num_rows * kernel_->row_bytes());
}

void Batch::Free::operator()(std::byte* slab) const { ::operator delete[](slab, kSlabAlignment); }

void Batch::Reset(const ResetRequest& request, void* obs) {
  pool_.ParallelFor(num_rows_, kernel_->grain(), [&](std::size_t begin, std::size_t end) {
    kernel_->Reset(slab_.get(), request, obs, begin, end);
  });
}

void Batch::Step(const void* actions, Autoreset mode, const StepOutputs& out) {
  pool_.ParallelFor(num_rows_, kernel_->grain(), [&](std::size_t begin, std::size_t end) {
    kernel_->Step(slab_.get(), actions, mode, out, begin, end);
  });
}

void Batch::StepRows(std::byte* slab, std::size_t n, const void* actions, const StepOutputs& out) {
  pool_.ParallelFor(n, kernel_->grain(), [&](std::size_t begin, std::size_t end) {
    kernel_->Step(slab, actions, Autoreset::kDisabled, out, begin, end);
  });
}

void Batch::ObserveRows(const std::byte* slab, std::size_t n, void* obs) {
  pool_.ParallelFor(n, kernel_->grain(), [&](std::size_t begin, std::size_t end) {
    kernel_->Observe(slab, obs, begin, end);
  });
}

void Batch::Read(std::span<const std::int64_t> index, std::byte* to) const {
  const std::size_t bytes = kernel_->row_bytes();
  for (std::size_t k = 0; k < index.size(); ++k) {
    std::memcpy(to + k * bytes, row(static_cast<std::size_t>(index[k])), bytes);
  }
}

void Batch::Write(std::span<const std::int64_t> index, const std::byte* from) {
  const std::size_t bytes = kernel_->row_bytes();
  for (std::size_t k = 0; k < index.size(); ++k) {
    std::memcpy(row(static_cast<std::size_t>(index[k])), from + k * bytes, bytes);
  }
}

std::int64_t Batch::FirstNotBegun() const {
  for (std::size_t i = 0; i < num_rows_; ++i) {
    if (!Kernel::Header(row(i)).begun) return static_cast<std::int64_t>(i);
  }
  return -1;
}

std::int64_t Batch::FirstEnded() const {
  for (std::size_t i = 0; i < num_rows_; ++i) {
    if (Kernel::Header(row(i)).ended()) return static_cast<std::int64_t>(i);
  }
  return -1;
}

}  // namespace rollout
