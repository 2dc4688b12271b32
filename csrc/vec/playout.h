// Playouts: an episode played to its end by uniformly random actions, legal ones where an
// environment says which are. What plain UCT scores its leaves with, and what a random player gets.
//
// A playout is a pure function of the row and a seed, which also stands in for the row's own seed
// where the environment draws by it. It works in place on a copy that the caller makes, in space
// that the caller owns, so it allocates nothing and is thread-safe for distinct spaces.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/philox.h"
#include "core/simd.h"

namespace rollout {

// The seed of playout k of row i in a call with this seed.
constexpr std::uint64_t PlayoutSeed(std::uint64_t seed, std::uint64_t i, std::uint32_t k) {
  constexpr std::uint32_t kSite = 0x504C4159;  // apart from whatever else a seed is used for
  const auto low = [](std::uint64_t bits) { return static_cast<std::uint32_t>(bits); };
  const PhiloxCounter block =
      Philox4x32({low(i), low(i >> 32), k, kSite}, {low(seed), low(seed >> 32)});
  return std::uint64_t{block[0]} << 32 | block[1];
}

// What a playout draws for its actions. Many choices come from one word of 64 random bits: one of n
// takes the high part of their product and leaves the low part, and a word that has told 2^32 cases
// apart is spent, so that no choice is likelier than another by more than a part in 2^32.
class PlayoutChoices {
 public:
  // The seed, random itself, is the first word.
  explicit PlayoutChoices(std::uint64_t seed) : seed_(seed), word_(seed) {}

  // In [0, n), n > 0.
  std::uint32_t Below(std::uint32_t n) {
    cases_ *= n;
    if (cases_ >> 32 != 0) [[unlikely]] {
      Refill();
      cases_ = n;
    }
    const auto product = static_cast<Wide>(word_) * n;
    word_ = static_cast<std::uint64_t>(product);
    return static_cast<std::uint32_t>(product >> 64);
  }

 private:
  using Wide = unsigned __int128;

  void Refill() {
    constexpr std::uint32_t kSite = 0x43484F49;
    if (words_ % 2 == 0) {
      const auto low = static_cast<std::uint32_t>(seed_);
      const auto high = static_cast<std::uint32_t>(seed_ >> 32);
      block_ = Philox4x32({words_ / 2, 0, 0, kSite}, {low, high});
    }
    const std::size_t at = words_++ % 2 * 2;
    word_ = std::uint64_t{block_[at]} << 32 | block_[at + 1];
  }

  std::uint64_t seed_, word_, cases_ = 1;
  std::uint32_t words_ = 0;  // after the first
  PhiloxCounter block_{};
};

// The k-th bit that is set, of more than k. One of two instructions where there are these.
struct NthBit {
  static int Of(std::uint64_t bits, std::uint32_t k) {
    for (; k > 0; --k) bits &= bits - 1;
    return std::countr_zero(bits);
  }
};
#ifdef ROLLOUT_HAS_AVX2_TARGET
struct NthBitBmi2 {
  __attribute__((target("bmi,bmi2"))) static int Of(std::uint64_t bits, std::uint32_t k) {
    return std::countr_zero(__builtin_ia32_pdep_di(std::uint64_t{1} << k, bits));
  }
};
#endif

// Room for one playout at a time, to be used again for the next.
class PlayoutSpace {
 public:
  // Every action is legal until a mask is written. Signals may be none.
  PlayoutSpace(std::size_t row_bytes, std::size_t num_actions, std::size_t num_signals)
      : row_(row_bytes / 8 + 2), words_((num_actions + 7) / 8), signals_(num_signals) {
    std::memset(words_.data(), 1, num_actions);
  }

  // Where a row's bytes may lie.
  std::byte* row() {
    const auto address = reinterpret_cast<std::uintptr_t>(row_.data());
    return reinterpret_cast<std::byte*>((address + 15) / 16 * 16);
  }

  std::int8_t* mask() { return reinterpret_cast<std::int8_t*>(words_.data()); }

  float* ClearedSignals() {
    std::fill(signals_.begin(), signals_.end(), 0.0f);
    return signals_.data();
  }

  // A legal action, each as likely; -1 if there is none.
  std::int64_t Pick(PlayoutChoices& choices) const {
    std::uint32_t total = 0;
    for (const std::uint64_t word : words_) total += Ones(word);
    if (total == 0) return -1;
    std::uint32_t left = choices.Below(total);
    std::size_t i = 0;
    for (; left >= Ones(words_[i]); ++i) left -= Ones(words_[i]);
    std::uint64_t word = words_[i];
    for (; left > 0; --left) word &= word - 1;
    return static_cast<std::int64_t>(8 * i) + std::countr_zero(word) / 8;
  }

 private:
  // the sum of 8 bytes of 0 and 1
  static std::uint32_t Ones(std::uint64_t word) {
    return static_cast<std::uint32_t>((word * 0x0101'0101'0101'0101ULL) >> 56);
  }

  std::vector<std::uint64_t> row_;
  std::vector<std::uint64_t> words_;  // the mask, bytes of 0 and 1; those past the end stay 0
  std::vector<float> signals_;
};

}  // namespace rollout
