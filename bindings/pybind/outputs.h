// The arrays that looking and stepping fill, made here and handed to Python.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "module.h"
#include "vec/kernel.h"

namespace rollout::bindings {

py::dtype DtypeOf(Dtype dtype);

// New arrays for what is to be seen of n rows.
class ViewArrays {
 public:
  ViewArrays(const Kernel& kernel, std::size_t n, bool observe);

  const View& pointers() const { return pointers_; }
  // (observation, action mask, to play): the first an array, or a dict or a tuple of them; None for
  // what is not there or not wanted.
  py::tuple AsTuple() const { return py::make_tuple(obs_, mask_, to_play_); }
  const py::object& obs() const { return obs_; }
  const py::object& mask() const { return mask_; }
  const py::object& to_play() const { return to_play_; }

 private:
  py::object obs_ = py::none(), mask_ = py::none(), to_play_ = py::none();
  std::vector<void*> slabs_;  // where pointers_.obs points
  View pointers_;
};

// New arrays for one step of n rows.
class StepArrays {
 public:
  StepArrays(const Kernel& kernel, std::size_t n, bool observe, bool events, bool final_view);

  const StepOutputs& pointers() const { return pointers_; }
  // (obs, reward, terminated, truncated, events, signals, stepped, action mask, to play, final):
  // None for what is not there, `final` a tuple like ViewArrays's.
  const py::tuple& AsTuple() const { return tuple_; }

 private:
  ViewArrays view_;
  std::optional<ViewArrays> final_view_;
  StepOutputs pointers_;
  py::tuple tuple_;
};

}  // namespace rollout::bindings
