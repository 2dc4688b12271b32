// Decides by measurement whether a loop is worth handing to threads, and in what chunks.
//
// For each size of loop, by powers of two, a few calls are timed with and without threads, and the
// faster way is kept; now and then the other is tried again, since machines get busier and quieter.
// A loop too short to gain anything never tries threads. Threads that sleep get a millisecond of
// calls to wake up in before they are timed. Nothing is timed in between, so a decision costs a few
// instructions. Decisions change speed alone: loops give the same results either way.
// One caller at a time.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/thread_pool.h"

namespace rollout {

// For tests: 0 leaves the choice to measurements, else every loop goes to the threads in chunks of
// so many rows.
inline std::atomic<std::size_t> forced_chunk{0};

class Gauge {
 public:
  // grain: rows a chunk until more is known.
  explicit Gauge(std::size_t grain) : grain_(grain) {}

  // Whether the last loop of n rows went to the threads.
  bool Threaded(std::size_t n) const { return sizes_[std::bit_width(n)].threaded; }

  template <class Body>
  void For(ThreadPool& pool, std::size_t n, Body&& body) {
    if (const std::size_t chunk = forced_chunk.load(std::memory_order_relaxed); chunk > 0) {
      return pool.ParallelFor(n, chunk, body);
    }
    if (pool.num_threads() == 1 || n < 2) return Inline(n, body);
    Size& size = sizes_[std::bit_width(n)];
    if (size.untimed > 0) {
      --size.untimed;
      return Run(pool, n, size, size.threaded, body);
    }
    // time the way in use, then the other, then choose
    const bool threaded = size.timed < kTimed ? size.threaded : !size.threaded;
    if (size.waking > 0) {
      --size.waking;
      return Run(pool, n, size, threaded, body);
    }
    const auto start = std::chrono::steady_clock::now();
    Run(pool, n, size, threaded, body);
    const std::chrono::duration<float, std::nano> took = std::chrono::steady_clock::now() - start;
    size.ns_a_row[threaded][size.timed % kTimed] = took.count() / static_cast<float>(n);
    ++size.timed;
    if (size.timed == kTimed && !size.threaded) {
      const float took_inline = Median(size, false) * static_cast<float>(n);
      if (took_inline < kTooShortNs) return Rest(size);
      // threads that sleep are not timed before they had time to wake up
      size.waking = static_cast<int>(kWakeNs / took_inline);
    } else if (size.timed == 2 * kTimed) {
      Choose(size);
    }
  }

  // Runs another loop over n rows the way that the last one went.
  template <class Body>
  void Again(ThreadPool& pool, std::size_t n, Body&& body) {
    if (const std::size_t chunk = forced_chunk.load(std::memory_order_relaxed); chunk > 0) {
      return pool.ParallelFor(n, chunk, body);
    }
    Run(pool, n, sizes_[std::bit_width(n)], Threaded(n), body);
  }

 private:
  static constexpr int kTimed = 5;  // calls timed each way; their median counts
  static constexpr float kTooShortNs = 4'000, kChunkNs = 5'000, kWakeNs = 1'000'000;
  static constexpr float kGain = 0.95F;  // threads must be faster by this much
  static constexpr std::uint32_t kFirstRest = 32, kLongestRest = 4096;

  struct Size {
    std::array<std::array<float, kTimed>, 2> ns_a_row{};  // inline, threaded
    std::uint32_t untimed = 0;                            // calls left before timing again
    std::uint32_t rest = kFirstRest;
    int timed = 0;
    int waking = 0;  // calls left before the threads are timed
    bool threaded = false;
  };

  template <class Body>
  static void Inline(std::size_t n, Body& body) {
    if (n > 0) body(std::size_t{0}, n);
  }

  template <class Body>
  void Run(ThreadPool& pool, std::size_t n, const Size& size, bool threaded, Body& body) {
    if (!threaded) return Inline(n, body);
    // chunks that are worth a hand-over, and enough of them for all
    std::size_t chunk = grain_;
    if (const float cost = Median(size, false); cost > 0) {
      chunk = static_cast<std::size_t>(std::clamp(kChunkNs / cost, 1.0F, 65536.0F));
    }
    const std::size_t share = n / (8 * static_cast<std::size_t>(pool.num_threads()));
    pool.ParallelFor(n, std::clamp<std::size_t>(chunk, 1, std::max<std::size_t>(share, 1)), body);
  }

  static float Median(const Size& size, bool threaded) {
    auto ns = size.ns_a_row[threaded];
    std::nth_element(ns.begin(), ns.begin() + kTimed / 2, ns.end());
    return ns[kTimed / 2];
  }

  void Choose(Size& size) {
    const bool better = Median(size, true) < kGain * Median(size, false);
    if (better != size.threaded) size.rest = kFirstRest;
    size.threaded = better;
    Rest(size);
  }

  static void Rest(Size& size) {
    size.timed = 0;
    size.untimed = size.rest;
    size.rest = std::min(2 * size.rest, kLongestRest);
  }

  const std::size_t grain_;
  std::array<Size, std::numeric_limits<std::size_t>::digits + 1> sizes_{};
};

}  // namespace rollout
