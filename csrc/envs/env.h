// What an environment is, for the native core.
//
// An environment is a struct of static functions over two plain types:
//
//   Params  what is fixed for a row's life (a layout, a pole length). Shared and read-only while
//           stepping; may own memory.
//   State   the whole world at one instant, its random state included: trivially copyable and of
//           fixed size, so a snapshot is a memcpy and a batch is one slab.
//
// Time limits, autoreset, seeding by row and threading belong to csrc/vec; an environment knows
// nothing of them. All functions are thread-safe for distinct states and never allocate.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rollout {

// Where in its life a row stands. All randomness of an environment is a pure function of this
// (philox.h), except where another package's own stream is promised (numpy_rng.h).
struct StepKey {
  std::uint64_t seed = 0;     // the row's own seed: base seed + row number, as Gymnasium gives it
  std::uint32_t episode = 0;  // 0 for the first episode of the seed, then 1, 2, ...
  std::uint32_t step = 0;     // 0 while resetting, 1 in the first step of the episode
  bool reseeded = false;      // true in the first reset after a seed was given
};

struct Outcome {
  double reward = 0.0;
  bool terminated = false;
};

// Optional outputs of one step. A null pointer means "not requested" and must cost nothing.
struct StepExtras {
  std::uint8_t* events =
      nullptr;  // [event_rows, event names] counts of this step, zeroed before the call
  float* signals = nullptr;  // [signal_width] such as a shaped reward a player, zeroed likewise
};

enum class Dtype : std::uint8_t { kUint8, kInt64, kFloat32, kFloat64 };

// One array of an observation that has several (a dict or a tuple of them).
struct ObsField {
  std::string name;                 // empty in every field: a tuple rather than a dict
  std::vector<std::int64_t> shape;  // one row; empty for a scalar
  Dtype dtype = Dtype::kFloat32;
  std::vector<double> low, high;   // as obs_low and obs_high
  std::vector<std::int64_t> nvec;  // {n}: Discrete(n), with shape {} and kInt64; empty: a box
  std::size_t offset = 0;          // of the field in E::Obs, in bytes
};

// What a batch must know to lay out slabs and spaces. Names become infos and docs in Python.
struct EnvSpec {
  std::string id;
  std::vector<std::int64_t> obs_shape;  // one row
  Dtype obs_dtype = Dtype::kFloat32;
  std::vector<double> obs_low, obs_high;  // one value for all, or one an element
  std::vector<std::int64_t> obs_nvec;     // {n}: Discrete(n), with obs_shape {} and kInt64
  std::vector<ObsField> obs_fields;       // not empty: these in place of the obs_... above
  // a discrete action has action_nvec = {n}; several make a MultiDiscrete; empty means a box
  std::vector<std::int64_t> action_nvec;
  bool action_is_scalar = true;  // Discrete rather than MultiDiscrete
  std::vector<double> action_low, action_high;
  std::int64_t max_episode_steps = 0;  // 0: no limit
  std::vector<std::string> event_names;
  std::int64_t event_rows = 1;            // players, where events are counted a player
  std::vector<std::string> signal_names;  // one a signal
  std::vector<std::int64_t> signal_widths;
  std::int64_t num_players = 1;  // who take turns; see ToPlay
};

// Thrown by an environment that cannot go on. Only plug-ins may, and say so (Abilities::fails): a
// batch then finds the row by its state, and puts every row back to what it was before the call.
struct EnvError : std::runtime_error {
  using std::runtime_error::runtime_error;

  std::string id, function;      // the environment, and which of its functions failed
  std::int32_t code = 0;         // the environment's own
  StepKey key;                   // while resetting and stepping
  const void* state = nullptr;   // whose
  std::vector<std::byte> bytes;  // of it, before the function changed any
  std::int64_t row = -1;
};

// Where `horizon` steps of some rows find their actions and leave their rewards: those of step t
// begin at t * stride rows.
template <class Action>
struct Course {
  const Action* actions = nullptr;
  float* rewards = nullptr;
  std::size_t stride = 0, horizon = 0;
};

// Rows of E that follow one another in memory: `stride` bytes from a state to the next, and what a
// step of row i takes and gives at element i. Nobody asks for observations where obs is null.
template <class E>
struct Strip {
  typename E::State& state(std::size_t i) const {
    return *reinterpret_cast<typename E::State*>(states + i * stride);
  }

  std::byte* states = nullptr;
  std::size_t stride = 0;
  const typename E::Action* actions = nullptr;
  typename E::Obs* obs = nullptr;
  double* reward = nullptr;
  bool* terminated = nullptr;
  std::size_t n = 0;
};

// The shape that csrc/vec expects of an environment E:
//
//   struct E {
//     using Action = std::int64_t;   // element type of an action row (int64_t or float)
//     using Obs = float;             // element type of an observation; a struct with obs_fields
//     struct Params { ... };
//     struct State { ... };          // trivially copyable
//     static EnvSpec Describe(const Params&);
//     static void Reset(const Params&, State&, const StepKey&);
//     static Outcome Step(const Params&, State&, const Action*, const StepKey&, const StepExtras&);
//     static void Observe(const Params&, const State&, Obs* out);
//   };
//
// and may also have
//
//     // rows worth handing to a thread: about 5 us of work
//     static constexpr std::size_t kGrainRows;
//     // Step for n rows, the same bits, no key or extras
//     static void StepMany(const Params&, State* const*, const Action* const*, Outcome*, size_t n);
//     // Step and Observe for the rows of a strip, the same bits, no key or extras; at most 64
//     rows.
//     // Rows whose episode has ended may be among them: Reset must set all that this changes
//     static void Sweep(const Params&, const Strip<E>&);
//     // many steps of n rows with nobody looking in between: the bits of StepMany, rewards rounded
//     to
//     // float. For an action of one number, and an environment that never terminates or draws.
//     static void RollMany(const Params&, State* const*, std::size_t n, const Course<Action>&);
//     // 1 where an action of action_nvec[0] may be taken now, else 0; all 0 once a game is over
//     static void LegalActions(const Params&, const State&, std::int8_t* mask);
//     // the same as a bit an action, where there are at most 64; for playouts
//     static std::uint64_t LegalBits(const Params&, const State&);
//     // where rewards, everyone's, are 0 before the step that terminates; for playouts
//     static constexpr bool kPaysAtEnd = true;
//     // where some actions are against the rules: a batch refuses them before it steps any row
//     static bool IsLegal(const Params&, const State&, const Action*);
//     // whose turn it is, 0 .. num_players - 1. A reward is then for the player who has moved,
//     // and a signal "rewards" of width num_players holds everyone's.
//     static int ToPlay(const Params&, const State&);
//     // a picture, [size, size, 3] of RGB bytes, the same for the same state
//     static void Render(const Params&, const State&, int size, std::uint8_t* rgb);
//     // where a state's size is known only at run time (plug-ins); State is its first bytes
//     static std::size_t StateBytes(const Params&);
template <class E>
concept Environment =
    std::is_trivially_copyable_v<typename E::State> &&
    requires(const typename E::Params& params, typename E::State& state, const StepKey& key,
             const typename E::Action* action, const StepExtras& extras, typename E::Obs* out) {
      { E::Describe(params) } -> std::same_as<EnvSpec>;
      { E::Reset(params, state, key) };
      { E::Step(params, state, action, key, extras) } -> std::same_as<Outcome>;
      { E::Observe(params, static_cast<const typename E::State&>(state), out) };
    };

}  // namespace rollout
