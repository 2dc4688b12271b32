// What a finished search found, as NumPy arrays of Python's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "module.h"
#include "search/search.h"

namespace rollout::bindings {

// One of the tree's arrays in mctx's layout, [B, N] or [B, N, F]; of one row [1, N] or [1, N, F].
// Raises AttributeError for a name that is none.
py::array Field(const search::Search& from, const std::string& name,
                std::optional<std::size_t> row);

// The root's visit counts [B, A], value [B], Q [B, A], raw value [B] and mixed value [B]; Q is 0
// where nothing was visited.
py::tuple Summary(const search::Tree& tree);

// [B, A], or None where the search draws none.
py::object Noise(const search::Search& from);

// The most visited path of each row that starts with `first` [B]: actions, rewards and slots, [B,
// D].
py::tuple PrincipalPath(const search::Search& from,
                        const py::array_t<std::int64_t, py::array::c_style>& first);

// [B, most] the slots in the earlier tree, kNone past a row's.
py::array_t<std::int64_t> Slots(const search::Subtrees& subtrees);

}  // namespace rollout::bindings
