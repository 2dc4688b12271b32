#include "flight.h"

#include <algorithm>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actions.h"

namespace rollout::bindings {
namespace {

using Index = py::array_t<std::int64_t, py::array::c_style>;

[[noreturn]] void Raise(const char* error, const std::string& message, const char* method) {
  const py::object type = py::module_::import("gymnasium.error").attr(error);
  PyErr_SetObject(type.ptr(), type(message, method).ptr());
  throw py::error_already_set();
}

// the rows to send, each of them once, at home, and ready for a step
Index CheckRows(const EnvBatch& self, const py::object& given) {
  const std::size_t n = self.batch.num_rows();
  if (given.is_none()) {
    Index all(static_cast<py::ssize_t>(n));
    for (std::size_t i = 0; i < n; ++i) all.mutable_data()[i] = static_cast<std::int64_t>(i);
    return CheckRows(self, all);
  }
  auto rows = given.cast<Index>();
  std::vector<bool> named(n);
  for (py::ssize_t k = 0; k < rows.size(); ++k) {
    const auto row = static_cast<std::size_t>(rows.data()[k]);
    const std::string which = "row " + std::to_string(row);
    if (named[row])
      throw py::value_error("env_id: expected each row once, got " + which + " twice");
    named[row] = true;
    if (self.flight && self.flight->IsAway(row)) {
      Raise("AlreadyPendingCallError", which + " is in flight: recv() it before its next action",
            "send");
    }
    if (self.mode == Autoreset::kDisabled && Kernel::Header(self.batch.row(row)).ended()) {
      const py::object type = py::module_::import("gymnasium.error").attr("ResetNeeded");
      PyErr_SetString(type.ptr(), (which + " has ended and autoreset is disabled; receive what is "
                                           "in flight, then reset it")
                                      .c_str());
      throw py::error_already_set();
    }
  }
  return rows;
}

// a fork copies no workers: a child starts with new ones
void DropForeignFlight(EnvBatch& self) {
  if (self.flight == nullptr || self.flight->BornHere()) return;
  if (self.flight->in_flight() > 0) {
    throw std::runtime_error(
        "env: the process was forked while rows were in flight, which did not come along; "
        "recv() all of them before a fork");
  }
  static_cast<void>(self.flight.release());
}

}  // namespace

EnvBatch::~EnvBatch() {
  if (flight == nullptr) return;
  if (!flight->BornHere()) {
    static_cast<void>(flight.release());
    return;
  }
  const py::gil_scoped_release release;  // a worker may want it to finish
  flight.reset();
}

void Send(EnvBatch& self, const py::object& given, const py::object& given_rows) {
  DropForeignFlight(self);
  if (InFlight(self) == 0) RequireBegun(self);
  const Index rows = CheckRows(self, given_rows);
  const py::array actions =
      CheckActions(self.batch.kernel(), given, static_cast<std::size_t>(rows.size()));
  if (self.flight == nullptr) {
    self.flight =
        std::make_unique<Flight>(self.batch, self.mode, std::max(1, self.batch.num_threads() - 1));
  }
  if (self.flight->in_flight() == 0) {
    if (!self.flight_arrays) {
      self.flight_arrays.emplace(self.batch.kernel(), self.batch.num_rows(), self.wish);
    }
    self.flight->SetOutputs(self.flight_arrays->pointers());
  }
  const std::int64_t illegal =
      self.flight->Send({rows.data(), static_cast<std::size_t>(rows.size())}, actions.data());
  if (illegal >= 0) {
    RefuseIllegal(self.batch.kernel(), self.batch.row(0), actions, illegal, rows.data()[illegal]);
  }
}

py::tuple Recv(EnvBatch& self, std::size_t most) {
  DropForeignFlight(self);
  const std::size_t count = std::min(most, InFlight(self));
  if (count == 0) Raise("NoAsyncCallError", "nothing is in flight; send() actions first", "recv");
  Index rows(static_cast<py::ssize_t>(count));
  const std::span<std::int64_t> which(rows.mutable_data(), count);
  {
    const py::gil_scoped_release release;
    self.flight->Recv(which);
  }
  const py::tuple arrays = self.flight_arrays->AsTuple();
  const bool whole = count == self.batch.num_rows();
  if (whole && self.copy) self.flight_arrays.reset();
  return py::make_tuple(rows, arrays, whole);
}

std::size_t InFlight(const EnvBatch& self) {
  return self.flight == nullptr ? 0 : self.flight->in_flight();
}

void RequireHome(const EnvBatch& self) {
  if (InFlight(self) == 0) return;
  Raise("AlreadyPendingCallError",
        std::to_string(InFlight(self)) + " of " + std::to_string(self.batch.num_rows()) +
            " rows are in flight; recv() all of them first",
        "send");
}

}  // namespace rollout::bindings
