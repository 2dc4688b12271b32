// The arrays that looking and stepping fill: made here, or the caller's own, and handed to Python.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "module.h"
#include "vec/kernel.h"

namespace rollout::bindings {

py::dtype DtypeOf(Dtype dtype);

// Where output arrays come from: made new, or the caller's by name. Those must have the shape and
// dtype, be C-contiguous, aligned and writable; else ValueError or TypeError names the array.
class ArraySource {
 public:
  ArraySource() = default;
  explicit ArraySource(const py::dict& given) : given_(given) {}

  bool HasGiven() const { return bool(given_); }
  py::array Take(const std::string& name, const py::dtype& dtype,
                 const std::vector<py::ssize_t>& shape);
  // ValueError if an array was given that nothing asked for.
  void RefuseRest() const;

 private:
  py::dict given_ = py::reinterpret_steal<py::dict>(py::handle());
  std::vector<std::string> names_;
};

// Arrays for what is to be seen of n rows. `prefix` goes before their names.
class ViewArrays {
 public:
  ViewArrays(const Kernel& kernel, std::size_t n, bool observe);
  ViewArrays(const Kernel& kernel, std::size_t n, bool observe, ArraySource& source,
             const char* prefix = "");

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

// What is wanted of a step besides rewards, flags, signals, masks and turns.
struct StepWish {
  bool observe = true;
  bool events = false;
  bool final_view = false;
};

// Arrays for one step of n rows.
class StepArrays {
 public:
  StepArrays(const Kernel& kernel, std::size_t n, const StepWish& wish, ArraySource source = {});

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
