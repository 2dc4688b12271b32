#include "core/slab.h"

#include <map>
#include <mutex>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace rollout {
namespace {

constexpr std::size_t kPage = std::size_t{4} << 10, kHugePage = std::size_t{2} << 20;

#ifdef __SANITIZE_ADDRESS__
// nothing is rounded or kept, so that the sanitizer knows where a block ends, and when
constexpr bool kExact = true;
#else
constexpr bool kExact = false;
#endif

// Sizes are whole pages, so that requests of nearly one size share blocks.
std::size_t RoundUp(std::size_t bytes) {
  if (kExact) return bytes;
  const std::size_t unit = bytes >= kHugePage / 2 ? kHugePage : kPage;
  return (bytes + unit - 1) / unit * unit;
}

std::align_val_t AlignmentOf(std::size_t rounded) {
  return std::align_val_t{rounded >= kHugePage ? kHugePage : Slab::kAlignment};
}

// The blocks that are not in use, by size. Leaked: slabs may outlive static destruction.
struct Cache {
  std::mutex mutex;
  std::multimap<std::size_t, std::byte*> blocks;
  std::size_t bytes = 0;
};

Cache& GetCache() {
  static auto* const cache = new Cache;
  return *cache;
}

}  // namespace

Slab::Slab(std::size_t bytes) : bytes_(RoundUp(bytes)) {
  Cache& cache = GetCache();
  {
    const std::lock_guard lock(cache.mutex);
    if (const auto found = cache.blocks.find(bytes_); found != cache.blocks.end()) {
      data_ = found->second;
      cache.blocks.erase(found);
      cache.bytes -= bytes_;
      return;
    }
  }
  data_ = static_cast<std::byte*>(::operator new(bytes_, AlignmentOf(bytes_)));
#ifdef MADV_HUGEPAGE
  // a wish: without huge pages the block works the same
  if (bytes_ >= kHugePage) madvise(data_, bytes_, MADV_HUGEPAGE);
#endif
}

Slab::~Slab() {
  if (data_ == nullptr) return;
  Cache& cache = GetCache();
  {
    const std::lock_guard lock(cache.mutex);
    if (!kExact && cache.bytes + bytes_ <= kKeptBytes) {
      cache.blocks.emplace(bytes_, data_);
      cache.bytes += bytes_;
      return;
    }
  }
  ::operator delete(data_, AlignmentOf(bytes_));
}

}  // namespace rollout
