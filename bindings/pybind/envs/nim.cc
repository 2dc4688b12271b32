#include "envs/nim/nim.h"

#include "vec.h"

namespace rollout::bindings {
namespace {

Nim::Params ParamsFrom(Kwargs& kwargs) {
  Nim::Params params;
  params.heap = kwargs.Int("heap", params.heap, 1, Nim::kLargestHeap);
  params.random_heap = kwargs.Bool("random_heap", params.random_heap);
  params.misere = kwargs.Bool("misere", params.misere);
  return params;
}

py::dict GetState(const Nim::Params&, const RowHeader& header, const Nim::State& state) {
  py::dict out;
  out["heap"] = state.heap;
  out["first_heap"] = state.first_heap;
  out["to_play"] = state.to_play;
  out["step"] = header.step;
  return out;
}

void SetState(const Nim::Params& params, RowHeader& header, Nim::State& state,
              const py::dict& values) {
  Kwargs fields("state", values);
  state.first_heap = static_cast<std::int32_t>(fields.Int("first_heap", 1, 1, params.heap));
  state.heap = static_cast<std::int32_t>(fields.Int("heap", 1, 1, state.first_heap));
  state.to_play = static_cast<std::int32_t>(fields.Int("to_play", 0, 0, 1));
  header.step = static_cast<std::uint32_t>(fields.Int("step", 0, 0, UINT32_MAX));
}

}  // namespace

std::vector<EnvEntry> NimEntries() {
  return {MakeEntry<Nim>("Nim-v0", "take one to three tokens in turn; the last one wins",
                         ParamsFrom, GetState, SetState)};
}

}  // namespace rollout::bindings
