// Go-v0: surround more than the opponent, on boards of 2 x 2 to 19 x 19.
//
// Tromp-Taylor's rules but for suicide, which is illegal: area scoring, komi, and a choice for
// positions that come back (Superko). Two passes end the game, and so does the longest game
// allowed, both scored alike. Point (row, column) is action size * row + column; size * size
// passes. With Superko::kDraw legal moves, ends and returns are those of OpenSpiel's go.
//
// Stones in contact form a chain: a ring of `next` links, with a head that counts its liberties.
// They are pseudo-liberties, an empty point counted once for each stone that touches it; their sum
// and the sum of their squares tell whether they are all the same point (atari). So a move costs
// its neighbours, and what it joins or captures.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "envs/boards/board.h"
#include "envs/boards/go_params.h"

namespace rollout::boards {

// Boards of up to kMaxSide x kMaxSide; a smaller one is faster to copy.
template <int kMaxSide>
struct Go {
  using Action = std::int64_t;
  using Obs = std::uint8_t;
  using Params = GoParams;
  static constexpr std::size_t kGrainRows = kMaxSide > 9 ? 8 : 32;
  static constexpr bool kPaysAtEnd = true;

  static constexpr int kLargest = kMaxSide;
  static constexpr int kMaxPoints = kMaxSide * kMaxSide;
  static constexpr int kPadded = (kMaxPoints + 1 + 7) / 8 * 8;  // whole words, one point to spare
  using Point = std::conditional_t<(kMaxPoints < 255), std::uint8_t, std::uint16_t>;

  struct Chain {
    std::uint32_t sum, sum_of_squares;  // of the pseudo-liberties' points
    std::uint16_t liberties;            // pseudo-liberties
    std::uint16_t stones;

    void Add(std::uint32_t point) {
      ++liberties;
      sum += point;
      sum_of_squares += point * point;
    }
    void Remove(std::uint32_t point) {
      --liberties;
      sum -= point;
      sum_of_squares -= point * point;
    }
    // all liberties are one point: equality in Cauchy-Schwarz
    bool InAtari() const {
      return std::uint64_t{sum} * sum == std::uint64_t{sum_of_squares} * liberties;
    }
  };

  // what has been on the board, for the superko rules
  struct History {
    std::uint64_t hash;                    // of the stones on the board
    std::uint64_t chain_hash[kMaxPoints];  // of a chain's stones, at its head
    GoPositions<kMaxPoints> positions;     // all that have been, the empty board included
    bool captured;                         // whether any stone has been taken
  };

  struct State {
    std::uint8_t color[kPadded];  // 0 empty, 1 black (player 0), 2 white, 3 off the board
    std::uint8_t room[kPadded];   // empty neighbours of a point (off the board: any number)
    Point head[kMaxPoints];       // of a stone: the point that has its chain
    Point next[kMaxPoints];       // of a stone: the next of its chain, in a ring
    Chain chain[kMaxPoints];
    std::int16_t ko;      // where a single stone may not be taken back now, or -1
    std::uint16_t moves;  // so far, passes included
    std::uint8_t passes;  // at the end of the game so far, 0 .. 2
    std::uint8_t to_play;
    std::uint8_t over;
    History history;  // must be last: there is none where Superko is kOff
  };

  static std::size_t StateBytes(const Params& params) {
    return params.superko == Superko::kOff ? offsetof(State, history) : sizeof(State);
  }

  static EnvSpec Describe(const Params& params) {
    return DescribeBoard("Go-v0", 4, params.size, params.size, params.points() + 1);
  }

  static void Reset(const Params& params, State& state, const StepKey&) { Clear(params, state); }

  static Outcome Step(const Params& params, State& state, const Action* action, const StepKey&,
                      const StepExtras& extras) {
    const int mover = state.to_play;
    const int point = static_cast<int>(*action);
    bool repeated = false;
    state.ko = -1;
    state.to_play ^= 1;
    ++state.moves;
    if (point == params.points()) {
      ++state.passes;
    } else {
      state.passes = 0;
      Place(params, state, point, mover);
      if (params.superko != Superko::kOff) {
        repeated = !state.history.positions.Insert(state.history.hash);
      }
    }
    if (!repeated && state.passes < 2 && state.moves < params.max_moves) return {};
    state.over = 1;
    if (repeated) return Settle(mover, 0, extras);
    const double lead = Area(params, state) - params.komi;
    const int black = (lead > 0) - (lead < 0);
    return Settle(mover, mover == 0 ? black : -black, extras);
  }

  // Plane 2 has the point that a ko forbids, plane 3 is all 1 where white is to move.
  static void Observe(const Params& params, const State& state, Obs* out) {
    const int points = params.points(), mine = 1 + state.to_play, theirs = 2 - state.to_play;
    for (int i = 0; i < points; ++i) out[i] = state.color[i] == mine;
    for (int i = 0; i < points; ++i) out[points + i] = state.color[i] == theirs;
    std::memset(out + 2 * points, 0, static_cast<std::size_t>(points));
    if (state.ko >= 0) out[2 * points + state.ko] = 1;
    std::memset(out + 3 * points, state.to_play, static_cast<std::size_t>(points));
  }

  static void LegalActions(const Params& params, const State& state, std::int8_t* mask) {
    const int points = params.points();
    if (state.over) {
      std::memset(mask, 0, static_cast<std::size_t>(points) + 1);
      return;
    }
    mask[points] = 1;
    // with an empty neighbour a point is legal: no chain need be looked at
    for (int i = 0; i < points; ++i) mask[i] = (state.color[i] == 0) & (state.room[i] != 0);
    for (int i = 0; i < points; i += 8) {
      // only the few empty points without one have both bytes 0
      std::uint64_t color, room;
      std::memcpy(&color, state.color + i, 8);
      std::memcpy(&room, state.room + i, 8);
      std::uint64_t enclosed = ~(((color | room) & kSevens) + kSevens) & kHighs;
      for (; enclosed != 0; enclosed &= enclosed - 1) {
        const int point = i + std::countr_zero(enclosed) / 8;
        mask[point] = Breathes(params, state, point);
      }
    }
    if (state.ko >= 0) mask[state.ko] = 0;
    if (MayRepeat(params, state)) {
      for (int i = 0; i < points; ++i) {
        if (mask[i] != 0) mask[i] = !Repeats(params, state, i);
      }
    }
  }

  static bool IsLegal(const Params& params, const State& state, const Action* action) {
    if (state.over) return false;
    return *action == params.points() || MayPlay(params, state, static_cast<int>(*action));
  }

  static int ToPlay(const Params&, const State& state) { return state.to_play; }

  static void Render(const Params& params, const State& state, int size,
                     std::uint8_t* rgb);  // draw/boards.cc

  // The empty board. Also the start of a board put together with Place.
  static void Clear(const Params& params, State& state) {
    std::memset(static_cast<void*>(&state), 0, StateBytes(params));
    std::memset(state.color + params.points(), 3,
                static_cast<std::size_t>(kPadded - params.points()));
    for (int i = 0; i < params.points(); ++i) {
      for (const std::uint16_t n : params.neighbours[i]) state.room[i] += n < params.points();
    }
    state.ko = -1;
    if (params.superko != Superko::kOff) state.history.positions.Insert(0);
  }

  // Puts a stone on an empty point and takes what it captures; sets `ko` if that makes one.
  static void Place(const Params& params, State& state, int point, int player) {
    const std::uint8_t mine = static_cast<std::uint8_t>(1 + player);
    const std::uint8_t theirs = static_cast<std::uint8_t>(2 - player);
    const auto& neighbours = params.neighbours[point];
    const std::uint32_t at = static_cast<std::uint32_t>(point);

    state.color[point] = mine;
    state.head[point] = state.next[point] = static_cast<Point>(point);
    Chain& alone = state.chain[point];
    alone = {0, 0, 0, 1};
    if (params.superko != Superko::kOff) {
      const std::uint64_t key = params.keys[player][point];
      state.history.chain_hash[point] = key;
      state.history.hash ^= key;
    }
    for (const std::uint16_t n : neighbours) {
      --state.room[n];
      if (state.color[n] == 0) alone.Add(n);
    }
    for (const std::uint16_t n : neighbours) {
      if (state.color[n] != mine) continue;
      state.chain[state.head[n]].Remove(at);
      Join(params, state, state.head[point], state.head[n]);
    }
    int captured = 0, last = 0;
    for (const std::uint16_t n : neighbours) {
      if (state.color[n] != theirs) continue;
      Chain& chain = state.chain[state.head[n]];
      chain.Remove(at);
      if (chain.liberties != 0) continue;
      captured += chain.stones;
      last = n;
      Capture(params, state, state.head[n], mine);
    }
    // a lone stone that has just taken one, with no other liberty, could be taken back at once
    const Chain& chain = state.chain[state.head[point]];
    const bool ko = captured == 1 && chain.stones == 1 && chain.liberties == 1;
    state.ko = static_cast<std::int16_t>(ko ? last : -1);
  }

  // Black's area less white's, in points: stones, and empty regions that touch one colour only.
  static int Area(const Params& params, const State& state) {
    const int points = params.points();
    int lead = 0;
    std::uint8_t seen[kMaxPoints] = {};
    Point stack[kMaxPoints];
    for (int start = 0; start < points; ++start) {
      if (state.color[start] != 0) {
        lead += state.color[start] == 1 ? 1 : -1;
        continue;
      }
      if (seen[start]) continue;
      int size = 0, top = 0;
      unsigned touched = 0;  // a bit a colour
      stack[top++] = static_cast<Point>(start);
      seen[start] = 1;
      while (top > 0) {
        const int point = stack[--top];
        ++size;
        for (const std::uint16_t n : params.neighbours[point]) {
          touched |= 1u << state.color[n];
          if (state.color[n] != 0 || seen[n]) continue;
          seen[n] = 1;
          stack[top++] = static_cast<Point>(n);
        }
      }
      const bool black = touched >> 1 & 1, white = touched >> 2 & 1;
      if (black != white) lead += black ? size : -size;
    }
    return lead;
  }

 private:
  static constexpr std::uint64_t kSevens = 0x7F7F'7F7F'7F7F'7F7F;
  static constexpr std::uint64_t kHighs = 0x8080'8080'8080'8080;

  static bool MayPlay(const Params& params, const State& state, int point) {
    if (state.color[point] != 0 || point == state.ko) return false;
    if (state.room[point] == 0 && !Breathes(params, state, point)) return false;
    return !MayRepeat(params, state) || !Repeats(params, state, point);
  }

  // until a stone has been taken each position has more stones than those before it
  static bool MayRepeat(const Params& params, const State& state) {
    return params.superko == Superko::kPositional && state.history.captured;
  }

  static bool Repeats(const Params& params, const State& state, int point) {
    return state.history.positions.Contains(HashAfter(params, state, point));
  }

  // whether a stone on an enclosed point has a liberty: it captures, or joins a chain with another
  static bool Breathes(const Params& params, const State& state, int point) {
    const int mine = 1 + state.to_play, theirs = 2 - state.to_play;
    for (const std::uint16_t n : params.neighbours[point]) {
      if (state.color[n] != mine && state.color[n] != theirs) continue;
      if (state.chain[state.head[n]].InAtari() == (state.color[n] == theirs)) return true;
    }
    return false;
  }

  // the hash of the stones after a legal move
  static std::uint64_t HashAfter(const Params& params, const State& state, int point) {
    std::uint64_t hash = state.history.hash ^ params.keys[state.to_play][point];
    const auto& neighbours = params.neighbours[point];
    for (std::size_t k = 0; k < neighbours.size(); ++k) {
      const int n = neighbours[k];
      if (state.color[n] != 2 - state.to_play || !state.chain[state.head[n]].InAtari()) continue;
      // a chain that touches the point twice is taken once
      bool again = false;
      for (std::size_t j = 0; j < k; ++j) {
        again |= state.color[neighbours[j]] == state.color[n] &&
                 state.head[neighbours[j]] == state.head[n];
      }
      if (!again) hash ^= state.history.chain_hash[state.head[n]];
    }
    return hash;
  }

  // makes two chains one, under the head of the larger
  static void Join(const Params& params, State& state, int a, int b) {
    if (a == b) return;
    if (state.chain[a].stones < state.chain[b].stones) std::swap(a, b);
    Chain& large = state.chain[a];
    const Chain& small = state.chain[b];
    large.sum += small.sum;
    large.sum_of_squares += small.sum_of_squares;
    large.liberties = static_cast<std::uint16_t>(large.liberties + small.liberties);
    large.stones = static_cast<std::uint16_t>(large.stones + small.stones);
    if (params.superko != Superko::kOff) {
      state.history.chain_hash[a] ^= state.history.chain_hash[b];
    }
    int point = b;
    do {
      state.head[point] = static_cast<Point>(a);
      point = state.next[point];
    } while (point != b);
    std::swap(state.next[a], state.next[b]);
  }

  // empties the points of a chain, which become liberties of the chains of colour `mine`
  static void Capture(const Params& params, State& state, int head, std::uint8_t mine) {
    if (params.superko != Superko::kOff) {
      state.history.hash ^= state.history.chain_hash[head];
      state.history.captured = true;
    }
    int point = head;
    do {
      state.color[point] = 0;
      for (const std::uint16_t n : params.neighbours[point]) {
        ++state.room[n];
        if (state.color[n] == mine) {
          state.chain[state.head[n]].Add(static_cast<std::uint32_t>(point));
        }
      }
      point = state.next[point];
    } while (point != head);
  }
};

}  // namespace rollout::boards
