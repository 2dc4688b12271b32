// The one native module, rollout._native. Each part binds itself in a file of its own: a binding
// converts, checks, releases the GIL and calls; it holds no logic.
#include "module.h"

PYBIND11_MODULE(_native, m) {
  m.doc() = "Native core of rollout: environments, batches of them, and tree search.";
  rollout::bindings::BindCore(m);
  rollout::bindings::BindLibm(m);
  rollout::bindings::BindDraw(m);
  rollout::bindings::BindVec(m);
  rollout::bindings::BindChance(m);
  rollout::bindings::BindGrid(m);
  rollout::bindings::BindKitchen(m);
  rollout::bindings::BindToy(m);
  rollout::bindings::BindPlugin(m);
  rollout::bindings::BindLeaves(m);
  rollout::bindings::BindSearch(m);
  rollout::bindings::BindSimultaneous(m);
  rollout::bindings::BindTrajectory(m);
  rollout::bindings::BindUct(m);
}
