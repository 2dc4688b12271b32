// A batched tree search and the torch tensors it works on: takes their memory, checks it at the
// edge, releases the GIL, calls.
//
// The tensors that every step writes are kept alive, and so are those of a step that was started,
// until it is finished. What a model gives is read before the step returns. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "module.h"
#include "search/open_loop/search.h"
#include "search/search.h"
#include "tensor.h"

namespace rollout::bindings {

using search::Batch;
using search::Head;
using search::Outputs;
using search::Search;
using search::Shape;
using search::Subtrees;
using search::Tree;

inline const char* HeadName(Head head) {
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

}  // namespace rollout::bindings
