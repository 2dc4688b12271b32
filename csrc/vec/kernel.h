// One environment's code behind a small table, so that a batch need not know which one it steps.
//
// A row is a blob: RowHeader, then the environment's State, then the frames it has seen where they
// are stacked. It holds all that the row's future depends on, so copying it is a snapshot. A kernel
// steps chunks of rows; inside a chunk the calls into the environment are known at compile time and
// inline. Kernels own their Params, are immutable, and are thread-safe for disjoint rows. Rows and
// outputs belong to the caller.
//
//   slab   | header | state | frames | pad | header | state | ...    row i starts at i *
//   row_bytes()
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/philox.h"
#include "core/simd.h"
#include "envs/env.h"
#include "vec/playout.h"

namespace rollout {

// What happens to a row whose episode has ended, when it is stepped.
enum class Autoreset : int {
  kNextStep = 0,  // the next step resets it, ignoring the action
  kSameStep = 1,  // it is reset at once; how it ended goes to final_view
  kDisabled = 2,  // it stays as it is: reward 0, the same ends again
};

// Rows start at multiples of this; no State asks for more.
constexpr std::size_t kRowAlignment = 16;

constexpr std::size_t AlignUp(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

struct RowHeader {
  std::uint64_t seed = 0;
  std::uint32_t episode = 0;
  std::uint32_t step = 0;       // steps taken in this episode
  std::uint8_t begun = 0;       // reset at least once
  std::uint8_t terminated = 0;  // the episode has ended by the environment's rules
  std::uint8_t truncated = 0;   // the episode has ended by the step limit
  std::uint8_t unused = 0;
  std::uint16_t params = 0;  // which of the kernel's Params are the row's
  std::uint16_t unused2 = 0;

  bool ended() const { return (terminated | truncated) != 0; }
};
static_assert(sizeof(RowHeader) == 24);

// What is to be seen of rows, one slab a part, row i of a chunk at element i. A null pointer means
// "not wanted" and costs nothing.
struct View {
  void* const* obs = nullptr;          // a slab for each of the kernel's obs_fields
  std::int8_t* action_mask = nullptr;  // [mask_size]
  std::int64_t* to_play = nullptr;
  std::uint8_t* picture = nullptr;  // [picture_size, picture_size, 3]
  int picture_size = 0;             // in pixels
};

struct StepOutputs {
  View view;
  double* reward = nullptr;
  bool* terminated = nullptr;
  bool* truncated = nullptr;
  std::uint8_t* events = nullptr;
  float* signals = nullptr;
  bool* stepped = nullptr;  // false where the row was reset instead (or stays ended)
  View final_view;          // for kSameStep; written only where an episode ended
};

struct ResetRequest {
  const std::uint64_t* seeds = nullptr;   // null: no row gets a new seed
  const bool* seeded = nullptr;           // which rows take theirs from `seeds`; null: all
  const bool* mask = nullptr;             // which rows to reset; null: all
  std::uint64_t entropy = 0;              // seeds a row that never had a seed: entropy + row
  const std::uint16_t* params = nullptr;  // which Params the reset rows take; null: theirs
};

// What an environment can do beyond stepping.
struct Abilities {
  bool action_mask = false;  // E::LegalActions
  bool legality = false;     // E::IsLegal
  bool to_play = false;      // E::ToPlay
  bool pictures = false;     // E::Render
  bool fails = false;        // any function of E may throw EnvError
  bool playouts = false;     // one discrete action, and everyone's rewards are known
};

// What is added to any environment.
struct KernelOptions {
  std::size_t frame_stack = 1;  // observations are the last so many, the oldest first
  int picture_size = 0;         // not 0: observations are pictures, so many pixels a side
  double reward_scale = 1.0;
  bool redraw_params = false;        // each episode takes any of the Params, all equally likely
  std::vector<std::int64_t> limits;  // step limits, one a Params; empty: as their specs say
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  const EnvSpec& spec() const { return specs_[0]; }
  // How many Params there are, for rows that differ. Their specs agree but in the step limit.
  std::size_t num_params() const { return specs_.size(); }
  std::int64_t limit(std::size_t params) const { return limits_[params]; }  // 0: none
  const KernelOptions& options() const { return options_; }
  const Abilities& can() const { return can_; }
  std::size_t row_bytes() const { return row_bytes_; }
  std::size_t grain() const { return grain_; }  // rows a chunk when threads share the work

  // The arrays of one frame of an observation: a picture, or the spec's fields, or its single array
  // as a field without a name.
  const std::vector<ObsField>& obs_fields() const { return obs_fields_; }
  bool obs_is_single() const { return obs_is_single_; }
  std::size_t frame_bytes(std::size_t field) const { return frame_bytes_[field]; }
  // Elements a row.
  std::size_t action_size() const { return action_size_; }
  std::size_t action_bytes() const {
    return action_size_ * (spec().action_nvec.empty() ? sizeof(float) : sizeof(std::int64_t));
  }
  std::size_t event_size() const { return event_size_; }
  std::size_t signal_size() const { return signal_size_; }
  std::size_t mask_size() const { return mask_size_; }
  std::size_t rewards_at() const { return rewards_at_; }  // of "rewards" among the signals

  static RowHeader& Header(std::byte* row) { return *reinterpret_cast<RowHeader*>(row); }
  static const RowHeader& Header(const std::byte* row) {
    return *reinterpret_cast<const RowHeader*>(row);
  }

  // The same environment with options, and with the Params of several kernels of it: row i's are
  // those of parts[header.params]. Throws std::invalid_argument where they do not fit together.
  virtual std::shared_ptr<const Kernel> Join(
      const std::vector<std::shared_ptr<const Kernel>>& parts,
      const KernelOptions& options) const = 0;

  // Steps a row that has not ended, without autoreset; whose turn it is then. rewards:
  // [num_players], everyone's, as Step would tell them. Only where can().playouts.
  virtual std::int64_t Play(std::byte* row, std::int64_t action, PlayoutSpace& space,
                            double* rewards) const = 0;

  // Plays a row's episode on (playout.h), for at most max_steps; how many there were. returns:
  // [num_players], the sums of their rewards. Only where can().playouts.
  virtual std::uint32_t Playout(std::byte* row, std::uint64_t seed, std::uint32_t max_steps,
                                PlayoutSpace& space, double* returns) const = 0;

  // All of these work on rows [begin, end) of a slab and of the outputs.
  virtual void Reset(std::byte* slab, const ResetRequest& request, const View& view,
                     std::size_t begin, std::size_t end) const = 0;
  virtual void Step(std::byte* slab, const void* actions, Autoreset mode, const StepOutputs& out,
                    std::size_t begin, std::size_t end) const = 0;
  // Steps rows [0, n) on, as often as goes without looking at them in between, at most `horizon`
  // times; how often that was, 0 for most environments. There is no autoreset. actions: of step t
  // from element t * stride on; rewards likewise.
  virtual std::size_t Roll(std::byte* slab, std::size_t n, const void* actions, float* rewards,
                           std::size_t stride, std::size_t horizon) const = 0;
  virtual void Look(const std::byte* slab, const View& view, std::size_t begin,
                    std::size_t end) const = 0;
  // The first row that may not take its action; `end` if there is none. Rows that have ended may.
  virtual std::size_t FirstIllegal(const std::byte* slab, const void* actions, std::size_t begin,
                                   std::size_t end) const = 0;
  // Forgets the frames before now, after a row's state was set from outside.
  virtual void ForgetFrames(std::byte* row) const = 0;

 protected:
  struct Facts {
    std::vector<EnvSpec> specs;  // one a Params
    Abilities can;
    std::size_t state_end = 0;  // bytes of header and state
    std::size_t grain = 1;
    std::size_t obs_struct_bytes = 0;  // sizeof(E::Obs) where that is a struct of fields
  };

  // Throws std::invalid_argument for specs that contradict themselves or one another.
  Kernel(Facts facts, KernelOptions options);

  // Copies the fields of one observation, a struct, to element i of their slabs.
  void Scatter(const void* obs, void* const* slabs, std::size_t i) const {
    if (obs_is_words_) {
      for (std::size_t f = 0; f < scatter_.size(); ++f) {
        const auto* const from = static_cast<const std::byte*>(obs) + f * sizeof(std::int64_t);
        std::memcpy(static_cast<std::int64_t*>(slabs[f]) + i, from, sizeof(std::int64_t));
      }
      return;
    }
    for (std::size_t f = 0; f < scatter_.size(); ++f) {
      const auto [offset, bytes] = scatter_[f];
      const std::byte* const from = static_cast<const std::byte*>(obs) + offset;
      std::byte* const to = static_cast<std::byte*>(slabs[f]) + i * bytes;
      if (bytes == sizeof(std::int64_t)) {  // a single number, most often: no call for that
        std::memcpy(to, from, sizeof(std::int64_t));
      } else {
        std::memcpy(to, from, bytes);
      }
    }
  }

  // A row's frames are a ring a field. These write to the newest frame's place (or to all), and
  // copy the ring to element i of slabs, the oldest first.
  static constexpr std::size_t kMostFields = 32;
  void FrameSlabs(std::byte* row, void** slabs) const;
  void RepeatFrame(std::byte* row) const;
  void CopyFrames(const std::byte* row, void* const* slabs, std::size_t i) const;
  std::size_t FrameNow(const std::byte* row) const {
    return Header(row).step % options_.frame_stack;
  }

 private:
  std::vector<EnvSpec> specs_;
  std::vector<std::int64_t> limits_;
  KernelOptions options_;
  Abilities can_;
  std::vector<ObsField> obs_fields_;
  std::vector<std::size_t> frame_bytes_;
  std::vector<std::pair<std::size_t, std::size_t>> scatter_;  // offset and bytes of each field
  bool obs_is_single_;
  bool obs_is_words_;  // a struct of single numbers of eight bytes
  std::size_t frames_at_, row_bytes_, grain_;
  std::size_t action_size_, event_size_, signal_size_, mask_size_, rewards_at_;
};

template <Environment E>
class KernelOf final : public Kernel {
 public:
  using Params = typename E::Params;
  using State = typename E::State;
  using Action = typename E::Action;
  using Obs = typename E::Obs;
  static_assert(alignof(State) <= kRowAlignment);

  using Table = std::vector<std::shared_ptr<const Params>>;

  explicit KernelOf(Params params)
      : KernelOf(Table{std::make_shared<const Params>(std::move(params))}, {}) {}

  KernelOf(Table table, KernelOptions options)
      : Kernel(FactsOf(table), std::move(options)), table_(std::move(table)) {}

  const Params& ParamsOf(const std::byte* row) const { return *table_[Header(row).params]; }
  static State& StateOf(std::byte* row) { return *reinterpret_cast<State*>(row + kStateAt); }
  static const State& StateOf(const std::byte* row) {
    return *reinterpret_cast<const State*>(row + kStateAt);
  }

  std::shared_ptr<const Kernel> Join(const std::vector<std::shared_ptr<const Kernel>>& parts,
                                     const KernelOptions& options) const override {
    Table table;
    for (const auto& part : parts) table.push_back(static_cast<const KernelOf&>(*part).table_[0]);
    return std::make_shared<KernelOf>(std::move(table), options);
  }

  void Reset(std::byte* slab, const ResetRequest& request, const View& view, std::size_t begin,
             std::size_t end) const override {
    for (std::size_t i = begin; i < end; ++i) {
      std::byte* const row = slab + i * row_bytes();
      if (request.mask == nullptr || request.mask[i]) {
        RowHeader& header = Header(row);
        const bool given =
            request.seeds != nullptr && (request.seeded == nullptr || request.seeded[i]);
        const bool reseeded = given || !header.begun;
        if (reseeded) header.seed = given ? request.seeds[i] : request.entropy + i;
        if (request.params != nullptr) header.params = request.params[i];
        Begin(row, reseeded);
      }
      LookAt(row, view, i);
    }
  }

  void Step(std::byte* slab, const void* actions, Autoreset mode, const StepOutputs& out,
            std::size_t begin, std::size_t end) const override {
    std::uint8_t live[kBlock], over[kBlock];  // rows of a block
    [[maybe_unused]] State* states[kBlock];
    [[maybe_unused]] const Action* acts[kBlock];
    [[maybe_unused]] Outcome outcomes[kBlock];
    const Plain plain(*this, mode, out);
    const std::size_t bytes = row_bytes(), width = action_size();

    for (std::size_t start = begin; start < end; start += kBlock) {
      const std::size_t count = std::min(kBlock, end - start);
      std::byte* const block = slab + start * bytes;
      const Action* const taken = ActionOf(actions, start);
      if constexpr (kSweeps) {
        if (plain.fits && mode == Autoreset::kNextStep) {
          Sweep(block, taken, plain, out, start, count);
          continue;
        }
      }
      ClearExtras(out, start, start + count);

      // rows whose episode has ended need no step; part them from the others without a branch,
      // since nobody can guess which they are
      std::size_t num_live = 0, num_over = 0;
      const std::byte* each = block;
      for (std::size_t k = 0; k < count; ++k, each += bytes) {
        const bool ended = Header(each).ended();
        live[num_live] = over[num_over] = static_cast<std::uint8_t>(k);
        num_live += !ended;
        num_over += ended;
      }
      for (std::size_t j = 0; j < num_over; ++j) {
        PassEnded(block + over[j] * bytes, mode, out, start + over[j]);
      }

      if constexpr (kStepsMany) {
        for (std::size_t j = 0; j < num_live; ++j) {
          states[j] = &StateOf(block + live[j] * bytes);
          acts[j] = taken + live[j] * width;
        }
        // rows that follow one another and share Params go together
        const auto params_of = [&](std::size_t j) {
          return Header(block + live[j] * bytes).params;
        };
        for (std::size_t first = 0, last = 0; first < num_live; first = last) {
          const std::uint16_t params = params_of(first);
          last = num_params() == 1 ? num_live : first + 1;
          while (last < num_live && params_of(last) == params) ++last;
          E::StepMany(*table_[params], states + first, acts + first, outcomes + first,
                      last - first);
        }
      }
      for (std::size_t j = 0; j < num_live; ++j) {
        std::byte* const row = block + live[j] * bytes;
        const std::size_t i = start + live[j];
        RowHeader& header = Header(row);
        ++header.step;
        Outcome outcome;
        if constexpr (kStepsMany) {
          outcome = outcomes[j];
        } else {
          outcome = E::Step(ParamsOf(row), StateOf(row), taken + live[j] * width, Key(header),
                            Extras(out, i));
        }
        if (plain.fits) {
          plain.Finish(row, outcome, i);
        } else {
          Finish(row, outcome, mode, out, i);
        }
      }
    }
  }

  std::size_t Roll([[maybe_unused]] std::byte* slab, [[maybe_unused]] std::size_t n,
                   [[maybe_unused]] const void* actions, [[maybe_unused]] float* rewards,
                   [[maybe_unused]] std::size_t stride,
                   [[maybe_unused]] std::size_t horizon) const override {
    if constexpr (kRolls) {
      if (options().frame_stack > 1 || options().reward_scale != 1.0) return 0;
      std::size_t steps = horizon;
      for (std::size_t i = 0; i < n; ++i) {
        const RowHeader& header = Header(slab + i * row_bytes());
        const auto limit = static_cast<std::size_t>(this->limit(header.params));
        if (header.ended()) return 0;
        if (limit > 0) steps = std::min(steps, limit - std::min<std::size_t>(limit, header.step));
      }
      if (steps == 0) return 0;
      State* states[kBlock];
      for (std::size_t first = 0, last = 0; first < n; first = last) {
        // rows that follow one another and share Params go together
        const std::uint16_t params = Header(slab + first * row_bytes()).params;
        for (last = first; last < n && last - first < kBlock; ++last) {
          std::byte* const row = slab + last * row_bytes();
          RowHeader& header = Header(row);
          if (header.params != params) break;
          header.step += static_cast<std::uint32_t>(steps);
          const std::int64_t limit = this->limit(params);
          header.truncated = limit > 0 && header.step >= limit;
          states[last - first] = &StateOf(row);
        }
        E::RollMany(*table_[params], states, last - first,
                    {static_cast<const Action*>(actions) + first, rewards + first, stride, steps});
      }
      return steps;
    }
    return 0;
  }

  void Look(const std::byte* slab, const View& view, std::size_t begin,
            std::size_t end) const override {
    for (std::size_t i = begin; i < end; ++i) LookAt(slab + i * row_bytes(), view, i);
  }

  std::size_t FirstIllegal(const std::byte* slab, const void* actions, std::size_t begin,
                           std::size_t end) const override {
    if constexpr (kLegality) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::byte* const row = slab + i * row_bytes();
        if (Header(row).ended()) continue;
        if (!E::IsLegal(ParamsOf(row), StateOf(row), ActionOf(actions, i))) return i;
      }
    }
    return end;
  }

  std::int64_t Play(std::byte* row, std::int64_t action, PlayoutSpace& space,
                    double* rewards) const override {
    if constexpr (std::is_same_v<Action, std::int64_t>) {
      RowHeader& header = Header(row);
      const bool turns = kTurns && can().to_play;
      ++header.step;
      float* const signals = turns ? space.ClearedSignals() : nullptr;
      const Outcome outcome =
          E::Step(ParamsOf(row), StateOf(row), &action, Key(header), {nullptr, signals});
      End(header, outcome);
      if (options().frame_stack > 1) AddFrame(row);
      const double scale = options().reward_scale;
      if (!turns) rewards[0] = outcome.reward * scale;
      const auto players = static_cast<std::size_t>(spec().num_players);
      for (std::size_t p = 0; turns && p < players; ++p) {
        rewards[p] = scale * static_cast<double>(signals[rewards_at() + p]);
      }
      if constexpr (kTurns) {
        if (turns) return E::ToPlay(ParamsOf(row), StateOf(row));
      }
    }
    return 0;
  }

  std::uint32_t Playout(std::byte* row, std::uint64_t seed, std::uint32_t max_steps,
                        PlayoutSpace& space, double* returns) const override {
#ifdef ROLLOUT_HAS_AVX2_TARGET
    if constexpr (kBits) {
      if (ActiveSimd() >= SimdLevel::kAvx2) {
        return PlayoutBmi2(row, seed, max_steps, space, returns);
      }
    }
#endif
    return PlayoutHere<NthBit>(row, seed, max_steps, space, returns);
  }

  void ForgetFrames(std::byte* row) const override {
    if (options().frame_stack == 1) return;
    AddFrame(row);
    RepeatFrame(row);
  }

 private:
  static constexpr std::size_t kBlock = 64;  // rows stepped together
  static constexpr std::size_t kStateAt = AlignUp(sizeof(RowHeader), alignof(State));
  static constexpr bool kFields = std::is_class_v<Obs>;
  static constexpr bool kStepsMany = requires(
      const Params& params, State* const* states, const Action* const* actions, Outcome* outcomes,
      std::size_t n) { E::StepMany(params, states, actions, outcomes, n); };
  static constexpr bool kSweeps =
      requires(const Params& params, const Strip<E>& strip) { E::Sweep(params, strip); };
  static constexpr bool kRolls =
      requires(const Params& params, State* const* states, std::size_t n,
               const Course<Action>& course) { E::RollMany(params, states, n, course); };
  static constexpr bool kMask =
      requires(const Params& params, const State& state, std::int8_t* mask) {
        E::LegalActions(params, state, mask);
      };
  static constexpr bool kBits =
      requires(const Params& params, const State& state) { E::LegalBits(params, state); };
  static constexpr bool kPaysAtEnd = requires { E::kPaysAtEnd; };
  static constexpr bool kLegality =
      requires(const Params& params, const State& state, const Action* action) {
        E::IsLegal(params, state, action);
      };
  static constexpr bool kTurns =
      requires(const Params& params, const State& state) { E::ToPlay(params, state); };
  static constexpr bool kPictures =
      requires(const Params& params, const State& state, std::uint8_t* rgb) {
        E::Render(params, state, 64, rgb);
      };

  static constexpr std::size_t Grain() {
    if constexpr (requires { E::kGrainRows; }) {
      return E::kGrainRows;
    } else {
      return 16;
    }
  }

  static std::size_t StateBytes([[maybe_unused]] const Params& params) {
    if constexpr (requires { E::StateBytes(params); }) {
      return E::StateBytes(params);
    } else {
      return sizeof(State);
    }
  }

  // an environment whose abilities are known only at run time tells them itself
  static Abilities Can([[maybe_unused]] const Params& params) {
    if constexpr (requires { E::Can(params); }) {
      return E::Can(params);
    } else {
      return {kMask, kLegality, kTurns, kPictures};
    }
  }

  static Facts FactsOf(const Table& table) {
    Facts facts;
    for (const auto& params : table) facts.specs.push_back(E::Describe(*params));
    facts.can = Can(*table[0]);
    facts.state_end = kStateAt;
    for (const auto& params : table) {
      facts.state_end = std::max(facts.state_end, kStateAt + StateBytes(*params));
    }
    facts.grain = Grain();
    facts.obs_struct_bytes = kFields ? sizeof(Obs) : 0;
    return facts;
  }

  static StepKey Key(const RowHeader& header) {
    return {header.seed, header.episode, header.step, false};
  }

  const Action* ActionOf(const void* actions, std::size_t i) const {
    return static_cast<const Action*>(actions) + i * action_size();
  }

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

  void End(RowHeader& header, const Outcome& outcome) const {
    const std::int64_t limit = this->limit(header.params);
    header.terminated = outcome.terminated;
    header.truncated = limit > 0 && header.step >= limit;
  }

  // a legal action, each as likely; -1 if there is none
  template <class Nth>
  __attribute__((always_inline)) Action Choose([[maybe_unused]] const Params& params,
                                               [[maybe_unused]] const State& state,
                                               [[maybe_unused]] PlayoutSpace& space,
                                               PlayoutChoices& choices) const {
    if constexpr (kBits) {
      const std::uint64_t bits = E::LegalBits(params, state);
      if (bits == 0) return -1;
      return Nth::Of(bits, choices.Below(static_cast<std::uint32_t>(std::popcount(bits))));
    } else {
      if constexpr (kMask) {
        if (can().action_mask) E::LegalActions(params, state, space.mask());
      }
      return space.Pick(choices);
    }
  }

  template <class Nth>
  __attribute__((always_inline)) std::uint32_t PlayoutHere(std::byte* row, std::uint64_t seed,
                                                           std::uint32_t max_steps,
                                                           PlayoutSpace& space,
                                                           double* returns) const {
    RowHeader& header = Header(row);
    const auto players = static_cast<std::size_t>(spec().num_players);
    header.seed = seed;
    std::fill(returns, returns + players, 0.0);
    std::uint32_t steps = 0;
    if constexpr (std::is_same_v<Action, std::int64_t>) {
      State& state = StateOf(row);
      const Params& params = ParamsOf(row);
      const bool turns = kTurns && can().to_play;
      PlayoutChoices choices(seed);
      float* const signals = turns ? space.ClearedSignals() : nullptr;
      for (; !header.ended() && steps < max_steps; ++steps) {
        const Action action = Choose<Nth>(params, state, space, choices);
        if (action < 0) break;
        ++header.step;
        if (!kPaysAtEnd && turns) space.ClearedSignals();
        const Outcome outcome = E::Step(params, state, &action, Key(header), {nullptr, signals});
        End(header, outcome);
        if (kPaysAtEnd && !outcome.terminated) continue;
        if (!turns) returns[0] += outcome.reward;
        for (std::size_t p = 0; turns && p < players; ++p) returns[p] += signals[rewards_at() + p];
      }
    }
    return steps;
  }
#ifdef ROLLOUT_HAS_AVX2_TARGET
  __attribute__((target("avx2,bmi,bmi2,popcnt"))) std::uint32_t PlayoutBmi2(std::byte* row,
                                                                            std::uint64_t seed,
                                                                            std::uint32_t max_steps,
                                                                            PlayoutSpace& space,
                                                                            double* returns) const {
    return PlayoutHere<NthBitBmi2>(row, seed, max_steps, space, returns);
  }
#endif

  // starts an episode: the first of its seed, or the one after the last
  void Begin(std::byte* row, bool reseeded) const {
    RowHeader& header = Header(row);
    header.episode = reseeded ? 0 : header.episode + 1;
    header.step = 0;
    header.begun = 1;
    header.terminated = header.truncated = 0;
    if (options().redraw_params) {
      PhiloxStream draw(header.seed, header.episode, 0, kParamsSite);
      header.params =
          static_cast<std::uint16_t>(draw.Below(static_cast<std::uint32_t>(num_params())));
    }
    StepKey key = Key(header);
    key.reseeded = reseeded;
    E::Reset(ParamsOf(row), StateOf(row), key);
    ForgetFrames(row);
  }

  void PassEnded(std::byte* row, Autoreset mode, const StepOutputs& out, std::size_t i) const {
    if (mode != Autoreset::kDisabled) Begin(row, false);
    const RowHeader& header = Header(row);
    if (out.stepped != nullptr) out.stepped[i] = false;
    out.reward[i] = 0.0;
    out.terminated[i] = header.terminated != 0;
    out.truncated[i] = header.truncated != 0;
    LookAt(row, out.view, i);
  }

  void Finish(std::byte* row, const Outcome& outcome, Autoreset mode, const StepOutputs& out,
              std::size_t i) const {
    RowHeader& header = Header(row);
    End(header, outcome);
    if (out.stepped != nullptr) out.stepped[i] = true;
    out.reward[i] = outcome.reward * options().reward_scale;
    out.terminated[i] = header.terminated != 0;
    out.truncated[i] = header.truncated != 0;
    if (options().frame_stack > 1) AddFrame(row);
    if (mode == Autoreset::kSameStep && header.ended()) {
      LookAt(row, out.final_view, i);
      Begin(row, false);
    }
    LookAt(row, out.view, i);
  }

  // Finish for rows that all have one set of Params and show one frame of what they observe, as
  // most do. What they share is looked up once: a store of a byte may change any member, for all
  // that the compiler knows.
  struct Plain {
    Plain(const KernelOf& kernel, Autoreset mode, const StepOutputs& out)
        : kernel(kernel),
          params(*kernel.table_[0]),
          out(out),
          scale(kernel.options().reward_scale),
          limit(kernel.limit(0) > 0 ? static_cast<std::uint64_t>(kernel.limit(0)) : UINT64_MAX),
          obs_bytes(kernel.frame_bytes(0)),
          mask_size(kernel.mask_size()),
          fits(kernel.num_params() == 1 && kernel.options().frame_stack == 1 &&
               kernel.options().picture_size == 0 && out.view.picture == nullptr &&
               mode != Autoreset::kSameStep) {}

    void Finish(std::byte* row, const Outcome& outcome, std::size_t i) const {
      RowHeader& header = Header(row);
      const bool truncated = header.step >= limit;
      header.terminated = outcome.terminated;
      header.truncated = truncated;
      if (out.stepped != nullptr) out.stepped[i] = true;
      out.reward[i] = outcome.reward * scale;
      out.terminated[i] = outcome.terminated;
      out.truncated[i] = truncated;
      const State& state = StateOf(row);
      if (out.view.obs != nullptr) {
        if constexpr (kFields) {
          Obs all;
          E::Observe(params, state, &all);
          kernel.Scatter(&all, out.view.obs, i);
        } else {
          E::Observe(params, state, ObsAt(i));
        }
      }
      if constexpr (kMask) {
        std::int8_t* const mask = out.view.action_mask;
        if (mask != nullptr) E::LegalActions(params, state, mask + i * mask_size);
      }
      if constexpr (kTurns) {
        if (out.view.to_play != nullptr) out.view.to_play[i] = E::ToPlay(params, state);
      }
    }

    Obs* ObsAt(std::size_t i) const {
      return reinterpret_cast<Obs*>(static_cast<std::byte*>(out.view.obs[0]) + i * obs_bytes);
    }

    const KernelOf& kernel;
    const Params& params;
    const StepOutputs out;
    const double scale;
    const std::uint64_t limit;
    const std::size_t obs_bytes, mask_size;
    const bool fits;
  };

  // Steps a block of plain rows at one go. Those whose episode has ended are stepped as well, which
  // costs less than to leave them out: their reset covers it.
  void Sweep(std::byte* block, const Action* taken, const Plain& plain, const StepOutputs& out,
             std::size_t start, std::size_t count) const {
    if constexpr (kSweeps) {
      const std::size_t bytes = row_bytes();
      double* const reward = out.reward + start;
      bool* const terminated = out.terminated + start;
      E::Sweep(plain.params,
               {block + kStateAt, bytes, taken,
                out.view.obs == nullptr ? nullptr : plain.ObsAt(start), reward, terminated, count});
      if (plain.scale != 1.0) {
        for (std::size_t k = 0; k < count; ++k) reward[k] *= plain.scale;
      }
      std::uint8_t over[kBlock];
      std::size_t num_over = 0;
      for (std::size_t k = 0; k < count; ++k) {
        RowHeader& header = Header(block + k * bytes);
        over[num_over] = static_cast<std::uint8_t>(k);
        num_over += header.ended();
        const bool truncated = ++header.step >= plain.limit;
        header.terminated = terminated[k];
        header.truncated = out.truncated[start + k] = truncated;
      }
      for (std::size_t j = 0; j < num_over; ++j) {
        PassEnded(block + over[j] * bytes, Autoreset::kNextStep, out, start + over[j]);
      }
    }
  }

  // writes what is observed now to element i of every field's slab
  void Observe(const std::byte* row, void* const* slabs, std::size_t i) const {
    const Params& params = ParamsOf(row);
    const State& state = StateOf(row);
    [[maybe_unused]] std::byte* const to = static_cast<std::byte*>(slabs[0]) + i * frame_bytes(0);
    if constexpr (kPictures) {
      if (const int size = options().picture_size; size > 0) {
        E::Render(params, state, size, reinterpret_cast<std::uint8_t*>(to));
        return;
      }
    }
    if constexpr (kFields) {
      Obs all;
      E::Observe(params, state, &all);
      Scatter(&all, slabs, i);
    } else {
      E::Observe(params, state, reinterpret_cast<Obs*>(to));
    }
  }

  void AddFrame(std::byte* row) const {
    void* frames[kMostFields];
    FrameSlabs(row, frames);
    Observe(row, frames, FrameNow(row));
  }

  void LookAt(const std::byte* row, const View& view, std::size_t i) const {
    if (view.obs != nullptr) {
      if (options().frame_stack == 1) {
        Observe(row, view.obs, i);
      } else {
        CopyFrames(row, view.obs, i);
      }
    }
    if constexpr (kMask) {
      if (view.action_mask != nullptr) {
        E::LegalActions(ParamsOf(row), StateOf(row), view.action_mask + i * mask_size());
      }
    }
    if constexpr (kTurns) {
      if (view.to_play != nullptr) view.to_play[i] = E::ToPlay(ParamsOf(row), StateOf(row));
    }
    if constexpr (kPictures) {
      if (view.picture != nullptr) {
        const auto size = static_cast<std::size_t>(view.picture_size);
        E::Render(ParamsOf(row), StateOf(row), view.picture_size,
                  view.picture + i * size * size * 3);
      }
    }
  }

  static constexpr std::uint32_t kParamsSite = UINT32_MAX;  // no environment draws here

  const Table table_;
};

}  // namespace rollout
