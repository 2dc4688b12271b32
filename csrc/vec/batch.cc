#include "vec/batch.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

namespace rollout {
namespace {

constexpr std::align_val_t kSlabAlignment{64};  // a cache line

}  // namespace

Batch::Batch(std::shared_ptr<const Kernel> kernel, std::size_t num_rows, int num_threads,
             std::span<const std::uint16_t> params)
    : kernel_(std::move(kernel)),
      num_rows_(num_rows),
      pool_(num_threads),
      reset_gauge_(kernel_->grain()),
      step_gauge_(kernel_->grain()),
      look_gauge_(kernel_->grain()),
      slab_(static_cast<std::byte*>(
          ::operator new[](num_rows * kernel_->row_bytes(), kSlabAlignment))) {
  // zeroed, so that padding never makes equal rows differ
  std::memset(slab_.get(), 0, num_rows * kernel_->row_bytes());
  for (std::size_t i = 0; i < params.size(); ++i) Kernel::Header(row(i)).params = params[i];
}

void Batch::Free::operator()(std::byte* slab) const { ::operator delete[](slab, kSlabAlignment); }

template <class Run>
void Batch::NameRow(const std::byte* slab, const Run& run) {
  try {
    run();
  } catch (EnvError& error) {
    const auto offset = static_cast<const std::byte*>(error.state) - slab;
    error.row = offset / static_cast<std::ptrdiff_t>(kernel_->row_bytes());
    throw;
  }
}

template <class Body>
void Batch::Loop(Gauge& gauge, const std::byte* slab, std::size_t n, const Body& body) {
  NameRow(slab, [&] { gauge.For(pool_, n, body); });
}

template <class Body>
void Batch::Change(Gauge& gauge, std::byte* slab, std::size_t n, const Body& body) {
  if (!kernel_->can().fails) return gauge.For(pool_, n, body);
  const std::size_t bytes = n * kernel_->row_bytes();
  before_.assign(slab, slab + bytes);
  try {
    Loop(gauge, slab, n, body);
  } catch (EnvError& error) {
    std::memcpy(slab, before_.data(), bytes);
    // a step that gave up half-way is told by where it began
    if (error.function == "step") {
      const auto* const state = static_cast<const std::byte*>(error.state);
      std::memcpy(error.bytes.data(), state, error.bytes.size());
    }
    throw;
  }
}

void Batch::Reset(const ResetRequest& request, const View& view) {
  Change(reset_gauge_, slab_.get(), num_rows_, [&](std::size_t begin, std::size_t end) {
    kernel_->Reset(slab_.get(), request, view, begin, end);
  });
}

std::int64_t Batch::Step(std::byte* slab, std::size_t n, const void* actions, Autoreset mode,
                         const StepOutputs& out) {
  if (kernel_->can().legality) {
    const std::int64_t illegal = FirstIllegal(slab, n, actions);
    if (illegal >= 0) return illegal;
  }
  Change(step_gauge_, slab, n, [&](std::size_t begin, std::size_t end) {
    kernel_->Step(slab, actions, mode, out, begin, end);
  });
  return -1;
}

void Batch::Look(const std::byte* slab, std::size_t n, const View& view) {
  Loop(look_gauge_, slab, n,
       [&](std::size_t begin, std::size_t end) { kernel_->Look(slab, view, begin, end); });
}

std::int64_t Batch::FirstIllegal(const std::byte* slab, std::size_t n, const void* actions) {
  std::atomic<std::size_t> first{n};
  const auto look = [&](std::size_t begin, std::size_t end) {
    const std::size_t found = kernel_->FirstIllegal(slab, actions, begin, end);
    if (found == end) return;
    std::size_t now = first.load(std::memory_order_relaxed);
    while (found < now && !first.compare_exchange_weak(now, found)) {
    }
  };
  // where the step will run, which finds the rows in that core's cache
  NameRow(slab, [&] { step_gauge_.Again(pool_, n, look); });
  const std::size_t row = first.load(std::memory_order_relaxed);
  return row == n ? -1 : static_cast<std::int64_t>(row);
}

void Batch::Playouts(const std::byte* slab, std::size_t times, std::size_t begin, std::size_t end,
                     std::uint64_t seed, std::uint32_t max_steps, double* returns,
                     std::int32_t* steps) {
  const auto players = static_cast<std::size_t>(kernel_->spec().num_players);
  const std::size_t bytes = kernel_->row_bytes();
  // a playout is some tens of steps
  const std::size_t grain = std::max<std::size_t>(1, kernel_->grain() / 16);
  pool_.ParallelFor(end - begin, grain, [&](std::size_t from, std::size_t to) {
    PlayoutSpace space(bytes, static_cast<std::size_t>(kernel_->spec().action_nvec[0]),
                       kernel_->signal_size());
    for (std::size_t k = begin + from; k < begin + to; ++k) {
      std::memcpy(space.row(), slab + k / times * bytes, bytes);
      const std::uint64_t own = PlayoutSeed(seed, k / times, static_cast<std::uint32_t>(k % times));
      steps[k] = static_cast<std::int32_t>(
          kernel_->Playout(space.row(), own, max_steps, space, returns + k * players));
    }
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
