/* A rule of your own for choosing actions in a search tree: C99, no dependence on rollout's code.
 *
 * The search calls it at every node of a descent, on several threads at once and without Python's
 * lock: it reads what it is given, writes scores, and keeps no pointer. The allowed action with the
 * highest score is taken; among equals (within 1e-7) one is drawn. A score that is NaN ends the
 * search with an error that names the row.
 *
 * Python takes a function's address with rollout.search.selection_rule, from ctypes or cffi.
 */
#ifndef ROLLOUT_SELECTION_H
#define ROLLOUT_SELECTION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rollout_node {
  int32_t num_actions; /* the length of the arrays */
  int32_t depth;       /* edges from the root */
  int32_t simulation;  /* of this row, from 0 */
  int32_t visits;      /* 1 for the node's own evaluation and 1 for each visit below it */
  float value;         /* mean of that evaluation and of the returns through the node */
  float raw_value;     /* what the model said */
} rollout_node;

/* prior:  softmax of the logits; negative where an action is not allowed.
 * logits: the model's; at the root with the policy's noise, the most negative float where an
 *         action is not allowed.
 * q:      reward + discount * value of each action, 0 where it was never visited.
 * visits: of each action.
 * params: numbers of yours.
 * scores: holds q as the policy's qtransform scales it; add to it, or overwrite it. What is written
 *         for an action that is not allowed is ignored. */
typedef void (*rollout_selection)(const rollout_node* node, const float* prior, const float* logits,
                                  const float* q, const int32_t* visits, const double* params,
                                  float* scores);

#ifdef __cplusplus
}
#endif

#endif
