// Rows stepped in the background: they are sent off with their actions, and come back when done.
//
// Workers take rows from a queue, a chunk at a time, step them into slabs of n rows (row i always
// at element i), and report them; whoever waits helps. What a row gives depends on the row and its
// action alone, so results are those of Batch::Step; the order in which rows come back is not
// fixed.
//
// Borrows the batch and the slabs, which nobody else may touch for rows in flight. One caller at a
// time. The destructor waits for the chunks that are being stepped. A fork does not copy workers:
// in the child (BornHere is false) nothing else may be called, and the memory is to be leaked.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "vec/batch.h"

namespace rollout {

class Flight {
 public:
  // Workers: at least one, so that rows move while the caller does something else.
  Flight(Batch& batch, Autoreset mode, int num_workers);
  ~Flight();
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  std::size_t in_flight() const { return in_flight_; }
  bool IsAway(std::size_t row) const { return away_[row] != 0; }
  bool BornHere() const;

  // Where outputs go from the next Send on; only while nothing is in flight.
  void SetOutputs(const StepOutputs& out) { out_ = out; }

  // Sends rows that are not away, with an action each, which are copied. If one may not take its
  // action, its place in `rows` is returned and none was sent; else -1.
  std::int64_t Send(std::span<const std::int64_t> rows, const void* actions);

  // Waits until rows.size() <= in_flight() are back and writes which: the first that came, in
  // ascending order. What an environment throws is thrown on once all are back, and none is left.
  void Recv(std::span<std::int64_t> rows);

 private:
  // A queue of row numbers that has room for all.
  class Ring {
   public:
    explicit Ring(std::size_t room) : rows_(room) {}
    std::size_t size() const { return size_; }
    void Push(std::int64_t row) { rows_[(begin_ + size_++) % rows_.size()] = row; }
    std::int64_t Pop() {
      const std::int64_t row = rows_[begin_];
      begin_ = (begin_ + 1) % rows_.size();
      --size_;
      return row;
    }

   private:
    std::vector<std::int64_t> rows_;
    std::size_t begin_ = 0, size_ = 0;
  };

  void Work();
  void Stop();
  // Takes a chunk from the queue, which is not empty, and steps it without the lock.
  void StepChunk(std::unique_lock<std::mutex>& lock);
  void StepRows(std::span<const std::int64_t> rows) const;

  Batch& batch_;
  const Autoreset mode_;
  const std::size_t action_bytes_;
  const std::uint32_t born_;
  StepOutputs out_;
  std::vector<std::byte> actions_;  // one a row
  std::vector<std::uint8_t> away_;  // sent and not received
  std::size_t in_flight_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable queued_, returned_;
  Ring queue_, back_;
  std::size_t wanted_ = 0;  // rows that Recv waits for
  std::exception_ptr error_;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace rollout
