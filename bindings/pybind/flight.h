// send and recv: rows stepped in the background, from Python.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vec.h"

namespace rollout::bindings {

// Sends rows off with their actions; None: all of them. Raises for a row that is away, that is
// named twice or that may not be stepped, and for a bad action; then none was sent.
void Send(EnvBatch& self, const py::object& actions, const py::object& rows);

// Waits for the first min(most, in flight) rows. Returns which, int64 in ascending order, then the
// arrays of a step, and whether those are of just these rows: else row i of them is at i. Raises
// NoAsyncCallError if nothing is in flight.
py::tuple Recv(EnvBatch& self, std::size_t most);

std::size_t InFlight(const EnvBatch& self);

// Raises AlreadyPendingCallError while rows are in flight.
void RequireHome(const EnvBatch& self);

}  // namespace rollout::bindings
