// A persistent pool that runs one loop over rows at a time, in chunks.
//
// The caller works too, so a pool of n threads owns n - 1 workers, started at the first loop that
// needs them; a pool of one never starts any. Each thread begins with the chunks of a share of its
// own, the same every time, and then helps the others: which thread takes which chunk is not fixed,
// so a loop body must depend on its rows alone. An exception in a body stops the hand-out, reaches
// the caller, and leaves the pool usable. A loop inside a loop, or one that fits in one chunk, runs
// inline. After fork the child starts workers of its own.
//
// A caller with something else to do meanwhile opens a loop by Start and comes to help at Finish.
//
// ParallelFor may be called from any thread; loops of one pool run one after another. An idle
// worker spins for 50 us, then sleeps: back-to-back loops pay no wake-up, idle pools no power. A
// worker that is late, its core being busy, is not waited for: the caller does its share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace rollout {

// Processors that this process may run on.
int HardwareThreads();

// Counts the forks that led to this process: threads of an older count are not here any more.
std::uint32_t ForkCount();

class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);  // total, the caller included; at least 1
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }

  // Calls body(begin, end) on chunks of `grain` >= 1 rows that together cover [0, n).
  template <class Body>
  void ParallelFor(std::size_t n, std::size_t grain, Body&& body) {
    if (num_threads_ == 1 || n <= grain) {
      if (n > 0) body(std::size_t{0}, n);
      return;
    }
    using Plain = std::remove_reference_t<Body>;
    Run(n, grain, CallOf<Plain>, const_cast<std::remove_const_t<Plain>*>(std::addressof(body)));
  }

  // Opens such a loop for the workers, with `body` in use until Finish has done what they have not.
  // Between the two the pool runs no other loop: whose pool it is sees to that.
  template <class Body>
  void Start(std::size_t n, std::size_t grain, Body& body) {
    Open(n, grain, CallOf<Body>, std::addressof(body));
  }
  void Finish();

 private:
  using Call = void (*)(void* context, std::size_t begin, std::size_t end);
  class Workers;

  template <class Body>
  static void CallOf(void* context, std::size_t begin, std::size_t end) {
    (*static_cast<Body*>(context))(begin, end);
  }

  void Run(std::size_t n, std::size_t grain, Call call, void* context);
  void Open(std::size_t n, std::size_t grain, Call call, void* context);
  Workers& Crew();

  const int num_threads_;
  std::atomic<Workers*> workers_{nullptr};
};

}  // namespace rollout
