// Batched tree search: its settings, and the search that Python drives.
#include "search/custom/search.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bound_search.h"
#include "core/thread_pool.h"
#include "module.h"
#include "search/gumbel/search.h"
#include "search/open_loop/search.h"
#include "search/puct/search.h"
#include "search/regularised/search.h"
#include "search_arrays.h"

namespace rollout::bindings {
namespace {

using search::CustomSettings;
using search::GumbelSettings;
using search::PuctSettings;
using search::QTransform;
using search::RegularisedRule;
using search::RegularisedSettings;
using search::RowKey;
using search::Selection;

using Seeds = py::array_t<std::uint64_t, py::array::c_style>;
using Actions = py::array_t<std::int64_t, py::array::c_style>;
using Floats = py::array_t<float, py::array::c_style>;
using Flags = py::array_t<bool, py::array::c_style>;

QTransform::Kind ParseKind(const std::string& name) {
  if (name == "by_parent_and_siblings") return QTransform::Kind::kParentAndSiblings;
  if (name == "by_min_max") return QTransform::Kind::kMinMax;
  if (name == "scaled") return QTransform::Kind::kScaled;
  return QTransform::Kind::kCompletedByMixValue;
}

using Seed = std::variant<std::uint64_t, Seeds>;

// One seed is told apart by row numbers; seeds of their own make rows the same wherever they are.
std::vector<RowKey> Keys(const Seed& seed, std::size_t batch) {
  std::vector<RowKey> keys(batch);
  for (std::size_t i = 0; i < batch; ++i) {
    const auto* const one = std::get_if<std::uint64_t>(&seed);
    keys[i] = one != nullptr ? RowKey{*one, static_cast<std::uint32_t>(i)}
                             : RowKey{std::get<Seeds>(seed).data()[i], 0};
  }
  return keys;
}

// A search over sequences of actions has PUCT's settings.
struct OpenLoopSettings {
  PuctSettings puct;
};

using Rule = std::variant<PuctSettings, GumbelSettings, RegularisedSettings, CustomSettings,
                          OpenLoopSettings>;

std::unique_ptr<Search> MakeSearch(const Shape& shape, const std::vector<RowKey>& keys,
                                   int num_threads, const PuctSettings& settings) {
  return std::make_unique<search::PuctSearch>(shape, keys, num_threads, settings);
}

std::unique_ptr<Search> MakeSearch(const Shape& shape, const std::vector<RowKey>& keys,
                                   int num_threads, const GumbelSettings& settings) {
  return std::make_unique<search::GumbelSearch>(shape, keys, num_threads, settings);
}

std::unique_ptr<Search> MakeSearch(const Shape& shape, const std::vector<RowKey>& keys,
                                   int num_threads, const RegularisedSettings& settings) {
  return std::make_unique<search::RegularisedSearch>(shape, keys, num_threads, settings);
}

std::unique_ptr<Search> MakeSearch(const Shape& shape, const std::vector<RowKey>& keys,
                                   int num_threads, const CustomSettings& settings) {
  return std::make_unique<search::CustomSearch>(shape, keys, num_threads, settings);
}

std::unique_ptr<Search> MakeSearch(const Shape& shape, const std::vector<RowKey>& keys,
                                   int num_threads, const OpenLoopSettings& settings) {
  return std::make_unique<search::OpenLoopSearch>(shape, keys, num_threads, settings.puct);
}

// actions: [B, D].
Subtrees FindSubtrees(const Search& from, const Actions& actions, std::size_t nodes,
                      std::int32_t depth, const std::optional<Flags>& invalid) {
  search::Keep keep{nodes, depth};
  if (invalid) keep.invalid = reinterpret_cast<const std::uint8_t*>(invalid->data());
  return search::FindSubtrees(from.tree(), actions.data(),
                              static_cast<std::size_t>(actions.shape(1)), keep);
}

}  // namespace

void BindSearch(py::module_& m) {
  using py::arg;
  using py::kw_only;

  py::class_<QTransform>(m, "SearchQTransform", "How a search scales Q-values.")
      .def(py::init([](const std::string& kind, float epsilon, float min_value, float max_value,
                       float value_scale, float maxvisit_init, bool rescale_values,
                       bool use_mixed_value, int range, int unvisited, float number) {
             return QTransform{ParseKind(kind),
                               epsilon,
                               min_value,
                               max_value,
                               value_scale,
                               maxvisit_init,
                               rescale_values,
                               use_mixed_value,
                               static_cast<QTransform::Range>(range),
                               static_cast<QTransform::Unvisited>(unvisited),
                               number};
           }),
           arg("kind"), kw_only(), arg("epsilon") = 1e-8f, arg("min_value") = 0.0f,
           arg("max_value") = 1.0f, arg("value_scale") = 0.1f, arg("maxvisit_init") = 50.0f,
           arg("rescale_values") = true, arg("use_mixed_value") = true, arg("range") = 0,
           arg("unvisited") = 0, arg("number") = 0.0f);

  py::class_<PuctSettings>(m, "SearchPuct", "The settings of MuZero's search.")
      .def(py::init([](const QTransform& qtransform, float pb_c_init, float pb_c_base,
                       float dirichlet_fraction, float dirichlet_alpha, bool dirichlet_legal,
                       float temperature, bool lower_bound, float deviations) {
             using Choice = PuctSettings::Choice;
             return PuctSettings{
                 qtransform,      pb_c_init,
                 pb_c_base,       dirichlet_fraction,
                 dirichlet_alpha, dirichlet_legal,
                 temperature,     lower_bound ? Choice::kLowerBound : Choice::kVisits,
                 deviations};
           }),
           arg("qtransform"), kw_only(), arg("pb_c_init"), arg("pb_c_base"),
           arg("dirichlet_fraction"), arg("dirichlet_alpha"), arg("dirichlet_legal") = false,
           arg("temperature"), arg("lower_bound") = false, arg("deviations") = 2.0f);

  py::class_<GumbelSettings>(m, "SearchGumbel", "The settings of Gumbel MuZero's search.")
      .def(py::init([](const QTransform& qtransform, std::int32_t max_num_considered_actions,
                       float gumbel_scale) {
             return GumbelSettings{qtransform, max_num_considered_actions, gumbel_scale};
           }),
           arg("qtransform"), kw_only(), arg("max_num_considered_actions"), arg("gumbel_scale"))
      .def_readonly("gumbel_scale", &GumbelSettings::gumbel_scale, "Of the noise.")
      .def(
          "set_noise",
          [](GumbelSettings& settings, const Floats& noise) {
            settings.noise.assign(noise.data(), noise.data() + noise.size());
          },
          arg("noise"), "Give the noise of a search, in place of what it would draw.");

  py::class_<RegularisedSettings>(m, "SearchRegularised",
                                  "The settings of a search by the regularised policy.")
      .def(py::init([](const PuctSettings& puct, int way) {
             return RegularisedSettings{puct, static_cast<RegularisedRule::Way>(way)};
           }),
           arg("puct"), kw_only(), arg("way"));

  py::class_<Selection>(m, "SearchSelection", "A C function that scores a node's actions.")
      .def(
          py::init([](std::uintptr_t address, std::vector<double> params, const py::object& owner) {
            // whoever lets go of it last need not hold the GIL
            const auto release = [](void* kept) {
              const py::gil_scoped_acquire acquire;
              delete static_cast<py::object*>(kept);
            };
            return Selection{reinterpret_cast<rollout_selection>(address),
                             std::move(params),
                             {new py::object(owner), release}};
          }),
          arg("address"), arg("params"), arg("owner"));

  py::class_<CustomSettings>(m, "SearchCustom",
                             "The settings of a search with selection rules of the user's.")
      .def(py::init([](const PuctSettings& puct, const std::optional<Selection>& root,
                       const std::optional<Selection>& below) {
             return CustomSettings{puct, root.value_or(Selection{}), below.value_or(Selection{})};
           }),
           arg("puct"), kw_only(), arg("root"), arg("below"));

  py::class_<OpenLoopSettings>(m, "SearchOpenLoop",
                               "The settings of a search over sequences of actions.")
      .def(py::init([](const PuctSettings& puct) { return OpenLoopSettings{puct}; }), arg("puct"));

  py::class_<Subtrees>(m, "SearchSubtrees", "What a search takes over from an earlier one.")
      .def_property_readonly(
          "nodes", [](const Subtrees& s) { return s.most; }, "Most nodes of a row.")
      .def_property_readonly(
          "height", [](const Subtrees& s) { return s.height; }, "Edges to the deepest node.")
      .def("slots", &Slots, "Where the kept nodes were.");

  py::class_<BoundSearch>(m, "Search", "A batch of tree searches, driven from outside.")
      .def(py::init([](const Rule& rule, const Seed& seed, std::size_t batch, std::size_t actions,
                       std::int32_t simulations, std::int32_t max_depth, int num_threads,
                       std::int32_t wave, std::size_t players, bool signs, bool zero_discount_ends,
                       bool early_stop, const std::vector<std::int32_t>& budgets,
                       std::size_t outcomes, float disagreement_bonus, float disagreement_penalty,
                       const Subtrees* subtrees, bool halves) {
             const std::int32_t deepest = simulations + (subtrees ? subtrees->height : 0);
             Shape shape{batch, actions, simulations, std::min(max_depth, deepest)};
             if (subtrees != nullptr) shape.inherited = subtrees->most;
             shape.wave = std::min(wave, simulations);
             shape.players = players;
             shape.signs = signs;
             shape.zero_discount_ends = zero_discount_ends;
             shape.early_stop = early_stop;
             shape.budgets = budgets;
             shape.outcomes = outcomes;
             shape.disagreement_bonus = disagreement_bonus;
             shape.disagreement_penalty = disagreement_penalty;
             shape.halves = halves;
             if (num_threads == 0) num_threads = HardwareThreads();
             const std::vector<RowKey> keys = Keys(seed, batch);
             return std::make_unique<BoundSearch>(std::visit(
                 [&](const auto& settings) {
                   return MakeSearch(shape, keys, num_threads, settings);
                 },
                 rule));
           }),
           arg("rule"), arg("seed"), kw_only(), arg("batch"), arg("actions"), arg("simulations"),
           arg("max_depth"), arg("num_threads"), arg("wave") = 1, arg("players") = 1,
           arg("signs") = false, arg("zero_discount_ends") = false, arg("early_stop") = false,
           arg("budgets") = std::vector<std::int32_t>(), arg("outcomes") = 0,
           arg("disagreement_bonus") = 0.0f, arg("disagreement_penalty") = 0.0f,
           arg("subtrees") = py::none(), arg("halves") = false)
      .def("begin", &BoundSearch::Begin, arg("prior_logits"), arg("value"), arg("invalid"),
           arg("states"), arg("action"), arg("batches"), arg("to_play") = py::none(),
           "Take the roots and choose the first leaves.")
      .def("advance", &BoundSearch::Advance, arg("part"), arg("reward"), arg("discount"),
           arg("prior_logits"), arg("value"), arg("states"), arg("invalid") = py::none(),
           arg("done") = py::none(), arg("to_play") = py::none(), arg("chance") = py::none(),
           arg("forbidden") = py::none(), arg("spread") = py::none(),
           "Back up the evaluated leaves and choose the next.")
      .def("start", &BoundSearch::Start, arg("part"), arg("reward"), arg("discount"),
           arg("prior_logits"), arg("value"), arg("states"), arg("invalid") = py::none(),
           arg("done") = py::none(), arg("to_play") = py::none(), arg("chance") = py::none(),
           arg("forbidden") = py::none(), arg("spread") = py::none(),
           "Let other threads advance a part.")
      .def("finish", &BoundSearch::Finish, "Wait until they have.")
      .def_property_readonly("first_lanes", &BoundSearch::FirstLanes,
                             "Where each part's lanes begin in what the model reads.")
      .def("feasible", &BoundSearch::Feasible, "Whether each row has an action left.")
      .def("closings", &BoundSearch::Closings, arg("row"),
           "The edges of a row that were closed, in order of time.")
      .def(
          "subtrees",
          [](const BoundSearch& s, const Actions& actions, std::size_t nodes, std::int32_t depth,
             const std::optional<Flags>& invalid) {
            return FindSubtrees(s.get(), actions, nodes, depth, invalid);
          },
          arg("actions"), kw_only(), arg("nodes"), arg("depth"), arg("invalid"),
          "Find the subtrees that a later search may begin from.")
      .def("inherit", &BoundSearch::Inherit, arg("earlier"), arg("subtrees"),
           "Begin from subtrees of an earlier search.")
      .def("recall", &BoundSearch::Recall, "Take back the leaves that are out.")
      .def("lane_rows", &BoundSearch::LaneRows, "The row of each leaf that is out.")
      .def("path_steps", &BoundSearch::PathSteps, arg("starts"), arg("noise"),
           "Write what the next step of each lane of an open-loop search begins with.")
      .def("act", &BoundSearch::Act, arg("action"), arg("weights"),
           "Write the action and the policy target.")
      .def("leaves", &BoundSearch::Leaves, arg("part"), arg("action"), arg("parent"), arg("slot"),
           "Write actions, where parent states are and where new ones go.")
      .def("arena", &BoundSearch::Arena, arg("kind"), "The states of one kind by node slot.")
      .def(
          "field",
          [](const BoundSearch& s, const std::string& name, std::optional<std::size_t> row) {
            return Field(s.get(), name, row);
          },
          arg("name"), arg("row") = py::none(), "One of mctx's tree arrays.")
      .def(
          "summary", [](const BoundSearch& s) { return Summary(s.get().tree()); },
          "The roots' visit counts, values, Q, raw values and mixed values.")
      .def(
          "noise", [](const BoundSearch& s) { return Noise(s.get()); },
          "The Gumbel noise of the roots, or None.")
      .def(
          "principal_path",
          [](const BoundSearch& s, const Actions& first) { return PrincipalPath(s.get(), first); },
          arg("first"),
          "The most visited path that starts with the given actions, its rewards and slots.")
      .def_property_readonly(
          "mean_depth", [](const BoundSearch& s) { return s.get().mean_depth(); },
          "Mean edges from the root to a leaf.")
      .def_property_readonly(
          "tree_bytes", [](const BoundSearch& s) { return s.get().tree().bytes(); },
          "Memory of the trees, without states.")
      .def_property_readonly(
          "simulation", [](const BoundSearch& s) { return s.get().simulation(); },
          "Simulations done.");

  m.def(
      "search_gumbel_noise",
      [](const Seed& seed, std::size_t batch, std::size_t actions) {
        Floats noise({batch, actions});
        const std::span<float> all{noise.mutable_data(), batch * actions};
        const std::vector<RowKey> keys = Keys(seed, batch);
        const py::gil_scoped_release release;
        for (std::size_t row = 0; row < batch; ++row) {
          search::DrawNoise(keys[row], all.subspan(row * actions, actions));
        }
        return noise;
      },
      arg("seed"), arg("batch"), arg("actions"),
      "The standard Gumbel noise that a search over these actions draws.");
  m.def("considered_visits", &search::ConsideredVisits, arg("considered"), arg("simulations"),
        "The visit count that sequential halving considers at each simulation.");
}

}  // namespace rollout::bindings
