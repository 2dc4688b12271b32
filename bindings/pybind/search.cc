// Batched tree search: takes torch tensors' memory, checks it at the edge, releases the GIL, calls.
#include "search/gumbel/search.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/thread_pool.h"
#include "module.h"
#include "search/custom/search.h"
#include "search/export.h"
#include "search/open_loop/search.h"
#include "search/puct/search.h"
#include "search/regularised/search.h"
#include "tensor.h"

namespace rollout::bindings {
namespace {

using search::Batch;
using search::CustomSettings;
using search::GumbelSettings;
using search::Head;
using search::Outputs;
using search::PuctSettings;
using search::QTransform;
using search::RegularisedRule;
using search::RegularisedSettings;
using search::RowKey;
using search::Search;
using search::Selection;
using search::Shape;
using search::Subtrees;
using search::Tree;

using Seeds = py::array_t<std::uint64_t, py::array::c_style>;
using Actions = py::array_t<std::int64_t, py::array::c_style>;
using Floats = py::array_t<float, py::array::c_style>;
using Flags = py::array_t<bool, py::array::c_style>;

const char* HeadName(Head head) {
  switch (head) {
    case Head::kReward:
      return "reward";
    case Head::kDiscount:
      return "discount";
    case Head::kPriorLogits:
      return "prior_logits";
    case Head::kValue:
      return "value";
    case Head::kInvalid:
      return "invalid_actions";
    case Head::kScore:
      return "score";
    case Head::kExcess:
      return "forbidden";
    case Head::kSpread:
      return "spread";
  }
  return "";
}

// A run of bytes that the next step overwrites.
struct Span {
  const std::byte* begin;
  const std::byte* end;
};

// One search and the tensors whose memory it uses.
class BoundSearch {
 public:
  explicit BoundSearch(std::unique_ptr<Search> search) : search_(std::move(search)) {}

  // a model may have failed while a step was with other threads, which use what is kept here
  ~BoundSearch() {
    const py::gil_scoped_release release;
    if (search_->started()) search_->Finish();
  }

  Search& get() const { return *search_; }

  std::vector<std::size_t> Begin(py::handle prior_logits, py::handle value, py::handle invalid,
                                 const py::tuple& states, py::handle action,
                                 const py::tuple& batches, py::handle to_play) {
    const Shape& shape = search_->shape();
    source_ = "root";
    Outputs root;
    root.prior_logits = ReadHead(prior_logits, Head::kPriorLogits);
    root.value = ReadHead(value, Head::kValue);
    root.invalid = ReadFlags(invalid, "invalid_actions", StateEdges());
    root.mover = ReadMover(to_play);
    const std::size_t lanes = shape.batch * static_cast<std::size_t>(shape.wave);
    const TensorView out = ReadTensor(action, "action");
    written_.push_back({out.data, out.data + lanes * sizeof(std::int64_t)});
    std::vector<Batch> into;
    for (const py::handle batch : batches) {
      const TensorView view = ReadTensor(batch, "batch");
      const std::size_t bytes = static_cast<std::size_t>(view.RowElements()) * view.item_size;
      into.push_back({view.data, bytes});
      batches_.push_back(view);
      written_.push_back({view.data, view.data + lanes * bytes});
    }
    keep_ = py::make_tuple(action, batches);
    ReadStates(states);
    bool good = false;
    {
      const py::gil_scoped_release release;
      good = search_->Begin(root, states_, reinterpret_cast<std::int64_t*>(out.data), into);
    }
    staged_.clear();
    if (!good) ThrowFault();
    source_ = walk() == nullptr ? "recurrent_fn" : "step_fn";
    std::vector<std::size_t> given;
    for (std::size_t i = 0; i < search_->parts(); ++i) given.push_back(search_->lanes(i));
    return given;
  }

  std::size_t Advance(std::size_t part, py::handle reward, py::handle discount,
                      py::handle prior_logits, py::handle value, const py::tuple& states,
                      py::handle invalid, py::handle done, py::handle to_play, py::handle chance,
                      py::handle forbidden, py::handle spread) {
    part_ = part;
    const Outputs outputs = ReadOutputs(reward, discount, prior_logits, value, invalid, done,
                                        to_play, chance, forbidden, spread);
    ReadStates(states);
    bool good = false;
    {
      const py::gil_scoped_release release;
      good = search_->Advance(outputs, states_, part);
    }
    return After(good);
  }

  void Start(std::size_t part, py::handle reward, py::handle discount, py::handle prior_logits,
             py::handle value, const py::tuple& states, py::handle invalid, py::handle done,
             py::handle to_play, py::handle chance, py::handle forbidden, py::handle spread) {
    part_ = part;
    const Outputs outputs = ReadOutputs(reward, discount, prior_logits, value, invalid, done,
                                        to_play, chance, forbidden, spread);
    ReadStates(states);
    read_ = py::make_tuple(reward, discount, prior_logits, value, states, invalid, done, to_play,
                           chance, forbidden, spread);
    const py::gil_scoped_release release;
    search_->Start(outputs, states_, part);
  }

  std::size_t Finish() {
    bool good = false;
    {
      const py::gil_scoped_release release;
      good = search_->Finish();
    }
    read_ = py::tuple();
    return After(good);
  }

  void Inherit(const BoundSearch& from, const Subtrees& subtrees) {
    const Shape &mine = search_->shape(), &theirs = from.search_->shape();
    if (mine.players != theirs.players || mine.signs != theirs.signs) {
      const auto describe = [](const Shape& shape) {
        return shape.players > 1 ? std::to_string(shape.players) + " players' values"
               : shape.signs     ? std::string("turns (to_play)")
                                 : std::string("one player");
      };
      throw py::value_error("tree: expected one of " + describe(mine) +
                            " as the root, got one of " + describe(theirs));
    }
    search_->Inherit(from.get(), subtrees);
  }

  void Recall() {
    const py::gil_scoped_release release;
    search_->Recall();
  }

  // The states of one kind by node slot, [N, B, bytes], as a view that keeps the search alive.
  static py::array Arena(const py::object& self, std::size_t kind) {
    const BoundSearch& bound = self.cast<const BoundSearch&>();
    const Shape& shape = bound.search_->shape();
    const TensorView& view = bound.batches_.at(kind);
    const std::size_t bytes = static_cast<std::size_t>(view.RowElements()) * view.item_size;
    return py::array_t<std::uint8_t>({bound.search_->tree().capacity(), shape.batch, bytes},
                                     reinterpret_cast<std::uint8_t*>(bound.search_->arena(kind)),
                                     self);
  }

  // Each lane's action, where its parent's state is, and where its new state goes, in arenas
  // [N * B, ...].
  void Leaves(std::size_t part, py::handle action, py::handle parent, py::handle slot) const {
    const std::size_t batch = search_->shape().batch;
    auto* const taken = reinterpret_cast<std::int64_t*>(ReadTensor(action, "action").data);
    auto* const from = reinterpret_cast<std::int64_t*>(ReadTensor(parent, "parent").data);
    auto* const to = reinterpret_cast<std::int64_t*>(ReadTensor(slot, "slot").data);
    search_->ForEachLane(part, [&](std::size_t lane, std::size_t row, const search::Leaf& leaf) {
      taken[lane] = leaf.action;
      from[lane] = static_cast<std::int64_t>(static_cast<std::size_t>(leaf.parent) * batch + row);
      to[lane] = static_cast<std::int64_t>(static_cast<std::size_t>(leaf.slot) * batch + row);
    });
  }

  // The row of each lane that is out.
  py::array_t<std::int64_t> LaneRows() const {
    py::array_t<std::int64_t> rows(static_cast<py::ssize_t>(search_->lanes()));
    search_->ForEachLane(0, [&](std::size_t lane, std::size_t row, const search::Leaf&) {
      rows.mutable_data()[lane] = static_cast<std::int64_t>(row);
    });
    return rows;
  }

  // How the next step of each lane of an open-loop search begins.
  void PathSteps(py::handle starts, py::handle noise) const {
    if (walk() == nullptr) throw py::value_error("path_steps: no open-loop search");
    const TensorView to = ReadTensor(starts, "starts"), numbers = ReadTensor(noise, "noise");
    walk()->Lanes(reinterpret_cast<std::uint8_t*>(to.data), reinterpret_cast<float*>(numbers.data),
                  static_cast<std::size_t>(numbers.shape[1]));
  }

  void Act(py::handle action, py::handle weights) {
    const TensorView to = ReadTensor(action, "action"), share = ReadTensor(weights, "weights");
    const py::gil_scoped_release release;
    search_->Decide(reinterpret_cast<std::int64_t*>(to.data), reinterpret_cast<float*>(share.data));
  }

  std::vector<std::size_t> FirstLanes() const {
    std::vector<std::size_t> first;
    for (std::size_t i = 0; i < search_->parts(); ++i) first.push_back(search_->first_lane(i));
    return first;
  }

  // Whether each row has an action left, [B].
  py::array_t<bool> Feasible() const {
    py::array_t<bool> out(static_cast<py::ssize_t>(search_->shape().batch));
    for (std::size_t row = 0; row < search_->shape().batch; ++row)
      out.mutable_data()[row] = search_->feasible(row);
    return out;
  }

  // (actions from the root, the nodes they were taken in, slot, excess, worth, visits, logit,
  // whether it is an outcome of chance) of each edge closed in a row.
  py::list Closings(std::size_t row) const {
    const Tree& tree = search_->tree();
    py::list out;
    for (const search::Closing& closing : search_->closings(row)) {
      std::vector<std::int32_t> path{closing.action}, nodes{closing.parent};
      while (nodes.back() != search::kRoot) {
        const search::NodeHead& head = tree.Head(row, nodes.back());
        path.push_back(tree.EntryAction(row, head));
        nodes.push_back(head.parent);
      }
      std::ranges::reverse(path);
      std::ranges::reverse(nodes);
      const bool chance = tree.Head(row, closing.parent).chance != 0;
      out.append(py::make_tuple(path, nodes, closing.slot, closing.excess, closing.worth,
                                closing.visits, closing.logit, chance));
    }
    return out;
  }

 private:
  // The search as an open-loop one; null where it is another.
  const search::OpenLoopWalk* walk() const {
    return dynamic_cast<const search::OpenLoopWalk*>(search_.get());
  }

  Outputs ReadOutputs(py::handle reward, py::handle discount, py::handle prior_logits,
                      py::handle value, py::handle invalid, py::handle done, py::handle to_play,
                      py::handle chance, py::handle forbidden, py::handle spread) {
    if (Lanes() == 0) throw py::value_error("advance: all simulations are done");
    Outputs outputs;
    outputs.reward = ReadHead(reward, Head::kReward);
    outputs.discount = ReadHead(discount, Head::kDiscount);
    outputs.prior_logits = ReadHead(prior_logits, Head::kPriorLogits);
    outputs.value = ReadHead(value, Head::kValue);
    outputs.invalid = ReadFlags(invalid, "invalid_actions", StateEdges());
    outputs.done = ReadFlags(done, "done", 1);
    outputs.mover = ReadMover(to_play);
    outputs.chance = ReadChance(chance);
    outputs.excess = ReadExcess(forbidden);
    outputs.spread = ReadSpread(spread);
    return outputs;
  }

  std::size_t After(bool good) {
    staged_.clear();
    if (!good) ThrowFault();
    return search_->lanes(part_);
  }

  // Rows of what a step is about: the roots, or a part's leaves.
  std::size_t Lanes() const {
    return source_ == "root" ? search_->shape().batch : search_->lanes(part_);
  }

  // The edges that a model tells of: a root has actions only.
  std::size_t StateEdges() const {
    return source_ == "root" ? search_->shape().actions : search_->tree().columns();
  }

  search::Rows ReadHead(py::handle tensor, Head head) {
    const Shape& shape = search_->shape();
    const bool wide = head == Head::kPriorLogits;
    const bool many = shape.players > 1 && (head == Head::kReward || head == Head::kValue);
    const std::size_t columns = wide ? StateEdges() : many ? shape.players : 1;
    const TensorView view = ReadTensor(tensor, HeadName(head));
    const std::size_t lanes = Lanes();
    const bool table = wide || many;
    const bool shaped = view.dims == (table ? 2 : 1) &&
                        view.shape[0] == static_cast<std::int64_t>(lanes) &&
                        (!table || view.shape[1] == static_cast<std::int64_t>(columns));
    if (!shaped || !view.IsFloat32() || !view.host) [[unlikely]] {
      const std::string rows = "B=" + std::to_string(lanes);
      const std::string second = (wide ? ", A=" : ", P=") + std::to_string(columns);
      const std::string want = table ? rows + second : rows;
      const char* const hint = !shaped     ? ""
                               : view.host ? "; convert it with .float()"
                                           : "; move it to the root's device with .to()";
      throw py::value_error(source_ + ": " + HeadName(head) + ": expected float32 [" + want +
                            "], got " + Describe(tensor) + hint);
    }
    search::Rows rows{reinterpret_cast<const float*>(view.data), view.stride[0]};
    if ((table && columns > 1 && view.stride[1] != 1) || IsWritten(view)) {
      const std::ptrdiff_t length = static_cast<std::ptrdiff_t>(columns);
      rows = {reinterpret_cast<const float*>(Stage(view)), length};
    }
    return rows;
  }

  // A bool tensor [L], or [L, columns], contiguous; null for None.
  const std::uint8_t* ReadFlags(py::handle tensor, const char* name, std::size_t columns) {
    if (tensor.is_none()) return nullptr;
    return reinterpret_cast<const std::uint8_t*>(ReadExtra(tensor, name, columns, 1, "bool"));
  }

  // Whether new states await an outcome of chance; null for None.
  const std::uint8_t* ReadChance(py::handle tensor) {
    const std::uint8_t* const chance = ReadFlags(tensor, "chance", 1);
    if (chance == nullptr || search_->shape().outcomes > 0) return chance;
    for (std::size_t lane = 0; lane < Lanes(); ++lane) {
      if (chance[lane] == 0) continue;
      throw py::value_error(source_ + ": chance: row " + std::to_string(lane) +
                            " awaits an outcome, and the search has room for none; say how many "
                            "there are with num_outcomes");
    }
    return chance;
  }

  // A tensor [L] of players; null for None.
  const std::int64_t* ReadMover(py::handle tensor) {
    if (tensor.is_none()) return nullptr;
    const auto* const mover =
        reinterpret_cast<const std::int64_t*>(ReadExtra(tensor, "to_play", 1, 8, "int64"));
    const auto players = static_cast<std::int64_t>(search_->shape().players);
    for (std::size_t lane = 0; lane < Lanes(); ++lane) {
      const std::int64_t most = players > 1 ? players - 1 : 255;
      if (mover[lane] < 0 || mover[lane] > most) {
        throw py::value_error(source_ + ": to_play: expected players 0 to " + std::to_string(most) +
                              ", got " + std::to_string(mover[lane]) + " in row " +
                              std::to_string(lane));
      }
    }
    return mover;
  }

  // A bool tensor [L], or a float32 one of what each step is over its limit; null for None.
  const float* ReadExcess(py::handle tensor) {
    if (tensor.is_none()) return nullptr;
    const TensorView view = ReadTensor(tensor, "forbidden");
    if (view.IsFloat32()) {
      return reinterpret_cast<const float*>(ReadExtra(tensor, "forbidden", 1, 4, "float32"));
    }
    const std::uint8_t* const flags = ReadFlags(tensor, "forbidden", 1);
    auto& copy = staged_.emplace_back(Lanes() * sizeof(float));
    auto* const excess = reinterpret_cast<float*>(copy.data());
    std::copy_n(flags, Lanes(), excess);
    return excess;
  }

  const float* ReadSpread(py::handle tensor) {
    const Shape& shape = search_->shape();
    if (!tensor.is_none()) {
      const std::byte* const at = ReadExtra(tensor, "spread", 1, 4, "float32");
      return reinterpret_cast<const float*>(at);
    }
    if (shape.disagreement_bonus != 0.0f || shape.disagreement_penalty != 0.0f) {
      throw py::value_error(source_ +
                            ": spread: expected float32 [B], got None; a disagreement_bonus or a "
                            "disagreement_penalty needs it, so give it or leave them at 0");
    }
    return nullptr;
  }

  const std::byte* ReadExtra(py::handle tensor, const char* name, std::size_t columns,
                             std::size_t item, const char* type) {
    const TensorView view = ReadTensor(tensor, name);
    const auto lanes = static_cast<std::int64_t>(Lanes());
    const bool shaped = view.dims == (columns > 1 ? 2 : 1) && view.shape[0] == lanes &&
                        (columns == 1 || view.shape[1] == static_cast<std::int64_t>(columns));
    const bool table_of_one =
        columns == 1 && view.dims == 2 && view.shape[0] == lanes && view.shape[1] == 1;
    if (!(shaped || table_of_one) || view.item_size != item || !view.host) {
      throw py::value_error(
          source_ + ": " + name + ": expected " + type + " [B=" + std::to_string(lanes) +
          (columns > 1 ? ", " + std::to_string(columns) : "") + "], got " + Describe(tensor));
    }
    const bool packed = view.stride[0] == static_cast<std::int64_t>(columns) &&
                        (view.dims == 1 || view.stride[1] == 1);
    return packed && !IsWritten(view) ? view.data : Stage(view);
  }

  void ReadStates(const py::tuple& states) {
    if (states.size() != batches_.size()) {
      throw py::value_error(source_ + ": embedding: expected " + std::to_string(batches_.size()) +
                            " tensors, got " + std::to_string(states.size()));
    }
    states_.clear();
    for (std::size_t kind = 0; kind < batches_.size(); ++kind) {
      states_.push_back(ReadState(kind, states[kind]));
    }
  }

  search::States ReadState(std::size_t kind, py::handle tensor) {
    const TensorView view = ReadTensor(tensor, "embedding");
    const TensorView& want = batches_[kind];
    TensorView like = want;
    like.shape[0] = static_cast<std::int64_t>(Lanes());
    if (!view.SameKind(like) || !view.host) [[unlikely]] {
      throw py::value_error(source_ + ": embedding: expected tensor " + std::to_string(kind) +
                            " like the root's, " + Describe(keep_[py::int_(1)][py::int_(kind)]) +
                            ", got " + Describe(tensor));
    }
    const auto row_bytes = static_cast<std::ptrdiff_t>(want.item_size) * want.RowElements();
    const std::ptrdiff_t stride = view.stride[0] * static_cast<std::ptrdiff_t>(view.item_size);
    // a model may give back the very states it was given: a row is then read before it is written
    const auto first = static_cast<std::ptrdiff_t>(search_->first_lane(part_));
    const bool same = view.data == want.data + first * row_bytes && stride == row_bytes;
    const bool staged = !view.RowsContiguous() || (!same && IsWritten(view));
    if (row_bytes > 0 && staged) return {Stage(view), row_bytes};
    return {view.data, stride};
  }

  // Whether the step writes where `view` is, perhaps before it has been read.
  bool IsWritten(const TensorView& view) const {
    const auto item = static_cast<std::ptrdiff_t>(view.item_size);
    const std::byte* const low = view.data;
    const std::byte* high = view.data + item;
    for (int i = 0; i < view.dims; ++i) high += (view.shape[i] - 1) * view.stride[i] * item;
    return std::ranges::any_of(written_,
                               [&](const Span& s) { return low < s.end && s.begin < high; });
  }

  // A contiguous copy that lives until the step is done. Rare: views of the inputs, odd strides.
  const std::byte* Stage(const TensorView& view) {
    const auto item = static_cast<std::ptrdiff_t>(view.item_size);
    std::size_t count = 1;
    for (int i = 0; i < view.dims; ++i) count *= static_cast<std::size_t>(view.shape[i]);
    auto& copy = staged_.emplace_back(count * view.item_size);
    std::vector<std::int64_t> at(static_cast<std::size_t>(view.dims), 0);
    for (std::byte* to = copy.data(); to != copy.data() + copy.size(); to += item) {
      const std::byte* from = view.data;
      for (std::size_t i = 0; i < at.size(); ++i) from += at[i] * view.stride[i] * item;
      std::memcpy(to, from, view.item_size);
      for (std::size_t i = at.size(); i-- > 0;) {
        if (++at[i] < view.shape[i]) break;
        at[i] = 0;
      }
    }
    return copy.data();
  }

  [[noreturn]] void ThrowFault() const {
    const auto& fault = search_->fault();
    std::string where = source_ + ": " + HeadName(fault.head) + ": row " +
                        std::to_string(fault.row) + " is not finite (NaN or infinity)";
    if (source_ != "root") where += " at simulation " + std::to_string(search_->simulation(part_));
    if (fault.head == Head::kInvalid) {
      where = source_ + ": invalid_actions: row " + std::to_string(fault.row) +
              " allows no action; say so with done, or with a discount of 0 and zero_discount_ends";
    }
    if (fault.head == Head::kScore) {
      where = "selection: row " + std::to_string(fault.row) +
              ": the rule gave an allowed action a score that is NaN, or raised, at simulation " +
              std::to_string(search_->simulation(part_));
    }
    if (fault.head == Head::kSpread) where += ", or is below 0";
    if (fault.head == Head::kPriorLogits) {
      where += "; to rule an action out give it a large negative logit such as -1e9";
    }
    throw py::value_error(where);
  }

  std::unique_ptr<Search> search_;
  py::tuple keep_;  // the action and the batches, whose memory every step writes
  py::tuple read_;  // what a step that was started reads
  std::string source_ = "root";
  std::size_t part_ = 0;  // whose step it is, or was last
  std::vector<TensorView> batches_;
  std::vector<Span> written_;
  std::vector<search::States> states_;
  std::vector<std::vector<std::byte>> staged_;
};

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

template <class T, class Get>
py::array_t<T> NodeArray(const Tree& tree, T empty, Get&& get) {
  py::array_t<T> out({tree.batch(), tree.capacity()});
  search::ExportNodes(tree, empty, get, out.mutable_data());
  return out;
}

template <class T, class Get>
py::array_t<T> EdgeArray(const Tree& tree, T empty, Get&& get) {
  py::array_t<T> out({tree.batch(), tree.capacity(), tree.columns()});
  search::ExportEdges(tree, empty, get, out.mutable_data());
  return out;
}

py::array Field(const Search& from, const std::string& name) {
  const Tree& tree = from.tree();
  using search::kNone;
  using search::Node;
  using search::NodeHead;
  using Int = std::int32_t;
  using Child = const NodeHead*;
  if (name == "node_visits") {
    return NodeArray<Int>(tree, 0, [](const Node& n) { return n.head().visits; });
  }
  if (name == "node_values") {
    return NodeArray<float>(tree, 0, [](const Node& n) { return n.head().value; });
  }
  if (name == "raw_values") {
    return NodeArray<float>(tree, 0, [](const Node& n) { return n.head().raw_value; });
  }
  if (name == "parents") {
    return NodeArray<Int>(tree, kNone, [](const Node& n) { return n.head().parent; });
  }
  if (name == "action_from_parent") {
    py::array_t<Int> out({tree.batch(), tree.capacity()});
    std::fill_n(out.mutable_data(), out.size(), kNone);
    search::ForEachNode(tree, [&](std::size_t row, std::size_t, const Node& n) {
      for (std::size_t a = 0; a < tree.columns(); ++a) {
        if (n.child()[a] != kNone) out.mutable_at(row, n.child()[a]) = static_cast<Int>(a);
      }
    });
    return out;
  }
  if (name == "chance_nodes") {
    return NodeArray<bool>(tree, false, [](const Node& n) { return n.head().chance != 0; });
  }
  if (name == "children_index") {
    return EdgeArray<Int>(tree, kNone,
                          [](const Node& n, std::size_t a, Child) { return n.child()[a]; });
  }
  if (name == "children_prior_logits") {
    return EdgeArray<float>(tree, 0,
                            [](const Node& n, std::size_t a, Child) { return n.logits()[a]; });
  }
  if (name == "children_visits") {
    return EdgeArray<Int>(tree, 0,
                          [](const Node& n, std::size_t a, Child) { return n.visits()[a]; });
  }
  if (name == "children_qvalues") {
    return EdgeArray<float>(tree, 0, [](const Node& n, std::size_t a, Child) {
      return n.visits()[a] > 0 ? n.q()[a] : 0.0f;
    });
  }
  const auto edge = [&](float NodeHead::* field) {
    return EdgeArray<float>(tree, 0, [field](const Node&, std::size_t, Child child) {
      return child == nullptr ? 0.0f : child->*field;
    });
  };
  if (name == "children_values") return edge(&NodeHead::value);
  if (name == "children_rewards") return edge(&NodeHead::reward);
  if (name == "children_discounts") return edge(&NodeHead::discount);
  throw py::attribute_error("a search tree has no array " + name);
}

// The root's visit counts [B, A], value [B], Q [B, A], raw value [B] and mixed value [B]; Q is 0
// where nothing was visited.
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

py::tuple PrincipalPath(const Search& from, const Actions& first) {
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

// actions: [B, D].
Subtrees FindSubtrees(const Search& from, const Actions& actions, std::size_t nodes,
                      std::int32_t depth, const std::optional<Flags>& invalid) {
  search::Keep keep{nodes, depth};
  if (invalid) keep.invalid = reinterpret_cast<const std::uint8_t*>(invalid->data());
  return search::FindSubtrees(from.tree(), actions.data(),
                              static_cast<std::size_t>(actions.shape(1)), keep);
}

// [B, most] the slots in the earlier tree, kNone past a row's.
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
          [](const BoundSearch& s, const std::string& name) { return Field(s.get(), name); },
          arg("name"), "One of mctx's tree arrays.")
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
