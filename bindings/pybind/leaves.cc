// The leaves of a search over an environment's own worlds: arrays made once, stepped in place.
#include "vec/leaves.h"

#include <cstring>
#include <string>
#include <vector>

#include "actions.h"
#include "outputs.h"
#include "tensor.h"
#include "vec.h"

namespace rollout::bindings {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

class Leaves {
 public:
  Leaves(EnvBatch& env, std::size_t most, float discount, std::size_t players)
      : env_(env), discount_(discount), players_(players), step_(env.batch.kernel(), most, {}) {
    const auto rows = static_cast<py::ssize_t>(most), each = static_cast<py::ssize_t>(players);
    reward_ = Array<float>(players > 1 ? std::vector{rows, each} : std::vector{rows});
    discounts_ = Array<float>(rows);
    done_ = Array<bool>(rows);
    out_ = {step_.pointers(), reward_.mutable_data(), discounts_.mutable_data(),
            done_.mutable_data(), nullptr};
    const Kernel& kernel = env.batch.kernel();
    if (!kernel.can().action_mask) return;
    Array<bool> invalid({rows, static_cast<py::ssize_t>(kernel.mask_size())});
    out_.invalid = invalid.mutable_data();
    invalid_ = invalid;
  }

  // (observation, reward, discount, done, invalid actions, to play)
  py::tuple Arrays() const {
    const py::tuple& step = step_.AsTuple();
    return py::make_tuple(step[0], reward_, discounts_, done_, invalid_, step[8]);
  }

  void Step(py::handle actions, py::handle worlds) {
    const Kernel& kernel = env_.batch.kernel();
    const TensorView acts = ReadTensor(actions, "actions"), rows = ReadTensor(worlds, "worlds");
    const auto n = static_cast<std::size_t>(acts.shape[0]);
    const auto* const taken = reinterpret_cast<const std::int64_t*>(acts.data);
    std::int64_t illegal = -1;
    {
      const py::gil_scoped_release release;
      illegal = StepLeaves(env_.batch, rows.data, n, taken, discount_, players_, out_);
    }
    if (illegal < 0) return;
    Array<std::int64_t> copy(static_cast<py::ssize_t>(n));
    std::memcpy(copy.mutable_data(), taken, n * sizeof(*taken));
    RefuseIllegal(kernel, rows.data, copy, illegal, illegal);
  }

 private:
  EnvBatch& env_;
  float discount_;
  std::size_t players_;
  StepArrays step_;
  Array<float> reward_, discounts_;
  Array<bool> done_;
  py::object invalid_ = py::none();
  LeafOutputs out_;
};

}  // namespace

void BindLeaves(py::module_& m) {
  using py::arg;
  py::class_<Leaves>(m, "Leaves", "The leaves of a search over an environment's own worlds.")
      .def(py::init<EnvBatch&, std::size_t, float, std::size_t>(), py::keep_alive<1, 2>(),
           arg("env"), arg("most"), arg("discount"), arg("players"))
      .def("arrays", &Leaves::Arrays, "Return the arrays that every step writes.")
      .def("step", &Leaves::Step, arg("actions"), arg("worlds"), "Step worlds where they lie.");
}

}  // namespace rollout::bindings
