// A large block of memory, taken from a cache of blocks and given back to it.
//
// A search or a roll needs megabytes for milliseconds. Fresh memory costs a page fault for every 4
// KiB touched, which is as much as the work done in it; a block that was used before costs nothing,
// and blocks of 1 MiB and more ask for huge pages, which spares the translation cache too.
//
// The contents are uninitialised. Movable; one owner. Taking and giving back are thread-safe and
// take well under a microsecond; the cache keeps at most kKeptBytes.
#pragma once

#include <cstddef>
#include <utility>

namespace rollout {

class Slab {
 public:
  static constexpr std::size_t kAlignment = 64;  // a cache line, at least
  static constexpr std::size_t kKeptBytes = std::size_t{256} << 20;

  explicit Slab(std::size_t bytes);  // throws std::bad_alloc
  ~Slab();
  Slab(Slab&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Slab& operator=(Slab&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }  // at least what was asked for

 private:
  std::byte* data_;
  std::size_t bytes_;
};

}  // namespace rollout
