"""Batched tree search over any model that is a function on tensors."""

from rollout.recurrent import RecurrentOutput
from rollout.search.alphazero import EvaluateFn, alphazero_policy
from rollout.search.candidates import Candidates, CandidateTree
from rollout.search.device import CapturedRecurrent, capture_recurrent
from rollout.search.executor import CannotCompileError, CompiledRecurrent, compile_recurrent
from rollout.search.joint import (
    JointPolicyOutput,
    JointRecurrentFn,
    JointRecurrentOutput,
    JointRoot,
    JointSettings,
    joint_gumbel_muzero_policy,
    joint_muzero_policy,
)
from rollout.search.open_loop import StepFn, open_loop_policy
from rollout.search.policies import Limits, gumbel_muzero_policy, muzero_policy
from rollout.search.prefix import PrefixState, ValuePrefix
from rollout.search.qtransform import (
    QTransform,
    qtransform_by_min_max,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
    qtransform_scaled,
)
from rollout.search.regularised import regularised_muzero_policy
from rollout.search.sampled import (
    SampledFn,
    SampledOutput,
    SampledRoot,
    candidate_noise,
    sampled_muzero_policy,
)
from rollout.search.samplers import (
    CategoricalSampler,
    GaussianSampler,
    HybridSampler,
    Sampler,
    UniformSampler,
)
from rollout.search.selection import Selection, selection_rule
from rollout.search.simultaneous import (
    SimultaneousFn,
    SimultaneousOutput,
    simultaneous_policy,
)
from rollout.search.stochastic import (
    ChanceRecurrentFn,
    ChanceRecurrentFnOutput,
    DecisionRecurrentFn,
    DecisionRecurrentFnOutput,
    StoredState,
    stochastic_muzero_policy,
)
from rollout.search.tree import Closed, SearchSummary, SearchTree
from rollout.search.types import PolicyOutput, RecurrentFn, Root
from rollout.search.uct import UctOutput, uct

__all__ = [
    "CandidateTree",
    "Candidates",
    "CannotCompileError",
    "CapturedRecurrent",
    "CategoricalSampler",
    "ChanceRecurrentFn",
    "ChanceRecurrentFnOutput",
    "Closed",
    "CompiledRecurrent",
    "DecisionRecurrentFn",
    "DecisionRecurrentFnOutput",
    "EvaluateFn",
    "GaussianSampler",
    "HybridSampler",
    "JointPolicyOutput",
    "JointRecurrentFn",
    "JointRecurrentOutput",
    "JointRoot",
    "JointSettings",
    "Limits",
    "PolicyOutput",
    "PrefixState",
    "QTransform",
    "RecurrentFn",
    "RecurrentOutput",
    "Root",
    "SampledFn",
    "SampledOutput",
    "SampledRoot",
    "Sampler",
    "SearchSummary",
    "SearchTree",
    "Selection",
    "SimultaneousFn",
    "SimultaneousOutput",
    "StepFn",
    "StoredState",
    "UctOutput",
    "UniformSampler",
    "ValuePrefix",
    "alphazero_policy",
    "candidate_noise",
    "capture_recurrent",
    "compile_recurrent",
    "gumbel_muzero_policy",
    "joint_gumbel_muzero_policy",
    "joint_muzero_policy",
    "muzero_policy",
    "open_loop_policy",
    "qtransform_by_min_max",
    "qtransform_by_parent_and_siblings",
    "qtransform_completed_by_mix_value",
    "qtransform_scaled",
    "regularised_muzero_policy",
    "sampled_muzero_policy",
    "selection_rule",
    "simultaneous_policy",
    "stochastic_muzero_policy",
    "uct",
]
