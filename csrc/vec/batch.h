// A batch of rows of one environment: a slab of blobs, stepped over a thread pool.
//
// Owns the slab and the pool; outputs belong to the caller. Results depend on the rows alone: any
// number of threads, any chunk size and any company of other rows give the same bytes. Whether the
// threads are used is decided by what was measured. One caller at a time; different batches are
// independent. Arguments are checked by whoever calls (bindings).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/gauge.h"
#include "core/thread_pool.h"
#include "vec/kernel.h"

namespace rollout {

class Batch {
 public:
  // params: which of the kernel's Params each row has; empty: the first.
  Batch(std::shared_ptr<const Kernel> kernel, std::size_t num_rows, int num_threads,
        std::span<const std::uint16_t> params = {});

  const Kernel& kernel() const { return *kernel_; }
  std::size_t num_rows() const { return num_rows_; }
  int num_threads() const { return pool_.num_threads(); }
  ThreadPool& pool() { return pool_; }
  std::byte* row(std::size_t i) { return slab_.get() + i * kernel_->row_bytes(); }
  const std::byte* row(std::size_t i) const { return slab_.get() + i * kernel_->row_bytes(); }

  // All of these may throw EnvError where the environment can fail; rows are then as they were.
  // Resets rows as asked; shows every row.
  void Reset(const ResetRequest& request, const View& view);

  // Steps n rows of a slab in place: the batch's own from row(0), or any aligned to kRowAlignment.
  // The first row that may not take its action is returned, and then none was stepped; else -1.
  std::int64_t Step(std::byte* slab, std::size_t n, const void* actions, Autoreset mode,
                    const StepOutputs& out);
  void Look(const std::byte* slab, std::size_t n, const View& view);
  // Whether the last step of n rows went to the threads.
  bool Threaded(std::size_t n) const { return step_gauge_.Threaded(n); }

  // Plays playouts begin .. end of those that are `times` from each row of a slab, which stays as
  // it is. returns: [rows, times, num_players]; steps: [rows, times]. Only where the kernel can.
  void Playouts(const std::byte* slab, std::size_t times, std::size_t begin, std::size_t end,
                std::uint64_t seed, std::uint32_t max_steps, double* returns, std::int32_t* steps);

  // Copies rows out of and into the batch, row index[k] being the k-th; bytes are packed.
  void Read(std::span<const std::int64_t> index, std::byte* to) const;
  void Write(std::span<const std::int64_t> index, const std::byte* from);

  // The first row that was never reset, or that has ended; -1 if there is none.
  std::int64_t FirstNotBegun() const;
  std::int64_t FirstEnded() const;

 private:
  // Runs something over rows of a slab; of environments that fail, an error gets its row.
  template <class Run>
  void NameRow(const std::byte* slab, const Run& run);
  // Likewise a loop over n rows. Change puts them back to what they were after an error.
  template <class Body>
  void Loop(Gauge& gauge, const std::byte* slab, std::size_t n, const Body& body);
  template <class Body>
  void Change(Gauge& gauge, std::byte* slab, std::size_t n, const Body& body);

  std::int64_t FirstIllegal(const std::byte* slab, std::size_t n, const void* actions);

  struct Free {
    void operator()(std::byte* slab) const;
  };

  std::shared_ptr<const Kernel> kernel_;
  std::size_t num_rows_;
  ThreadPool pool_;
  Gauge reset_gauge_, step_gauge_, look_gauge_;
  std::vector<std::byte> before_;  // the rows of environments that fail, as Change found them
  std::unique_ptr<std::byte[], Free> slab_;
};

}  // namespace rollout
