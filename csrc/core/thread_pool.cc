#include "core/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
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

constexpr std::chrono::microseconds kSpin{50};  // before who waits sleeps

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Waits a little for a condition; whether it came.
template <class Condition>
bool Spin(const Condition& condition) {
  constexpr int kPauses = 64;  // between looks at the clock
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPauses; ++i) {
      if (condition()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return condition();
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

// One word says all that threads tell one another: which loop it is, whether it is open, and how
// many workers are inside it. Nobody takes a lock in a loop that goes well; futexes are slept on.
//
// Each thread has a share of the rows of its own, the same in every loop of a size, and helps
// others when it is done: what it wrote the last time is then still in its core's cache.
class ThreadPool::Workers {
 public:
  explicit Workers(int count) : born_(ForkCount()) {
    const auto workers = static_cast<std::size_t>(count);
    shares_ = std::vector<Share>(workers + 1);
    threads_.reserve(workers);
    try {
      for (std::size_t i = 1; i <= workers; ++i) threads_.emplace_back([this, i] { Work(i); });
    } catch (...) {  // the system gives no more threads: end those that started, then report
      Stop();
      throw;
    }
  }

  ~Workers() { Stop(); }

  static constexpr int kMost = 4000;  // whom the state can count

  bool BornHere() const { return born_ == ForkCount(); }

  void Run(std::size_t n, std::size_t grain, Call call, void* context) {
    const std::lock_guard one_loop_at_a_time(loop_mutex_);
    Open(n, grain, call, context);
    Close();
  }

  void Open(std::size_t n, std::size_t grain, Call call, void* context) {
    // nobody is inside a closed loop, so these are the caller's to write
    n_ = n;
    grain_ = grain;
    call_ = call;
    context_ = context;
    error_ = nullptr;
    const std::size_t chunks = (n + grain - 1) / grain;
    for (std::size_t k = 0; k < shares_.size(); ++k) {
      shares_[k].next.store(chunks * k / shares_.size(), std::memory_order_relaxed);
      shares_[k].end = chunks * (k + 1) / shares_.size();
    }
    state_.store((Loop(state_.load(std::memory_order_relaxed)) + kLoop) | kOpen);
    if (chunks >= threads_.size()) return state_.notify_all();
    for (std::size_t i = 0; i < chunks; ++i) state_.notify_one();
  }

  void Close() {
    TakeChunks(0);

    // close the loop: a worker that wakes late finds nothing; then wait for those inside
    state_.fetch_and(~kOpen);
    if (!Spin([this] { return Inside(state_.load(std::memory_order_acquire)) == 0; })) {
      caller_sleeps_.store(true);
      for (std::uint32_t now = state_.load(); Inside(now) != 0; now = state_.load()) {
        state_.wait(now);
      }
      caller_sleeps_.store(false, std::memory_order_relaxed);
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  // bits of the state: workers inside, whether the loop is open, the loop's number
  static constexpr std::uint32_t kOpen = 1U << 12, kLoop = kOpen << 1;
  static std::uint32_t Inside(std::uint32_t state) { return state & (kOpen - 1); }
  static std::uint32_t Loop(std::uint32_t state) { return state & ~(kLoop - 1); }

  void Stop() {
    stop_.store(true);
    state_.fetch_add(kLoop);
    state_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void TakeChunks(std::size_t self) {
    const InsideLoop mark;
    for (std::size_t k = 0; k < shares_.size(); ++k) {
      Share& share = shares_[(self + k) % shares_.size()];
      for (;;) {
        const std::size_t chunk = share.next.fetch_add(1, std::memory_order_relaxed);
        if (chunk >= share.end) break;
        try {
          call_(context_, chunk * grain_, std::min((chunk + 1) * grain_, n_));
        } catch (...) {  // carried to the caller of Run, which rethrows it
          const std::lock_guard lock(error_mutex_);
          if (!error_) error_ = std::current_exception();
          for (Share& each : shares_) each.next.store(each.end, std::memory_order_relaxed);
        }
      }
    }
  }

  bool Enter() {
    std::uint32_t now = state_.load(std::memory_order_relaxed);
    while ((now & kOpen) != 0) {
      if (state_.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  void Leave() {
    const std::uint32_t before = state_.fetch_sub(1);
    if (Inside(before) == 1 && caller_sleeps_.load()) state_.notify_all();
  }

  void Work(std::size_t self) {
    std::uint32_t seen = 0;
    for (;;) {
      const auto is_new = [&] { return Loop(state_.load(std::memory_order_acquire)) != seen; };
      if (!Spin(is_new)) {
        for (std::uint32_t now = state_.load(); Loop(now) == seen; now = state_.load()) {
          state_.wait(now);
        }
      }
      seen = Loop(state_.load());
      if (stop_.load()) return;
      // on their way while the next line waits
      __builtin_prefetch(&n_);
      __builtin_prefetch(&shares_[self], 1);
      if (!Enter()) continue;
      TakeChunks(self);
      Leave();
    }
  }

  static constexpr std::size_t kCacheLine = 64;

  // Chunks [next, end) that nobody has taken yet.
  struct alignas(kCacheLine) Share {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0;
  };

  const std::uint32_t born_;
  std::mutex loop_mutex_;
  // what the loop is, in one cache line
  alignas(kCacheLine) std::size_t n_ = 0;
  std::size_t grain_ = 1;
  Call call_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
  std::mutex error_mutex_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false}, caller_sleeps_{false};
  std::vector<Share> shares_;  // the caller's, then a worker's each
  alignas(kCacheLine) std::atomic<std::uint32_t> state_{0};
};

ThreadPool::ThreadPool(int num_threads) : num_threads_(num_threads) {}

ThreadPool::~ThreadPool() {
  // workers of the parent process cannot be joined here: leave their memory alone
  Workers* workers = workers_.load();
  if (workers != nullptr && workers->BornHere()) delete workers;
}

void ThreadPool::Run(std::size_t n, std::size_t grain, Call call, void* context) {
  if (inside_loop) return call(context, 0, n);
  Crew().Run(n, grain, call, context);
}

void ThreadPool::Open(std::size_t n, std::size_t grain, Call call, void* context) {
  Crew().Open(n, grain, call, context);
}

void ThreadPool::Finish() { Crew().Close(); }

ThreadPool::Workers& ThreadPool::Crew() {
  Workers* workers = workers_.load(std::memory_order_acquire);
  if (workers == nullptr || !workers->BornHere()) {
    // no lock here: one held by another thread during a fork would stay locked for ever
    auto fresh = std::make_unique<Workers>(std::min(num_threads_ - 1, Workers::kMost));
    if (workers_.compare_exchange_strong(workers, fresh.get())) workers = fresh.release();
  }
  return *workers;
}

}  // namespace rollout
