#include "search_arrays.h"

#include <algorithm>
#include <vector>

#include "search/export.h"
#include "search/gumbel/search.h"

namespace rollout::bindings {
namespace {

using search::Range;
using search::Search;
using search::Shape;
using search::Subtrees;
using search::Tree;

template <class T, class Get>
py::array_t<T> NodeArray(const Tree& tree, Range rows, T empty, Get&& get) {
  py::array_t<T> out({rows.count(), tree.capacity()});
  search::ExportNodes(tree, rows, empty, get, out.mutable_data());
  return out;
}

template <class T, class Get>
py::array_t<T> EdgeArray(const Tree& tree, Range rows, T empty, Get&& get) {
  py::array_t<T> out({rows.count(), tree.capacity(), tree.columns()});
  search::ExportEdges(tree, rows, empty, get, out.mutable_data());
  return out;
}

}  // namespace

py::array Field(const Search& from, const std::string& name, std::optional<std::size_t> row) {
  const Tree& tree = from.tree();
  const Range rows = row ? Range{*row, *row + 1} : Range{0, tree.batch()};
  if (rows.end > tree.batch()) {
    throw py::index_error("row: expected 0 to " + std::to_string(tree.batch() - 1) + ", got " +
                          std::to_string(*row));
  }
  using search::kNone;
  using search::Node;
  using search::NodeHead;
  using Int = std::int32_t;
  using Child = const NodeHead*;
  if (name == "node_visits") {
    return NodeArray<Int>(tree, rows, 0, [](const Node& n) { return n.head().visits; });
  }
  if (name == "node_values") {
    return NodeArray<float>(tree, rows, 0, [](const Node& n) { return n.head().value; });
  }
  if (name == "raw_values") {
    return NodeArray<float>(tree, rows, 0, [](const Node& n) { return n.head().raw_value; });
  }
  if (name == "parents") {
    return NodeArray<Int>(tree, rows, kNone, [](const Node& n) { return n.head().parent; });
  }
  if (name == "action_from_parent") {
    py::array_t<Int> out({rows.count(), tree.capacity()});
    std::fill_n(out.mutable_data(), out.size(), kNone);
    search::ForEachNode(tree, rows, [&](std::size_t at, std::size_t, const Node& n) {
      for (std::size_t a = 0; a < tree.columns(); ++a) {
        if (n.child()[a] != kNone)
          out.mutable_at(at - rows.begin, n.child()[a]) = static_cast<Int>(a);
      }
    });
    return out;
  }
  if (name == "chance_nodes") {
    return NodeArray<bool>(tree, rows, false, [](const Node& n) { return n.head().chance != 0; });
  }
  if (name == "children_index") {
    return EdgeArray<Int>(tree, rows, kNone,
                          [](const Node& n, std::size_t a, Child) { return n.child()[a]; });
  }
  if (name == "children_prior_logits") {
    return EdgeArray<float>(tree, rows, 0,
                            [](const Node& n, std::size_t a, Child) { return n.logits()[a]; });
  }
  if (name == "children_visits") {
    return EdgeArray<Int>(tree, rows, 0,
                          [](const Node& n, std::size_t a, Child) { return n.visits()[a]; });
  }
  if (name == "children_qvalues") {
    return EdgeArray<float>(tree, rows, 0, [](const Node& n, std::size_t a, Child) {
      return n.visits()[a] > 0 ? n.q()[a] : 0.0f;
    });
  }
  const auto edge = [&](float NodeHead::* field) {
    return EdgeArray<float>(tree, rows, 0, [field](const Node&, std::size_t, Child child) {
      return child == nullptr ? 0.0f : child->*field;
    });
  };
  if (name == "children_values") return edge(&NodeHead::value);
  if (name == "children_rewards") return edge(&NodeHead::reward);
  if (name == "children_discounts") return edge(&NodeHead::discount);
  throw py::attribute_error("a search tree has no array " + name);
}

py::tuple Summary(const Tree& tree) {
  py::array_t<float> visits({tree.batch(), tree.actions()}), q({tree.batch(), tree.actions()});
  const auto rows = static_cast<py::ssize_t>(tree.batch());
  py::array_t<float> value(rows), raw(rows), mixed(rows);
  std::vector<std::byte> scratch(search::Node::EdgeBytes(tree.width()));
  for (std::size_t row = 0; row < tree.batch(); ++row) {
    const search::Node node = tree.Read(row, search::kRoot, scratch.data());
    value.mutable_data()[row] = node.head().value;
    raw.mutable_data()[row] = node.head().raw_value;
    mixed.mutable_data()[row] = search::MixedValue(node);
    for (std::size_t a = 0; a < tree.actions(); ++a) {
      const std::size_t at = row * tree.actions() + a;
      visits.mutable_data()[at] = static_cast<float>(node.visits()[a]);
      q.mutable_data()[at] = node.visits()[a] > 0 ? node.q()[a] : 0.0f;
    }
  }
  return py::make_tuple(visits, value, q, raw, mixed);
}

py::object Noise(const Search& from) {
  const auto* gumbel = dynamic_cast<const search::GumbelSearch*>(&from);
  if (gumbel == nullptr) return py::none();
  const Tree& tree = from.tree();
  py::array_t<float> out({tree.batch(), tree.actions()});
  for (std::size_t row = 0; row < tree.batch(); ++row) {
    std::copy_n(gumbel->noise().data() + row * tree.width(), tree.actions(),
                out.mutable_data() + row * tree.actions());
  }
  return out;
}

py::tuple PrincipalPath(const Search& from,
                        const py::array_t<std::int64_t, py::array::c_style>& first) {
  const Shape& shape = from.shape();
  const auto length = static_cast<std::size_t>(shape.max_depth);
  py::array_t<std::int64_t> actions({shape.batch, length});
  py::array_t<float> rewards({shape.batch, length});
  py::array_t<std::int32_t> slots({shape.batch, length});
  const std::int32_t longest = from.PrincipalPath(first.data(), actions.mutable_data(),
                                                  rewards.mutable_data(), slots.mutable_data());
  const auto cut = py::make_tuple(py::ellipsis(), py::slice(0, longest, 1));
  return py::make_tuple(actions[cut], rewards[cut], slots[cut]);
}

py::array_t<std::int64_t> Slots(const Subtrees& subtrees) {
  py::array_t<std::int64_t> out({subtrees.slots.size(), subtrees.most});
  std::fill_n(out.mutable_data(), out.size(), std::int64_t{search::kNone});
  std::int64_t* to = out.mutable_data();
  for (const auto& slots : subtrees.slots) {
    std::ranges::copy(slots, to);
    to += subtrees.most;
  }
  return out;
}

}  // namespace rollout::bindings
