/* A counter to be brought to a goal: the smallest environment with all that a plug-in may have.
 *
 *   cc -O2 -shared -fPIC -I "$(python -c 'import rollout; print(rollout.envs.include_dir())')" \
 *      counter.c -o libcounter.so
 *   python -c 'import rollout; print(rollout.envs.load_plugin("./libcounter.so"))'
 */
#include <rollout/random.h>
#include <stddef.h>

typedef struct {
  int32_t count;
  int32_t goal;
} state_t;

enum { DOWN, STAY, UP, NUM_ACTIONS };
enum { REACHED, SLIPPED, NUM_EVENTS };
enum { SIZE, SLIP, NUM_PARAMS };
enum { OVERFLOW = 1 };

/* the places that draw random numbers */
enum { SITE_GOAL, SITE_SLIP };

static int32_t reset(const double* params, void* state, const rollout_key* key) {
  state_t* s = state;
  rollout_stream stream = rollout_stream_at(key, SITE_GOAL);
  s->count = 0;
  s->goal = 1 + (int32_t)rollout_below(&stream, (uint32_t)params[SIZE]);
  return 0;
}

static int32_t step(const double* params, void* state, const void* action, const rollout_key* key,
                    double* reward, uint8_t* terminated, uint8_t* events) {
  state_t* s = state;
  int64_t move = *(const int64_t*)action - 1;
  rollout_stream stream = rollout_stream_at(key, SITE_SLIP);
  if (rollout_uniform(&stream) < params[SLIP]) {
    move = 0;
    events[SLIPPED] = 1;
  }
  s->count += (int32_t)move;
  if (s->count > 1000) return OVERFLOW;
  *terminated = s->count == s->goal;
  *reward = *terminated ? 1.0 : -0.01;
  events[REACHED] = *terminated;
  return 0;
}

static int32_t observe(const double* params, const void* state, void* obs) {
  const state_t* s = state;
  float* out = obs;
  (void)params;
  out[0] = (float)s->count;
  out[1] = (float)s->goal;
  return 0;
}

/* it may not go below zero */
static int32_t legal_actions(const double* params, const void* state, int8_t* mask) {
  const state_t* s = state;
  (void)params;
  mask[DOWN] = s->count > 0;
  mask[STAY] = mask[UP] = 1;
  return 0;
}

static const char* error_text(int32_t code) {
  return code == OVERFLOW ? "the count is above 1000" : NULL;
}

static const int64_t obs_shape[] = {2}, choices[] = {NUM_ACTIONS};
static const double low[] = {0.0}, high[] = {1000.0};
static const char* const event_names[NUM_EVENTS] = {"reached", "slipped"};
static const rollout_param params[NUM_PARAMS] = {{"size", 10.0, 1.0, 1e6}, {"slip", 0.1, 0.0, 1.0}};

static const rollout_env counter = {
    .abi_version = ROLLOUT_ABI_VERSION, .struct_bytes = sizeof(rollout_env),
    .id = "Counter-v0", .summary = "count up to a random goal",
    .state_bytes = sizeof(state_t), .state_alignment = sizeof(int32_t),
    .obs_dtype = ROLLOUT_FLOAT32, .obs_ndim = 1, .obs_shape = obs_shape,
    .obs_bounds = 1, .obs_low = low, .obs_high = high,
    .action_size = 1, .num_players = 1, .action_choices = choices,
    .max_episode_steps = 100,
    .num_events = NUM_EVENTS, .event_names = event_names,
    .num_params = NUM_PARAMS, .params = params,
    .reset = reset, .step = step, .observe = observe,
    .legal_actions = legal_actions, .error_text = error_text,
};

const rollout_env* rollout_plugin(uint32_t index) { return index == 0 ? &counter : NULL; }
