#include "vec/flight.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/thread_pool.h"

namespace rollout {
namespace {

constexpr std::size_t kMostChunk = 256;  // rows that a worker takes at once

}  // namespace

Flight::Flight(Batch& batch, Autoreset mode, int num_workers)
    : batch_(batch),
      mode_(mode),
      action_bytes_(batch.kernel().action_bytes()),
      born_(ForkCount()),
      actions_(batch.num_rows() * action_bytes_),
      away_(batch.num_rows()),
      queue_(batch.num_rows()),
      back_(batch.num_rows()) {
  workers_.reserve(static_cast<std::size_t>(num_workers));
  try {
    for (int i = 0; i < num_workers; ++i) workers_.emplace_back([this] { Work(); });
  } catch (...) {  // the system gives no more threads: end those that started, then report
    Stop();
    throw;
  }
}

Flight::~Flight() { Stop(); }

bool Flight::BornHere() const { return born_ == ForkCount(); }

void Flight::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  queued_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

std::int64_t Flight::Send(std::span<const std::int64_t> rows, const void* actions) {
  const auto* const from = static_cast<const std::byte*>(actions);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const auto row = static_cast<std::size_t>(rows[k]);
    std::memcpy(actions_.data() + row * action_bytes_, from + k * action_bytes_, action_bytes_);
    if (batch_.kernel().FirstIllegal(batch_.row(0), actions_.data(), row, row + 1) == row) {
      return static_cast<std::int64_t>(k);
    }
  }
  for (const std::int64_t row : rows) away_[static_cast<std::size_t>(row)] = 1;
  in_flight_ += rows.size();
  {
    const std::lock_guard lock(mutex_);
    for (const std::int64_t row : rows) queue_.Push(row);
  }
  queued_.notify_all();
  return -1;
}

void Flight::Recv(std::span<std::int64_t> rows) {
  std::unique_lock lock(mutex_);
  wanted_ = rows.size();
  while (back_.size() < (error_ ? in_flight_ : wanted_)) {
    if (queue_.size() > 0) {
      StepChunk(lock);
    } else {
      returned_.wait(lock);
    }
  }
  wanted_ = 0;
  if (error_) {
    while (back_.size() > 0) away_[static_cast<std::size_t>(back_.Pop())] = 0;
    in_flight_ = 0;
    std::rethrow_exception(std::exchange(error_, nullptr));
  }
  for (std::int64_t& row : rows) row = back_.Pop();
  lock.unlock();
  for (const std::int64_t row : rows) away_[static_cast<std::size_t>(row)] = 0;
  in_flight_ -= rows.size();
  std::sort(rows.begin(), rows.end());
}

void Flight::Work() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (queue_.size() > 0) {
      StepChunk(lock);
    } else {
      queued_.wait(lock);
    }
  }
}

void Flight::StepChunk(std::unique_lock<std::mutex>& lock) {
  // small enough that all hands get some, and no larger than one is worth
  const std::size_t hands = workers_.size() + 1;
  const std::size_t most = std::min(kMostChunk, batch_.kernel().grain());
  const std::size_t count = std::clamp<std::size_t>(queue_.size() / (2 * hands), 1, most);
  std::int64_t rows[kMostChunk];
  for (std::size_t k = 0; k < count; ++k) rows[k] = queue_.Pop();

  lock.unlock();
  std::exception_ptr error;
  try {
    StepRows({rows, count});
  } catch (...) {  // carried to whoever waits, which throws it on
    error = std::current_exception();
  }
  lock.lock();

  for (std::size_t k = 0; k < count; ++k) back_.Push(rows[k]);
  if (error && !error_) error_ = error;
  if (error_ || (wanted_ > 0 && back_.size() >= wanted_)) returned_.notify_one();
}

void Flight::StepRows(std::span<const std::int64_t> rows) const {
  // rows that follow one another are stepped together
  for (std::size_t k = 0, end = 0; k < rows.size(); k = end) {
    end = k + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1) ++end;
    const auto first = static_cast<std::size_t>(rows[k]);
    batch_.kernel().Step(batch_.row(0), actions_.data(), mode_, out_, first, first + (end - k));
  }
}

}  // namespace rollout
