// Environments: stepped in the loop, in the background, in playouts and through whole horizons.
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

#include "envs/boards/connect_four.h"
#include "envs/boards/go.h"
#include "envs/chance/game2048.h"
#include "envs/classic/cartpole.h"
#include "envs/classic/pendulum.h"
#include "envs/grid/minigrid.h"
#include "envs/kitchen/kitchen.h"
#include "envs/minatar/seaquest.h"
#include "stress.h"
#include "vec/batch.h"
#include "vec/flight.h"
#include "vec/follow.h"

namespace rollout::stress {
namespace {

// Where n rows write what they give.
struct Arrays {
  std::vector<std::vector<std::byte>> obs;
  std::vector<void*> pointers;
  std::vector<std::int8_t> mask;
  std::vector<std::int64_t> to_play;
  std::vector<double> reward;
  std::unique_ptr<bool[]> terminated, truncated;
  std::vector<std::uint8_t> events;
  std::vector<float> signals;

  Arrays(const Kernel& kernel, std::size_t n)
      : mask(n * kernel.mask_size(), 1),
        to_play(n),
        reward(n),
        terminated(new bool[n]()),
        truncated(new bool[n]()),
        events(n * kernel.event_size()),
        signals(n * kernel.signal_size()) {
    for (std::size_t k = 0; k < kernel.obs_fields().size(); ++k) {
      obs.emplace_back(n * kernel.frame_bytes(k));
    }
    for (std::vector<std::byte>& field : obs) pointers.push_back(field.data());
  }

  StepOutputs outputs(const Kernel& kernel) {
    StepOutputs out;
    out.view.obs = pointers.data();
    if (kernel.can().action_mask) out.view.action_mask = mask.data();
    if (kernel.can().to_play) out.view.to_play = to_play.data();
    out.reward = reward.data();
    out.terminated = terminated.get();
    out.truncated = truncated.get();
    if (kernel.event_size() > 0) out.events = events.data();
    if (kernel.signal_size() > 0) out.signals = signals.data();
    return out;
  }

  void Note(Notes& notes) const {
    for (const std::vector<std::byte>& field : obs) notes.Add(field);
    notes.Add(mask);
    notes.Add(reward);
    notes.Add(terminated.get(), reward.size());
    notes.Add(truncated.get(), reward.size());
    notes.Add(events);
    notes.Add(signals);
  }
};

// Any actions, legal ones where there are rules; an episode that is over may take any.
template <class Action>
std::vector<Action> Choose(const Kernel& kernel, const Arrays& arrays, std::size_t n,
                           std::uint64_t step) {
  const std::size_t size = kernel.action_size(), width = kernel.mask_size();
  std::vector<Action> actions(n * size);
  for (std::size_t k = 0; k < actions.size(); ++k) {
    const std::uint64_t drawn = Mixed(step << 32 | k);
    if constexpr (std::is_same_v<Action, float>) {
      actions[k] = static_cast<float>(drawn % 1001) / 250 - 2;
    } else {
      std::uint64_t action =
          drawn % static_cast<std::uint64_t>(kernel.spec().action_nvec[k % size]);
      if (kernel.can().action_mask) {
        const std::int8_t* const legal = arrays.mask.data() + k * width;
        for (std::size_t tried = 0; tried < width && legal[action] == 0; ++tried) {
          action = (action + 1) % width;
        }
      }
      actions[k] = static_cast<Action>(action);
    }
  }
  return actions;
}

template <Environment E>
void Step(const typename E::Params& params, int threads, Notes& notes) {
  constexpr std::size_t kRows = 150, kSteps = 60;
  const auto kernel = std::make_shared<const KernelOf<E>>(params);
  for (const Autoreset mode : {Autoreset::kNextStep, Autoreset::kSameStep}) {
    Batch batch(kernel, kRows, threads);
    Arrays arrays(*kernel, kRows), last(*kernel, kRows);
    StepOutputs out = arrays.outputs(*kernel);
    if (mode == Autoreset::kSameStep) out.final_view = last.outputs(*kernel).view;
    ResetRequest request;
    request.entropy = 7;
    batch.Reset(request, out.view);
    for (std::size_t step = 0; step < kSteps; ++step) {
      const auto actions = Choose<typename E::Action>(*kernel, arrays, kRows, step);
      if (batch.Step(batch.row(0), kRows, actions.data(), mode, out) >= 0) ++faults;
      arrays.Note(notes);
    }
    notes.Add(batch.row(0), kRows * kernel->row_bytes());

    // the same in the background, a few rows at a time
    Flight flight(batch, mode, threads);
    flight.SetOutputs(out);
    for (std::size_t step = 0; step < kSteps; ++step) {
      const auto actions = Choose<typename E::Action>(*kernel, arrays, kRows, step);
      std::vector<std::int64_t> rows(kRows);
      for (std::size_t i = 0; i < kRows; ++i) rows[i] = static_cast<std::int64_t>(i);
      if (flight.Send(rows, actions.data()) >= 0) ++faults;
      std::vector<std::int64_t> back(kRows / 3);
      while (flight.in_flight() > 0) flight.Recv(back);
      arrays.Note(notes);
    }
    notes.Add(batch.row(0), kRows * kernel->row_bytes());

    if (kernel->can().playouts) {
      const auto players = static_cast<std::size_t>(kernel->spec().num_players);
      std::vector<double> returns(kRows * 4 * players);
      std::vector<std::int32_t> steps(kRows * 4);
      batch.Playouts(batch.row(0), 4, 0, kRows * 4, 3, 50, returns.data(), steps.data());
      notes.Add(returns);
      notes.Add(steps);
    }
  }
}

// Sequences of actions that are legal at any time.
template <Environment E>
void Roll(const typename E::Params& params, int threads, Notes& notes) {
  constexpr std::size_t kRows = 10, kSequences = 300, kHorizon = 30;
  const auto kernel = std::make_shared<const KernelOf<E>>(params);
  Batch batch(kernel, kRows, threads);
  Arrays arrays(*kernel, kRows);
  batch.Reset({}, arrays.outputs(*kernel).view);
  std::vector<std::int64_t> from(kSequences);
  for (std::size_t i = 0; i < kSequences; ++i) from[i] = static_cast<std::int64_t>(i % kRows);
  const auto actions = Choose<typename E::Action>(*kernel, arrays, kSequences * kHorizon, 5);
  std::vector<float> reward(kHorizon * kSequences), alive(kHorizon * kSequences);
  std::vector<std::byte> last(kSequences * kernel->row_bytes());
  FollowOutputs out;
  out.reward = reward.data();
  out.alive = alive.data();
  out.last = last.data();
  if (Follow(batch.pool(), *kernel, batch.row(0), from, actions.data(), kHorizon, out, 0,
             from.size()) >= 0) {
    ++faults;
  }
  notes.Add(reward);
  notes.Add(alive);
  notes.Add(last);
}

}  // namespace

void Environments() {
  Compare("cart pole", [](int n, Notes& notes) { Step<CartPole>({}, n, notes); });
  Compare("pendulum", [](int n, Notes& notes) { Step<Pendulum>({}, n, notes); });
  Compare("seaquest", [](int n, Notes& notes) {
    Step<minatar::Env<minatar::Seaquest, minatar::PhiloxDraws>>({}, n, notes);
  });
  Compare("connect four", [](int n, Notes& notes) { Step<boards::ConnectFour>({}, n, notes); });
  Compare("go", [](int n, Notes& notes) { Step<boards::Go<9>>(boards::GoParams(5), n, notes); });
  Compare("2048", [](int n, Notes& notes) { Step<Game2048>({}, n, notes); });
  Compare("multi room", [](int n, Notes& notes) {
    const grid::Level level = grid::MultiRoomLevel("MiniGrid-MultiRoom-N4-S5-v0", 4, 5);
    Step<MiniGrid>(grid::MakeParams(level, level.max_steps), n, notes);
  });
  Compare("kitchen", [](int n, Notes& notes) {
    kitchen::Options options;
    options.layout = "orders: ooo\n\nXXPXX\nO  2O\nX1  X\nXDXSX\n";
    Step<Kitchen>(kitchen::MakeParams(options), n, notes);
  });
  Compare("rolls of cart pole", [](int n, Notes& notes) { Roll<CartPole>({}, n, notes); });
  Compare("rolls of pendulum", [](int n, Notes& notes) { Roll<Pendulum>({}, n, notes); });
}

}  // namespace rollout::stress
