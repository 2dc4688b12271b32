// The native core without Python: environments, searches and trajectory kernels, each with one
// thread and with four, which must give the same bytes. tests/sanitize.py builds it with a
// sanitizer, which sees every access here; under the interpreter it sees ours alone.
//
// Exits 0 if all agree; else says what differed. Takes seconds, or a minute under a sanitizer.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "envs/boards/connect_four.h"
#include "envs/classic/cartpole.h"
#include "envs/kitchen/kitchen.h"
#include "envs/minatar/seaquest.h"
#include "search/gumbel/search.h"
#include "search/puct/search.h"
#include "trajectory/population.h"
#include "vec/batch.h"
#include "vec/flight.h"
#include "vec/follow.h"

namespace rollout {
namespace {

constexpr int kThreads[] = {1, 4};

std::uint64_t Mixed(std::uint64_t key) {
  key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9;
  key = (key ^ key >> 27) * 0x94D049BB133111EB;
  return key ^ key >> 31;
}

// A hash of all that was written, in the order in which it was noted.
class Notes {
 public:
  template <class T>
  void Add(const T* at, std::size_t count) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(at);
    for (std::size_t i = 0; i < count * sizeof(T); ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001B3;
  }
  template <class T>
  void Add(const std::vector<T>& values) {
    Add(values.data(), values.size());
  }
  std::uint64_t hash() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325;
};

int faults = 0;

// Runs `body(threads, notes)` with one thread and with more, and compares.
void Compare(const char* name, const auto& body) {
  std::uint64_t hashes[2];
  for (int i = 0; i < 2; ++i) {
    Notes notes;
    body(kThreads[i], notes);
    hashes[i] = notes.hash();
  }
  const bool same = hashes[0] == hashes[1];
  std::printf("%-24s %s\n", name, same ? "same" : "DIFFERS");
  std::fflush(stdout);
  faults += same ? 0 : 1;
}

// environments -----------------------------------------------------------------------------------

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
std::vector<std::int64_t> Choose(const Kernel& kernel, const Arrays& arrays, std::size_t n,
                                 std::uint64_t step) {
  const std::size_t size = kernel.action_size(), width = kernel.mask_size();
  std::vector<std::int64_t> actions(n * size);
  for (std::size_t k = 0; k < actions.size(); ++k) {
    const auto choices = static_cast<std::uint64_t>(kernel.spec().action_nvec[k % size]);
    std::uint64_t action = Mixed(step << 32 | k) % choices;
    if (kernel.can().action_mask) {
      const std::int8_t* const legal = arrays.mask.data() + k * width;
      for (std::size_t tried = 0; tried < width && legal[action] == 0; ++tried) {
        action = (action + 1) % width;
      }
    }
    actions[k] = static_cast<std::int64_t>(action);
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
      const std::vector<std::int64_t> actions = Choose(*kernel, arrays, kRows, step);
      if (batch.Step(batch.row(0), kRows, actions.data(), mode, out) >= 0) ++faults;
      arrays.Note(notes);
    }
    notes.Add(batch.row(0), kRows * kernel->row_bytes());

    // the same in the background, a few rows at a time
    Flight flight(batch, mode, threads);
    flight.SetOutputs(out);
    for (std::size_t step = 0; step < kSteps; ++step) {
      const std::vector<std::int64_t> actions = Choose(*kernel, arrays, kRows, step);
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
  const auto actions = Choose(*kernel, arrays, kSequences * kHorizon, 5);
  std::vector<float> reward(kHorizon * kSequences), alive(kHorizon * kSequences);
  std::vector<std::byte> last(kSequences * kernel->row_bytes());
  FollowOutputs out;
  out.reward = reward.data();
  out.alive = alive.data();
  out.last = last.data();
  if (Follow(batch.pool(), *kernel, batch.row(0), from, actions.data(), kHorizon, out) >= 0) {
    ++faults;
  }
  notes.Add(reward);
  notes.Add(alive);
  notes.Add(last);
}

// search -----------------------------------------------------------------------------------------

constexpr std::size_t kTrees = 48, kActions = 7;
constexpr std::int32_t kSimulations = 40;

// What a model says that hashes the actions taken; a state is one such number.
struct Model {
  std::vector<float> reward, discount, logits, value;
  std::vector<std::uint64_t> states;

  explicit Model(std::size_t lanes)
      : reward(lanes), discount(lanes), logits(lanes * kActions), value(lanes), states(lanes) {}

  void Say(std::size_t lane, std::uint64_t state) {
    const auto number = [state](std::uint64_t what) {
      return static_cast<float>(Mixed(state + what) >> 40) / (1 << 24) - 0.5F;
    };
    states[lane] = state;
    reward[lane] = number(1);
    discount[lane] = Mixed(state) % 8 == 0 ? 0.0F : 0.97F;
    value[lane] = number(2);
    for (std::size_t a = 0; a < kActions; ++a) logits[lane * kActions + a] = 4 * number(10 + a);
  }

  search::Outputs outputs() const {
    search::Outputs out;
    out.reward = {reward.data(), 1};
    out.discount = {discount.data(), 1};
    out.prior_logits = {logits.data(), static_cast<std::ptrdiff_t>(kActions)};
    out.value = {value.data(), 1};
    return out;
  }

  search::States rows() const {
    return {reinterpret_cast<const std::byte*>(states.data()), sizeof(std::uint64_t)};
  }
};

template <class Kind, class Settings>
void Search(std::int32_t wave, int threads, Notes& notes) {
  search::Shape shape;
  shape.batch = kTrees;
  shape.actions = kActions;
  shape.simulations = kSimulations;
  shape.max_depth = kSimulations;
  shape.zero_discount_ends = true;
  shape.wave = wave;
  std::vector<search::RowKey> keys(kTrees);
  for (std::size_t i = 0; i < kTrees; ++i) keys[i] = {11, static_cast<std::uint32_t>(i)};
  Kind searching(shape, keys, threads, Settings{});

  const std::size_t lanes = kTrees * static_cast<std::size_t>(wave);
  Model root(kTrees), model(lanes);
  for (std::size_t i = 0; i < kTrees; ++i) root.Say(i, Mixed(i + 1));
  std::vector<std::int64_t> action(lanes);
  std::vector<std::uint64_t> parents(lanes);
  const search::Batch batch{reinterpret_cast<std::byte*>(parents.data()), sizeof(std::uint64_t)};
  const search::States first = root.rows();
  bool good = searching.Begin(root.outputs(), {&first, 1}, action.data(), {&batch, 1});
  while (good && !searching.done()) {
    for (std::size_t lane = 0; lane < searching.lanes(); ++lane) {
      const auto taken = static_cast<std::uint64_t>(action[lane]);
      model.Say(lane, Mixed(parents[lane] * 31 + taken));
    }
    const search::States next = model.rows();
    good = searching.Advance(model.outputs(), {&next, 1});
  }
  std::vector<std::int64_t> chosen(kTrees), path(kTrees * kSimulations);
  std::vector<float> weights(kTrees * kActions), rewards(kTrees * kSimulations);
  searching.Decide(chosen.data(), weights.data());
  std::vector<std::int32_t> slots(path.size());
  searching.PrincipalPath(chosen.data(), path.data(), rewards.data(), slots.data());
  notes.Add(chosen);
  notes.Add(weights);
  notes.Add(path);
  if (!good || searching.mean_depth() < 1.0) ++faults;
}

// trajectories -----------------------------------------------------------------------------------

void Optimise(int threads, Notes& notes) {
  trajectory::Shape shape;
  shape.horizon = 12;
  shape.batch = 5;
  shape.candidates = 97;
  shape.width = 3;
  const std::size_t means = shape.batch * shape.horizon * shape.width;
  std::vector<trajectory::RowKey> keys(shape.batch);
  for (std::uint32_t i = 0; i < keys.size(); ++i) keys[i] = {5, i};
  std::vector<float> mean(means, 0.1F), deviation(means, 0.7F), low(3, -1.0F), high(3, 1.0F);
  std::vector<float> population(shape.horizon * shape.step());
  std::vector<float> scores(shape.batch * shape.candidates), weights(scores.size());
  std::vector<std::int64_t> elites(shape.batch * 8);
  ThreadPool pool(threads);
  for (std::uint32_t round = 0; round < 20; ++round) {
    const trajectory::Gaussian gaussian{mean.data(), deviation.data(), low.data(), high.data()};
    trajectory::FillNormal(pool, shape, keys, round, gaussian, {nullptr, shape.horizon},
                           population.data());
    for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = population[i * shape.width];
    trajectory::Elites(pool, shape.batch, shape.candidates, scores.data(), 8, elites.data());
    trajectory::SoftWeights(pool, shape.batch, shape.candidates, scores.data(), 0.5F,
                            weights.data());
    trajectory::Moments(pool, shape, population.data(), weights.data(), mean.data(),
                        deviation.data());
    notes.Add(population);
    notes.Add(elites);
    notes.Add(mean);
    notes.Add(deviation);
  }
}

int Main() {
  forced_chunk.store(7);  // all loops go to the threads, however short they are
  Compare("cart pole", [](int n, Notes& notes) { Step<CartPole>({}, n, notes); });
  Compare("seaquest", [](int n, Notes& notes) {
    Step<minatar::Env<minatar::Seaquest, minatar::PhiloxDraws>>({}, n, notes);
  });
  Compare("connect four", [](int n, Notes& notes) { Step<boards::ConnectFour>({}, n, notes); });
  Compare("kitchen", [](int n, Notes& notes) {
    kitchen::Options options;
    options.layout = "orders: ooo\n\nXXPXX\nO  2O\nX1  X\nXDXSX\n";
    Step<Kitchen>(kitchen::MakeParams(options), n, notes);
  });
  Compare("rolls", [](int n, Notes& notes) { Roll<CartPole>({}, n, notes); });
  for (const std::int32_t wave : {1, 4}) {
    Compare("muzero", [wave](int n, Notes& notes) {
      Search<search::PuctSearch, search::PuctSettings>(wave, n, notes);
    });
    Compare("gumbel muzero", [wave](int n, Notes& notes) {
      Search<search::GumbelSearch, search::GumbelSettings>(wave, n, notes);
    });
  }
  Compare("trajectories", Optimise);
  return faults == 0 ? 0 : 1;
}

}  // namespace
}  // namespace rollout

int main() { return rollout::Main(); }
