/* An environment for rollout from a shared library: C99, no dependence on rollout's own code.
 *
 * A library exports one function, rollout_plugin, which describes its environments. Python loads it
 * with rollout.envs.load_plugin("./libmine.so"); make_vec then makes rows of them, stepped by the
 * native thread pool, with snapshots, step_from and automatic resets as for any other environment.
 *
 * A state is `state_bytes` of plain memory without pointers, since rollout copies it, keeps it and
 * puts it back. It starts as zeros; assign its fields one by one, so that padding stays zero and
 * equal states have equal bytes. All that varies is in the state: functions are called by several
 * threads at once, each with another state, so they write to nothing else, and keep no pointer that
 * they were given. Draw random numbers from the key (random.h), never from a generator of your own.
 *
 * A function returns 0, or a code of yours when it cannot go on. The caller then gets an error with
 * the environment, the row, the code and your words for it, and all rows are put back to what they
 * were before the call.
 */
#ifndef ROLLOUT_ENV_H
#define ROLLOUT_ENV_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ROLLOUT_ABI_VERSION 1

enum rollout_dtype {
  ROLLOUT_UINT8 = 0,
  ROLLOUT_INT64 = 1,
  ROLLOUT_FLOAT32 = 2,
  ROLLOUT_FLOAT64 = 3
};

/* Where in its life a row stands. */
typedef struct rollout_key {
  uint64_t seed;    /* the row's own */
  uint32_t episode; /* 0 for the first episode of the seed, then 1, 2, ... */
  uint32_t step;    /* 0 while resetting, 1 in the first step */
} rollout_key;

/* A number that a user may choose: make_vec(id, n, <name>=0.5). */
typedef struct rollout_param {
  const char* name;
  double value; /* where the user chose none */
  double low;
  double high;
} rollout_param;

typedef struct rollout_env {
  uint32_t abi_version;  /* ROLLOUT_ABI_VERSION */
  uint32_t struct_bytes; /* sizeof(rollout_env) */
  const char* id;        /* such as "Counter-v0": no spaces */
  const char* summary;   /* one line of what it is */

  uint64_t state_bytes;
  uint32_t state_alignment; /* 1, 2, 4, 8 or 16 */

  /* an observation: a box of [obs_ndim] sizes; 0 dimensions are a single number */
  uint32_t obs_dtype; /* enum rollout_dtype */
  uint32_t obs_ndim;
  uint32_t
      obs_bounds; /* how many numbers obs_low and obs_high hold: 1 for all, or one an element */
  const int64_t* obs_shape;
  const double* obs_low;
  const double* obs_high;

  /* an action: action_size choices, part k in 0 .. action_choices[k] - 1, given as int64_t; or with
   * action_choices == NULL as many floats between the bounds */
  uint32_t action_size;
  uint32_t num_players; /* 1, or how many take turns */
  const int64_t* action_choices;
  const double* action_low;
  const double* action_high;

  int64_t max_episode_steps; /* 0: no limit; the user may choose another */

  uint32_t num_events; /* what a step counts, by name */
  uint32_t num_params;
  const char* const* event_names;
  const rollout_param* params;

  /* params: [num_params] the numbers in force, in the order of the table.
   * action: [action_size] int64_t or float. events: [num_events] counts, zero before the call. */
  int32_t (*reset)(const double* params, void* state, const rollout_key* key);
  int32_t (*step)(const double* params, void* state, const void* action, const rollout_key* key,
                  double* reward, uint8_t* terminated, uint8_t* events);
  int32_t (*observe)(const double* params, const void* state, void* obs);

  /* What follows may be NULL. */
  /* mask: [action_choices[0]] 1 where an action may be taken now, else 0: then others are refused
   */
  int32_t (*legal_actions)(const double* params, const void* state, int8_t* mask);
  /* whose turn it is, 0 .. num_players - 1; needed where num_players > 1 */
  int32_t (*to_play)(const double* params, const void* state, int32_t* player);
  const char* (*error_text)(int32_t code);
} rollout_env;

#if defined(_WIN32)
#define ROLLOUT_EXPORT __declspec(dllexport)
#else
#define ROLLOUT_EXPORT __attribute__((visibility("default")))
#endif

/* The library's environments by number, 0, 1, ..., then NULL. What it points to must stay as it is
 * for as long as the process runs. */
ROLLOUT_EXPORT const rollout_env* rollout_plugin(uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
