/* Random numbers for a plug-in: a pure function of (key, site), with the bits of rollout's own.
 *
 * A site is a constant of yours for each place that draws, so that no two places share numbers:
 *
 *   rollout_stream stream = rollout_stream_at(key, 0);
 *   const double x = rollout_uniform(&stream);
 *
 * Philox4x32-10 (Salmon et al. 2011). C99, values only.
 */
#ifndef ROLLOUT_RANDOM_H
#define ROLLOUT_RANDOM_H

#include "env.h"

typedef struct rollout_stream {
  uint32_t key[2];
  uint32_t counter[4];
  uint32_t block[4];
  int used;
} rollout_stream;

static inline rollout_stream rollout_stream_at(const rollout_key* key, uint32_t site) {
  const rollout_stream stream = {{(uint32_t)key->seed, (uint32_t)(key->seed >> 32)},
                                 {0, site, key->step, key->episode},
                                 {0, 0, 0, 0},
                                 4};
  return stream;
}

/* 32 random bits. */
static inline uint32_t rollout_next(rollout_stream* s) {
  if (s->used == 4) {
    uint32_t c0 = s->counter[0], c1 = s->counter[1], c2 = s->counter[2], c3 = s->counter[3];
    uint32_t k0 = s->key[0], k1 = s->key[1];
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
      c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
      c1 = (uint32_t)p1;
      c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
      c3 = (uint32_t)p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    s->block[0] = c0;
    s->block[1] = c1;
    s->block[2] = c2;
    s->block[3] = c3;
    ++s->counter[0];
    s->used = 0;
  }
  return s->block[s->used++];
}

/* Uniform in [0, 1), with 53 random bits. */
static inline double rollout_uniform(rollout_stream* s) {
  const uint64_t high = rollout_next(s) >> 5, low = rollout_next(s) >> 6;
  return (double)((high << 26) | low) * (1.0 / 9007199254740992.0);
}

/* Uniform in 0 .. n - 1 without bias; n > 0. */
static inline uint32_t rollout_below(rollout_stream* s, uint32_t n) {
  uint64_t product = (uint64_t)rollout_next(s) * n;
  if ((uint32_t)product < n) {
    const uint32_t threshold = (0u - n) % n;
    while ((uint32_t)product < threshold) product = (uint64_t)rollout_next(s) * n;
  }
  return (uint32_t)(product >> 32);
}

#endif
