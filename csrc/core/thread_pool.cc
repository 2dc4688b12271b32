#include "core/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rollout {
namespace {

constexpr int kSpins = 2000;  // about 30 us before an idle worker sleeps

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

std::atomic<std::uint32_t> fork_count{0};

thread_local bool inside_loop = false;

struct InsideLoop {
  InsideLoop() { inside_loop = true; }
  ~InsideLoop() { inside_loop = false; }
};

}  // namespace

std::uint32_t ForkCount() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);
  return fork_count.load(std::memory_order_relaxed);
}

int HardwareThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

class ThreadPool::Workers {
 public:
  explicit Workers(int count) : born_(ForkCount()) {
    threads_.reserve(static_cast<std::size_t>(count));
    try {
      for (int i = 0; i < count; ++i) threads_.emplace_back([this] { Work(); });
    } catch (...) {  // the system gives no more threads: end those that started, then report
      Stop();
      throw;
    }
  }

  ~Workers() { Stop(); }

  bool BornHere() const { return born_ == ForkCount(); }

  void Run(std::size_t n, std::size_t grain, Call call, void* context) {
    const std::lock_guard one_loop_at_a_time(loop_mutex_);
    {
      const std::lock_guard lock(mutex_);
      n_ = n;
      grain_ = grain;
      call_ = call;
      context_ = context;
      error_ = nullptr;
      next_.store(0, std::memory_order_relaxed);
      open_ = true;
      epoch_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_relaxed) > 0) wake_.notify_all();
    TakeChunks();

    // close the loop: a worker that wakes late finds nothing; then wait for those inside
    std::unique_lock lock(mutex_);
    open_ = false;
    for (int spin = 0; active_ > 0 && spin < kSpins; ++spin) {
      lock.unlock();
      Pause();
      lock.lock();
    }
    idle_.wait(lock, [this] { return active_ == 0; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      epoch_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void TakeChunks() {
    const InsideLoop mark;
    for (;;) {
      const std::size_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= n_) return;
      try {
        call_(context_, begin, std::min(begin + grain_, n_));
      } catch (...) {  // carried to the caller of Run, which rethrows it
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_.store(n_, std::memory_order_relaxed);
      }
    }
  }

  void Work() {
    std::uint32_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && epoch_.load(std::memory_order_acquire) == seen; ++spin) {
        Pause();
      }
      std::unique_lock lock(mutex_);
      if (epoch_.load(std::memory_order_relaxed) == seen) {
        sleepers_.fetch_add(1, std::memory_order_relaxed);
        wake_.wait(lock, [&] { return epoch_.load(std::memory_order_relaxed) != seen; });
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = epoch_.load(std::memory_order_relaxed);
      if (stop_) return;
      if (!open_) continue;
      ++active_;
      lock.unlock();
      TakeChunks();
      lock.lock();
      if (--active_ == 0) idle_.notify_one();
    }
  }

  const std::uint32_t born_;
  std::mutex loop_mutex_;
  std::mutex mutex_;  // guards everything below but the atomics
  std::condition_variable wake_, idle_;
  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<std::size_t> next_{0};
  std::size_t n_ = 0, grain_ = 1;
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
  int active_ = 0;
  bool open_ = false, stop_ = false;
  std::vector<std::thread> threads_;
};

ThreadPool::ThreadPool(int num_threads) : num_threads_(num_threads) {}

ThreadPool::~ThreadPool() {
  // workers of the parent process cannot be joined here: leave their memory alone
  Workers* workers = workers_.load();
  if (workers != nullptr && workers->BornHere()) delete workers;
}

void ThreadPool::Run(std::size_t n, std::size_t grain, Call call, void* context) {
  if (inside_loop) return call(context, 0, n);
  Workers* workers = workers_.load(std::memory_order_acquire);
  if (workers == nullptr || !workers->BornHere()) {
    // no lock here: one held by another thread during a fork would stay locked for ever
    auto fresh = std::make_unique<Workers>(num_threads_ - 1);
    if (workers_.compare_exchange_strong(workers, fresh.get())) workers = fresh.release();
  }
  workers->Run(n, grain, call, context);
}

}  // namespace rollout
