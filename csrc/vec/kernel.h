// One environment's code behind a small table, so that a batch need not know which one it steps.
//
// A row is a blob: RowHeader, then the environment's State. It holds all that the row's future
// depends on, so copying it is a snapshot. A kernel steps chunks of rows; inside a chunk the calls
// into the environment are known at compile time and inline. Kernels own their Params, are
// immutable, and are thread-safe for disjoint rows. Rows and outputs belong to the caller.
//
//   slab   | header | state | pad | header | state | pad | ...    row i starts at i * row_bytes()
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "envs/env.h"

namespace rollout {

// What happens to a row whose episode has ended, when it is stepped.
enum class Autoreset : int {
  kNextStep = 0,  // the next step resets it, ignoring the action
  kSameStep = 1,  // it is reset at once; the last observation goes to final_obs
  kDisabled = 2,  // it stays as it is: reward 0, the same ends again
};

// Rows start at multiples of this; no State asks for more.
constexpr std::size_t kRowAlignment = 16;

struct RowHeader {
  std::uint64_t seed = 0;
  std::uint32_t episode = 0;
  std::uint32_t step = 0;       // steps taken in this episode
  std::uint8_t begun = 0;       // reset at least once
  std::uint8_t terminated = 0;  // the episode has ended by the environment's rules
  std::uint8_t truncated = 0;   // the episode has ended by the step limit
  std::uint8_t unused[5] = {};

  bool ended() const { return (terminated | truncated) != 0; }
};
static_assert(sizeof(RowHeader) == 24);

// One slab a field, row i of a chunk at element i. A null pointer means "not requested".
struct StepOutputs {
  void* obs = nullptr;
  double* reward = nullptr;
  bool* terminated = nullptr;
  bool* truncated = nullptr;
  std::uint8_t* events = nullptr;
  float* signals = nullptr;
  bool* stepped = nullptr;    // false where the row was reset instead (or stays ended)
  void* final_obs = nullptr;  // needed by kSameStep; written only where an episode ended
};

struct ResetRequest {
  const std::uint64_t* seeds = nullptr;  // null: no row gets a new seed
  const bool* seeded = nullptr;          // which rows take theirs from `seeds`; null: all
  const bool* mask = nullptr;            // which rows to reset; null: all
  std::uint64_t entropy = 0;             // seeds a row that never had a seed: entropy + row
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  const EnvSpec& spec() const { return spec_; }
  std::size_t row_bytes() const { return row_bytes_; }
  std::size_t grain() const { return grain_; }          // rows a chunk when threads share the work
  std::size_t obs_size() const { return obs_size_; }    // elements a row
  std::size_t obs_bytes() const { return obs_bytes_; }  // bytes a row
  std::size_t action_size() const { return action_size_; }
  std::size_t event_size() const { return event_size_; }
  std::size_t signal_size() const { return signal_size_; }

  static RowHeader& Header(std::byte* row) { return *reinterpret_cast<RowHeader*>(row); }
  static const RowHeader& Header(const std::byte* row) {
    return *reinterpret_cast<const RowHeader*>(row);
  }

  // All three work on rows [begin, end) of a slab and of the outputs.
  virtual void Reset(std::byte* slab, const ResetRequest& request, void* obs, std::size_t begin,
                     std::size_t end) const = 0;
  virtual void Step(std::byte* slab, const void* actions, Autoreset mode, const StepOutputs& out,
                    std::size_t begin, std::size_t end) const = 0;
  virtual void Observe(const std::byte* slab, void* obs, std::size_t begin,
                       std::size_t end) const = 0;

 protected:
  Kernel(EnvSpec spec, std::size_t row_bytes, std::size_t grain, std::size_t obs_element_bytes);

 private:
  EnvSpec spec_;
  std::size_t row_bytes_, grain_, obs_size_, obs_bytes_, action_size_, event_size_, signal_size_;
};

// An environment may offer StepMany: the same bits as Step for n rows at once, without key or
// extras.
template <class E>
concept StepsMany = requires(const typename E::Params& params, typename E::State* const* states,
                             const typename E::Action* const* actions, Outcome* outcomes,
                             std::size_t n) { E::StepMany(params, states, actions, outcomes, n); };

template <Environment E>
class KernelOf final : public Kernel {
 public:
  using Params = typename E::Params;
  using State = typename E::State;
  using Action = typename E::Action;
  using Obs = typename E::Obs;

  struct Row {
    RowHeader header;
    State state;
  };
  static_assert(alignof(Row) <= kRowAlignment);

  explicit KernelOf(Params params)
      : Kernel(E::Describe(params), sizeof(Row), Grain(), sizeof(Obs)),
        params_(std::move(params)) {}

  const Params& params() const { return params_; }
  static State& StateOf(std::byte* row) { return reinterpret_cast<Row*>(row)->state; }
  static const State& StateOf(const std::byte* row) {
    return reinterpret_cast<const Row*>(row)->state;
  }

  void Reset(std::byte* slab, const ResetRequest& request, void* obs, std::size_t begin,
             std::size_t end) const override {
    Row* rows = reinterpret_cast<Row*>(slab);
    for (std::size_t i = begin; i < end; ++i) {
      if (request.mask == nullptr || request.mask[i]) {
        RowHeader& header = rows[i].header;
        const bool given =
            request.seeds != nullptr && (request.seeded == nullptr || request.seeded[i]);
        const bool reseeded = given || !header.begun;
        if (reseeded) header.seed = given ? request.seeds[i] : request.entropy + i;
        Begin(rows[i], reseeded);
      }
      E::Observe(params_, std::as_const(rows[i].state), ObsRow(obs, i));
    }
  }

  void Step(std::byte* slab, const void* actions, Autoreset mode, const StepOutputs& out,
            std::size_t begin, std::size_t end) const override {
    Row* rows = reinterpret_cast<Row*>(slab);
    constexpr std::size_t kBlock = 64;
    State* states[kBlock];
    const Action* acts[kBlock];
    std::size_t index[kBlock];
    Outcome outcomes[kBlock];

    for (std::size_t start = begin; start < end; start += kBlock) {
      const std::size_t stop = std::min(start + kBlock, end);
      ClearExtras(out, start, stop);

      // rows whose episode has ended need no step; gather the others
      std::size_t live = 0;
      for (std::size_t i = start; i < stop; ++i) {
        if (rows[i].header.ended()) {
          PassEnded(rows[i], mode, out, i);
          continue;
        }
        states[live] = &rows[i].state;
        acts[live] = static_cast<const Action*>(actions) + i * action_size();
        index[live++] = i;
      }

      bool stepped = false;
      if constexpr (StepsMany<E>) {
        E::StepMany(params_, states, acts, outcomes, live);
        stepped = true;
      }
      for (std::size_t k = 0; k < live; ++k) {
        Row& row = rows[index[k]];
        ++row.header.step;
        if (!stepped) {
          outcomes[k] =
              E::Step(params_, row.state, acts[k], Key(row.header), Extras(out, index[k]));
        }
        Finish(row, outcomes[k], mode, out, index[k]);
      }
    }
  }

  void Observe(const std::byte* slab, void* obs, std::size_t begin,
               std::size_t end) const override {
    const Row* rows = reinterpret_cast<const Row*>(slab);
    for (std::size_t i = begin; i < end; ++i) {
      E::Observe(params_, rows[i].state, ObsRow(obs, i));
    }
  }

 private:
  static constexpr std::size_t Grain() {
    if constexpr (requires { E::kGrainRows; }) {
      return E::kGrainRows;
    } else {
      return 16;
    }
  }

  static StepKey Key(const RowHeader& header) {
    return {header.seed, header.episode, header.step, false};
  }

  Obs* ObsRow(void* obs, std::size_t i) const { return static_cast<Obs*>(obs) + i * obs_size(); }

  StepExtras Extras(const StepOutputs& out, std::size_t i) const {
    return {out.events == nullptr ? nullptr : out.events + i * event_size(),
            out.signals == nullptr ? nullptr : out.signals + i * signal_size()};
  }

  void ClearExtras(const StepOutputs& out, std::size_t start, std::size_t stop) const {
    const std::size_t n = stop - start;
    if (out.events != nullptr) {
      std::memset(out.events + start * event_size(), 0, n * event_size());
    }
    if (out.signals != nullptr) {
      std::memset(out.signals + start * signal_size(), 0, n * signal_size() * sizeof(float));
    }
  }

  // starts an episode: the first of its seed, or the one after the last
  void Begin(Row& row, bool reseeded) const {
    RowHeader& header = row.header;
    header.episode = reseeded ? 0 : header.episode + 1;
    header.step = 0;
    header.begun = 1;
    header.terminated = header.truncated = 0;
    StepKey key = Key(header);
    key.reseeded = reseeded;
    E::Reset(params_, row.state, key);
  }

  void PassEnded(Row& row, Autoreset mode, const StepOutputs& out, std::size_t i) const {
    if (mode != Autoreset::kDisabled) Begin(row, false);
    if (out.stepped != nullptr) out.stepped[i] = false;
    out.reward[i] = 0.0;
    out.terminated[i] = row.header.terminated != 0;
    out.truncated[i] = row.header.truncated != 0;
    E::Observe(params_, std::as_const(row.state), ObsRow(out.obs, i));
  }

  void Finish(Row& row, const Outcome& outcome, Autoreset mode, const StepOutputs& out,
              std::size_t i) const {
    RowHeader& header = row.header;
    const std::int64_t limit = spec().max_episode_steps;
    header.terminated = outcome.terminated;
    header.truncated = limit > 0 && header.step >= limit;
    if (out.stepped != nullptr) out.stepped[i] = true;
    out.reward[i] = outcome.reward;
    out.terminated[i] = header.terminated != 0;
    out.truncated[i] = header.truncated != 0;
    if (mode == Autoreset::kSameStep && header.ended()) {
      E::Observe(params_, std::as_const(row.state), ObsRow(out.final_obs, i));
      Begin(row, false);
    }
    E::Observe(params_, std::as_const(row.state), ObsRow(out.obs, i));
  }

  const Params params_;
};

}  // namespace rollout
