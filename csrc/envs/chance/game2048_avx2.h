// 2048-v0 where the processor has AVX2: a step in one piece, the part of game2048.h that does so.
//
// The board stays in one register from the slide to the judgement, a byte a cell, and nothing is
// guessed: which way a player slides and where tiles meet is different in every row. Bits equal
// those of the plain code.
#pragma once

#include "core/simd.h"
#include "envs/chance/game2048.h"

#ifdef ROLLOUT_HAS_AVX2_TARGET

#include <immintrin.h>

namespace rollout {

class Game2048Avx2 {
#define ROLLOUT_INLINE_AVX2 __attribute__((target("avx2"), always_inline)) static inline

 public:
  __attribute__((target("avx2"))) static Outcome Step(const Game2048::Params& params,
                                                      Game2048::State& state, std::size_t action,
                                                      const StepKey& key) {
    // four bytes a line, the one at the wall first
    Cells lines = Pack(_mm_shuffle_epi8(Load(state.tile), Load(kToLines[action].data())));
    // a tile merges with the next if they are equal and it has not merged with the one before
    const Cells equal = _mm_andnot_si128(Empty(lines), _mm_cmpeq_epi8(lines, Next(lines)));
    const Cells no_third = _mm_andnot_si128(Before(equal), equal);
    const Cells merge = _mm_andnot_si128(Before(no_third), equal);
    lines = _mm_sub_epi8(lines, merge);
    const Cells made = _mm_and_si128(lines, merge);
    lines = Pack(_mm_andnot_si128(Before(merge), lines));
    Cells board = _mm_shuffle_epi8(lines, Load(kToBoard[action].data()));

    const auto reward = static_cast<double>(SumOfTiles(made));
    state.legal = 0;
    state.over = params.max_tile > 0 && Reaches(made, params.max_tile);
    if (!state.over) {
      PhiloxStream stream(key.seed, key.episode, key.step, 0);
      board = AddTile(board, stream);
      const bool won = params.max_tile > 0 && Reaches(board, params.max_tile);
      state.legal = won ? std::uint8_t{0} : Slides(board);
      state.over = state.legal == 0;
    }
    _mm_storeu_si128(reinterpret_cast<Cells*>(state.tile), board);
    return {reward, state.over != 0};
  }

 private:
  using Cells = __m128i;
  using Order = std::array<std::uint8_t, Game2048::kCells>;

  // where each byte of the lines comes from on the board, by action, and the way back
  static constexpr std::array<Order, Game2048::kActions> kToLines = [] {
    std::array<Order, Game2048::kActions> orders{};
    for (unsigned line = 0; line < 4; ++line) {
      for (unsigned k = 0; k < 4; ++k) {
        const unsigned from_wall = 4 * line + k;
        orders[0][from_wall] = static_cast<std::uint8_t>(4 * k + line);
        orders[1][from_wall] = static_cast<std::uint8_t>(4 * line + 3 - k);
        orders[2][from_wall] = static_cast<std::uint8_t>(4 * (3 - k) + line);
        orders[3][from_wall] = static_cast<std::uint8_t>(4 * line + k);
      }
    }
    return orders;
  }();
  static constexpr std::array<Order, Game2048::kActions> kToBoard = [] {
    std::array<Order, Game2048::kActions> orders{};
    for (unsigned action = 0; action < Game2048::kActions; ++action) {
      for (unsigned k = 0; k < Game2048::kCells; ++k) {
        orders[action][kToLines[action][k]] = static_cast<std::uint8_t>(k);
      }
    }
    return orders;
  }();

  // by which of eight cells are full: the shuffle that brings the tiles of either line to its front
  static constexpr std::uint8_t kNothing = 0x80;
  static constexpr std::array<std::array<std::uint8_t, 8>, 256> kPack = [] {
    std::array<std::array<std::uint8_t, 8>, 256> table{};
    for (unsigned full = 0; full < 256; ++full) {
      table[full].fill(kNothing);
      for (unsigned line = 0; line < 8; line += 4) {
        unsigned next = line;
        for (unsigned k = line; k < line + 4; ++k) {
          if (full >> k & 1) table[full][next++] = static_cast<std::uint8_t>(k);
        }
      }
    }
    return table;
  }();

  ROLLOUT_INLINE_AVX2 Cells Load(const std::uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const Cells*>(from));
  }
  ROLLOUT_INLINE_AVX2 Cells Empty(Cells cells) { return _mm_cmpeq_epi8(cells, Cells{}); }
  ROLLOUT_INLINE_AVX2 unsigned Bits(Cells cells) {
    return static_cast<unsigned>(_mm_movemask_epi8(cells));
  }
  // to each place of a line what is one further from the wall, or one nearer
  ROLLOUT_INLINE_AVX2 Cells Next(Cells lines) { return _mm_srli_epi32(lines, 8); }
  ROLLOUT_INLINE_AVX2 Cells Before(Cells lines) { return _mm_slli_epi32(lines, 8); }

  ROLLOUT_INLINE_AVX2 Cells Pack(Cells lines) {
    const unsigned full = ~Bits(Empty(lines));
    const Cells low = _mm_loadl_epi64(reinterpret_cast<const Cells*>(kPack[full & 0xFF].data()));
    const Cells high =
        _mm_loadl_epi64(reinterpret_cast<const Cells*>(kPack[full >> 8 & 0xFF].data()));
    const Cells upper_half = _mm_set_epi64x(0x0808080808080808, 0);
    return _mm_shuffle_epi8(lines, _mm_or_si128(_mm_unpacklo_epi64(low, high), upper_half));
  }

  // of cells that are 0 or the exponent of a tile
  ROLLOUT_INLINE_AVX2 int SumOfTiles(Cells cells) {
    const __m256i two = _mm256_set1_epi32(2), one = _mm256_set1_epi32(1);
    // a shift by -1 is one by very much, which leaves 0
    const __m256i low = _mm256_sllv_epi32(two, _mm256_sub_epi32(_mm256_cvtepu8_epi32(cells), one));
    const __m256i high = _mm256_sllv_epi32(
        two, _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_srli_si128(cells, 8)), one));
    const __m256i both = _mm256_add_epi32(low, high);
    Cells sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 8));
    sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 4));
    return _mm_cvtsi128_si32(sum);
  }

  ROLLOUT_INLINE_AVX2 bool Reaches(Cells cells, int tile) {
    return Bits(_mm_cmpgt_epi8(cells, _mm_set1_epi8(static_cast<char>(tile - 1)))) != 0;
  }

  ROLLOUT_INLINE_AVX2 Cells AddTile(Cells board, PhiloxStream& stream) {
    // how many empty cells there are up to each
    const Cells empty = Empty(board);
    Cells count = _mm_sub_epi8(Cells{}, empty);
    count = _mm_add_epi8(count, _mm_slli_si128(count, 1));
    count = _mm_add_epi8(count, _mm_slli_si128(count, 2));
    count = _mm_add_epi8(count, _mm_slli_si128(count, 4));
    count = _mm_add_epi8(count, _mm_slli_si128(count, 8));
    const auto all = static_cast<std::uint32_t>(_mm_extract_epi8(count, 15));
    const std::uint32_t pick = stream.Below(all);
    const int tile = 1 + (stream.NextDouble() < Game2048::kChanceOfFour);
    const Cells picked = _mm_cmpeq_epi8(count, _mm_set1_epi8(static_cast<char>(pick + 1)));
    return _mm_or_si128(
        board, _mm_and_si128(_mm_and_si128(picked, empty), _mm_set1_epi8(static_cast<char>(tile))));
  }

  // a bit for each action that changes the board
  ROLLOUT_INLINE_AVX2 std::uint8_t Slides(Cells board) {
    constexpr unsigned kNotLastColumn = 0x7777, kNotLastRow = 0x0FFF;
    const unsigned full = ~Bits(Empty(board)) & 0xFFFF;
    const unsigned across =
        Bits(_mm_cmpeq_epi8(board, _mm_srli_epi32(board, 8))) & full & kNotLastColumn;
    const unsigned along =
        Bits(_mm_cmpeq_epi8(board, _mm_srli_si128(board, 4))) & full & kNotLastRow;
    const unsigned right = full >> 1 & kNotLastColumn, below = full >> 4;
    const bool up = (along | (below & ~full)) != 0;
    const bool down = (along | (full & ~below & kNotLastRow)) != 0;
    const bool to_left = (across | (right & ~full)) != 0;
    const bool to_right = (across | (full & ~right & kNotLastColumn)) != 0;
    return static_cast<std::uint8_t>(up | to_right << 1 | down << 2 | to_left << 3);
  }

#undef ROLLOUT_INLINE_AVX2
};

}  // namespace rollout

#endif  // ROLLOUT_HAS_AVX2_TARGET
