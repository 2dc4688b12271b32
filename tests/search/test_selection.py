"""Selection rules of the user's: PUCT again, UCB1, C functions, and what is refused."""

import ctypes
import gc
import math
import shutil
import subprocess
import sys
import weakref

import cffi
import numpy as np
import pytest
import torch
from search_twin import INDEX_SHIFT, LOWEST, TIE_SITE, TableModel, search_row
from test_search_options import assert_same_tree
from test_search_twin import some_invalid

import rollout.envs
import rollout.search as search
from rollout import _native
from rollout.search.selection import NODE


@search.selection_rule(params={"c1": 1.25, "c2": 19652.0})
def puct(node, prior, visits, params, scores):
    # in float32, as the built-in rule computes it
    n = np.float32(node.visits)
    c2 = np.float32(params.c2)
    c = np.float32(params.c1) + np.log((n + c2 + np.float32(1)) / c2)
    weight = np.sqrt(n) * c
    for a in range(node.num_actions):
        scores[a] += weight * prior[a] / (np.float32(visits[a]) + np.float32(1))


@search.selection_rule(params={"c": 1.5})
def ucb1(node, q, visits, params, scores):
    total = node.visits - 1
    for a in range(node.num_actions):
        if visits[a] == 0:
            scores[a] = np.inf
        else:
            scores[a] = q[a] + params.c * math.sqrt(math.log(total) / visits[a])


@search.selection_rule
def nan_where_valuable(node, scores):
    if node.raw_value == 1000 and node.simulation == 7:
        scores[2] = np.nan


@search.selection_rule
def raises(node, scores):
    if node.raw_value == 1000:
        raise ValueError("too good")


class Ucb1:
    """The plain twin."""

    def __init__(self, c, seed, row):
        self.c, self.seed, self.row = c, seed, row

    def select(self, tree, node, depth, simulation):
        n = tree.visits[node]
        q = tree.reward[node] + tree.discount[node] * tree.child_value[node]
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.float32(q + self.c * np.sqrt(np.log(n.sum()) / n))
        score = np.where(n > 0, score, np.inf)
        score = np.where(tree.logits[node] == LOWEST, -np.inf, score)
        tied = np.flatnonzero(score >= score.max() - 1e-7)
        if len(tied) == 1:
            return tied[0]
        site = TIE_SITE | depth << INDEX_SHIFT
        draw = _native.philox_below(self.seed, self.row, simulation, site, len(tied), 1)
        return tied[int(draw[0])]


@pytest.mark.parametrize("actions", [1, 5, 8, 40])
@pytest.mark.parametrize("wave", [1, 3])
def test_a_rule_that_writes_puct_gives_muzeros_trees(actions, wave):
    model, rows = TableModel(actions), 12
    invalid = torch.from_numpy(some_invalid(actions, rows, 3))
    how = {"invalid_actions": invalid, "seed": 4, "wave": wave}
    plain = search.muzero_policy(model.root(rows), model.recurrent, 50, **how)
    for where in [("root",), ("interior",), ("root", "interior")]:
        rules = {f"{name}_selection": puct for name in where}
        ours = search.muzero_policy(model.root(rows), model.recurrent, 50, **how, **rules)
        assert_same_tree(ours.search_tree, plain.search_tree)
        assert torch.equal(ours.action_weights, plain.action_weights)
        assert torch.equal(ours.action, plain.action)


@pytest.mark.parametrize("actions", [4, 40])
def test_ucb1_equals_the_twin(actions):
    model, rows, simulations = TableModel(actions), 4, 60
    invalid = some_invalid(actions, rows, 1)
    root = model.root(rows)
    tree = search.muzero_policy(
        root,
        model.recurrent,
        simulations,
        invalid_actions=torch.from_numpy(invalid),
        root_selection=ucb1.with_params(c=0.7),
        interior_selection=ucb1.with_params(c=0.7),
        seed=9,
    ).search_tree
    for row in range(rows):
        twin = search_row(
            Ucb1(0.7, 9, row),
            root.prior_logits[row].numpy(),
            root.value[row].item(),
            root.embedding[row].item(),
            model.step,
            simulations,
            simulations,
            invalid[row],
        )
        np.testing.assert_array_equal(tree.children_visits[row], twin.visits)
    assert ucb1.params == (("c", 1.5),)


def test_root_and_interior_are_told_apart_and_threads_change_nothing():
    model = TableModel(5)

    @search.selection_rule
    def first_at_odd_depths(node, scores):
        scores[:] = 0
        scores[0 if node.depth % 2 else 3] = 1

    trees = [
        search.muzero_policy(
            model.root(300),
            model.recurrent,
            20,
            root_selection=first_at_odd_depths,
            interior_selection=first_at_odd_depths,
            num_threads=threads,
        ).search_tree
        for threads in (1, 2)
    ]
    assert_same_tree(*trees)
    assert (trees[0].children_visits[:, 0, 3] == 20).all()
    assert (trees[0].children_visits[:, 1, 0] == 19).all()
    assert (trees[0].children_visits[:, 2, 3] == 18).all()


def test_what_a_rule_sees():
    model = TableModel(3)
    invalid = torch.tensor([[False, True, False]])

    # a score of NaN says that something was not as it should be; numba compiles no rewritten assert
    @search.selection_rule
    def check(node, prior, logits, q, visits, scores):
        odds = prior[0] / prior[2]
        good = node.num_actions == len(scores) == len(q) == len(logits) == 3
        good &= node.depth == 0 and node.simulation == node.visits - 1 == visits.sum()
        good &= prior[1] < 0 and abs(prior[0] + prior[2] - 1) < 1e-6
        good &= abs(np.exp(logits[0] - logits[2]) - odds) < 1e-4 * odds
        for a in range(3):
            good &= visits[a] > 0 or q[a] == 0
        for a in (0, 2):
            good &= 0 <= scores[a] <= 1
        good &= node.simulation == 0 or abs(node.value - node.raw_value) > 0
        scores[0] += 0.1 / (1 + visits[0])
        if not good:
            scores[0] = np.nan

    output = search.muzero_policy(
        model.root(1), model.recurrent, 30, invalid_actions=invalid, root_selection=check
    )
    assert output.search_tree.summary().visit_counts[0, 1] == 0


@pytest.mark.parametrize("actions", [5, 40])
def test_a_nan_or_an_exception_names_the_row(actions):
    model = TableModel(actions)
    root = model.root(6)
    root.value[4] = 1000.0

    for rule, simulation in ((nan_where_valuable, 7), (raises, 0)):
        with pytest.raises(
            ValueError,
            match=f"selection: row 4: .* NaN, or raised, at simulation {simulation}",
        ):
            search.muzero_policy(root, model.recurrent, 20, root_selection=rule)
    invalid = torch.zeros(6, actions, dtype=torch.bool)
    invalid[:, 2] = True
    # what is written for a forbidden action is ignored
    search.muzero_policy(
        root, model.recurrent, 20, invalid_actions=invalid, root_selection=nan_where_valuable
    )


class Node(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("num_actions", "depth", "simulation", "visits")),
        *((name, ctypes.c_float) for name in ("value", "raw_value")),
    ]  # fmt: skip


FLOATS, INTS = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_int32)
SIGNATURE = ctypes.CFUNCTYPE(
    None,
    ctypes.POINTER(Node),
    FLOATS,
    FLOATS,
    FLOATS,
    INTS,
    ctypes.POINTER(ctypes.c_double),
    FLOATS,
)


def test_functions_of_ctypes_and_cffi_give_the_same_trees():
    model = TableModel(4)

    def most_q(node, prior, logits, q, visits, params, scores):
        for a in range(node[0].num_actions):
            scores[a] = q[a] - params[0] * visits[a]

    def most_q_compiled(node, q, visits, params, scores):
        for a in range(node.num_actions):
            scores[a] = q[a] - params.c * visits[a]

    ffi = cffi.FFI()
    header = (rollout.envs.include_dir() / "rollout" / "selection.h").read_text()
    ffi.cdef("typedef struct rollout_node {" + header.split("rollout_node {")[1].split("#ifdef")[0])
    called = ffi.callback("rollout_selection", most_q)
    rules = [
        search.selection_rule(most_q_compiled, params={"c": 0.1}),
        search.selection_rule(SIGNATURE(most_q), params={"c": 0.1}),
        search.selection_rule(called, params={"c": 0.1}),
    ]
    trees = [
        search.muzero_policy(
            model.root(2), model.recurrent, 20, interior_selection=rule, num_threads=1
        ).search_tree
        for rule in rules
    ]
    assert_same_tree(trees[1], trees[0])
    assert_same_tree(trees[2], trees[0])


def test_a_search_keeps_a_rules_code_and_lets_go_of_it():
    model = TableModel(3)
    function = SIGNATURE(lambda *arguments: None)
    alive = weakref.ref(function)
    output = search.muzero_policy(
        model.root(2), model.recurrent, 3, root_selection=search.selection_rule(function)
    )
    del function
    gc.collect()
    assert alive() is not None
    del output
    gc.collect()
    assert alive() is None


C_SOURCE = """
#include <rollout/selection.h>

void least_visited(const rollout_node* node, const float* prior, const float* logits,
                   const float* q, const int32_t* visits, const double* params, float* scores) {
  int32_t a;
  (void)prior, (void)logits, (void)q;
  for (a = 0; a < node->num_actions; ++a) {
    scores[a] = -(float)visits[a] - (float)(params[0] * a);
  }
}

static const rollout_selection the_signature_fits = least_visited;
const void* keep(void) { return (const void*)&the_signature_fits; }
"""


def test_a_rule_from_a_library_in_c99(tmp_path):
    source, library = tmp_path / "rule.c", tmp_path / "rule.so"
    source.write_text(C_SOURCE)
    compiler = shutil.which("cc") or shutil.which("gcc")
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    include = f"-I{rollout.envs.include_dir()}"
    done = subprocess.run(
        [compiler, *strict, include, "-shared", "-fPIC", source, "-o", library],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    function = ctypes.CDLL(str(library)).least_visited
    rule = search.selection_rule(function, params={"slope": 1e-3})
    assert rule.name == "least_visited"
    model = TableModel(6)
    visits = search.muzero_policy(
        model.root(40), model.recurrent, 15, root_selection=rule, num_threads=2
    ).search_tree.summary()[0]
    assert (visits == torch.tensor([3, 3, 3, 2, 2, 2])).all()


def test_the_header_and_the_record_agree():
    ffi = cffi.FFI()
    header = (rollout.envs.include_dir() / "rollout" / "selection.h").read_text()
    ffi.cdef("typedef struct rollout_node {" + header.split("rollout_node {")[1].split("#ifdef")[0])
    node = ffi.typeof("rollout_node")
    assert ffi.sizeof(node) == NODE.itemsize == ctypes.sizeof(Node)
    for name, field in node.fields:
        kind, offset = NODE.fields[name][:2]
        assert offset == field.offset == getattr(Node, name).offset
        assert np.dtype({"int32_t": "i4", "float": "f4"}[field.type.cname]) == kind


def test_wrong_functions_are_refused_by_name():
    with pytest.raises(TypeError, match=r"wrong: a selection rule may take node, .*; it takes qs"):

        @search.selection_rule
        def wrong(qs, scores): ...

    with pytest.raises(TypeError, match="silent: a selection rule must take scores"):

        @search.selection_rule
        def silent(node): ...

    with pytest.raises(TypeError, match=r"expected a Python function, or a C function .* got int"):
        search.selection_rule(3)
    few = ctypes.CFUNCTYPE(None, ctypes.POINTER(Node))(print)
    with pytest.raises(TypeError, match=r"expected 7 arguments \(node, prior, .*\), got 1"):
        search.selection_rule(few)
    doubles = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 6, ctypes.POINTER(ctypes.c_double))
    with pytest.raises(TypeError, match=r"scores: expected POINTER\(c_float\), got LP_c_double"):
        search.selection_rule(doubles(print))
    number = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 6, ctypes.c_int)
    with pytest.raises(TypeError, match=r"scores: expected POINTER\(c_float\), got c_int"):
        search.selection_rule(number(print))
    ffi = cffi.FFI()
    with pytest.raises(TypeError, match=r"expected a cffi function .*, got \(int\)"):
        search.selection_rule(ffi.callback("void(int)", print))
    with pytest.raises(ValueError, match="the C function is NULL"):
        search.selection_rule(SIGNATURE())
    model = TableModel(3)
    with pytest.raises(TypeError, match=r"root_selection: expected what .* got function; decorate"):
        search.muzero_policy(model.root(2), model.recurrent, 3, root_selection=lambda scores: None)
    with pytest.raises(TypeError, match=r"interior_selection: expected .* got int"):
        search.muzero_policy(model.root(2), model.recurrent, 3, interior_selection=3)
    with pytest.raises(ValueError, match="params: c: expected a finite number, got nan"):
        ucb1.with_params(c=math.nan)
    with pytest.raises(ValueError, match="params: ucb1 has c, got d"):
        ucb1.with_params(d=1.0)


def test_without_numba_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match="selection_rule: needs numba; pip install numba"):

        @search.selection_rule
        def rule(scores): ...
