"""Trajectory optimisers on models whose best plans are known."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from trajectory_models import Codes, Ending, Ensemble, Mixed, Quadratic, Road

import rollout
from rollout.models import ExactModel, Transition
from rollout.planning import CEM, ICEM, MPPI, TDMPC, RandomShooting
from rollout.planning.trajectory import Coloured, Rate, Refine, Spline

METHODS = {
    "cem": (CEM, {"iterations": 8}),
    "icem": (ICEM, {"population": 400, "elites": 20, "iterations": 8, "beta": 0.25}),
    "mppi": (MPPI, {"iterations": 12, "temperature": 0.02, "std": 0.3, "control_cost": 0.0}),
    "tdmpc": (TDMPC, {"temperature": 0.1, "std": 0.7, "iterations": 8, "act": "mean"}),
}


def make(method, model, **overrides):
    kind, settings = METHODS[method]
    return kind(model, **{"horizon": 4, "num_threads": 1, **settings, **overrides})


def zeros(rows):
    return torch.zeros(rows, 2)


@pytest.mark.parametrize("method", METHODS)
def test_converges_to_the_optimum_of_a_quadratic(method):
    model = Quadratic()
    plan = make(method, model).plan(zeros(3), seed=0)
    want = torch.stack([model.target(t) for t in range(4)])
    assert plan.path_actions.shape == (3, 4, 2)
    # iCEM takes a sample and not a mean, MPPI keeps its noise
    assert (plan.path_actions - want).abs().max() < 0.25
    assert (plan.path_actions - want).square().mean() < 0.01
    torch.testing.assert_close(plan.action, plan.path_actions[:, 0])
    # the value is that of the very path
    rewards = -(plan.path_actions - want).square().sum(-1)
    torch.testing.assert_close(plan.path_rewards, rewards)
    torch.testing.assert_close(plan.value, rewards @ 0.99 ** torch.arange(4.0))
    assert plan.nonfinite.sum() == 0
    assert plan.feasible.all()
    assert 0 < plan.model_seconds < plan.seconds


def test_cem_converges_to_machine_precision_and_random_shooting_does_not():
    model = Quadratic()
    fine = CEM(model, horizon=3, iterations=40, num_threads=1).plan(zeros(1), seed=0)
    assert fine.value > -1e-6
    rough = RandomShooting(model, horizon=3, population=2000, num_threads=1)
    plan = rough.plan(zeros(1), seed=0)
    assert plan.candidates == 2000
    assert -1.5 < plan.value < -1e-3
    # the last plan, shifted, is a candidate of the next
    only = RandomShooting(model, horizon=3, population=1, num_threads=1)
    only._last, only.proposal.mean = np.zeros((1, 1, 1, 2), np.float32), plan.path_actions.numpy()
    only.proposal.std = np.ones_like(only.proposal.mean)
    assert torch.equal(only.plan(zeros(1)).path_actions[:, :2], plan.path_actions[:, 1:])


@pytest.mark.parametrize("nvec", [(5,), (3, 6, 2)])
@pytest.mark.parametrize("method", METHODS)
def test_choices_are_found(method, nvec):
    model = Codes(nvec)
    plan = make(method, model, act="mean").plan(zeros(2), seed=1)
    for time in range(4):
        assert (plan.path_actions[:, time].view(2, -1) == model.right(time)).all()
    assert plan.action.dtype == torch.int64
    assert plan.action.shape == (2, *model.spec.action.shape)


@pytest.mark.parametrize("method", METHODS)
def test_choices_and_numbers_together(method):
    plan = make(method, Mixed(), act="mean").plan(zeros(2), seed=1)
    assert (plan.path_actions[..., 0] == 1).all()
    assert (plan.path_actions[..., 1] - 0.25).abs().max() < 0.2


@pytest.mark.parametrize("method", [*METHODS, "random"])
def test_a_row_depends_on_its_own_seed_alone(method):
    def planner():
        if method == "random":
            return RandomShooting(Quadratic(), horizon=4, population=50, num_threads=1)
        return make(method, Quadratic(), iterations=3)

    alone, together = planner(), planner()
    state, company = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
    for step in range(3):
        one = alone.plan(state, seed=[70 + step])
        many = together.plan(
            company, seed=[step, 70 + step, 9], reset=torch.tensor([step == 1, False, True])
        )
        assert torch.equal(one.path_actions[0], many.path_actions[1])
        assert torch.equal(one.value[0], many.value[1])


def test_seeds_repeat_and_differ():
    def first(**seed):
        planner = CEM(Quadratic(), horizon=2, iterations=1, num_threads=1)
        return planner.plan(zeros(2), **seed).action

    assert torch.equal(first(seed=4), first(seed=4))
    assert not torch.equal(first(seed=4), first(seed=5))
    # one seed tells rows apart by their number
    assert not torch.equal(*first(seed=4))
    assert torch.equal(*first(seed=[8, 8]))
    planner = CEM(Quadratic(), horizon=2, iterations=1, num_threads=1, seed=3)
    own = [planner.plan(zeros(1), reset=torch.tensor([True])).action for _ in range(2)]
    assert not torch.equal(*own)


def test_a_warm_start_is_the_last_plan_shifted_and_a_reset_forgets_it():
    planner = CEM(Quadratic(), horizon=4, num_threads=1, iterations=6)
    plan = planner.plan(zeros(2), seed=0)
    planner._begin(zeros(2), 2, planner._keys(0, 2), None, torch.tensor([False, True]))
    mean = torch.from_numpy(planner.proposal.mean)
    torch.testing.assert_close(mean[0, :3], plan.path_actions[0, 1:])
    assert (mean[0, 3] == 0.5).all()
    assert (mean[1] == 0.5).all()
    # deviations start anew: half of half the range of 3
    assert planner.proposal.std == pytest.approx(0.75)


def test_icem_keeps_elites_of_the_last_plan_but_not_past_a_reset():
    planner = make("icem", Quadratic(), iterations=2, population=40, elites=10)
    planner.plan(zeros(2), seed=0)
    kept = planner._elites.copy()
    assert kept.shape == (4, 2, 3, 2)
    seen = []
    place = planner.place

    def look(run, iteration):
        place(run, iteration)
        seen.append(run.population.copy())

    planner.place = look
    planner.plan(zeros(2), seed=1, reset=torch.tensor([False, True]))
    np.testing.assert_array_equal(seen[0][:, 0, -3:], kept[:, 0])
    assert (seen[0][:, 1, -3:] != kept[:, 1]).any((0, 2)).all()
    # fewer draws in each iteration, never below twice the elites
    assert [population.shape[2] for population in seen] == [40, 32]
    assert planner.count(9) == 20


def test_bounds_hold_for_every_candidate_and_can_be_narrowed():
    planner = CEM(Quadratic(), horizon=3, bounds=(-0.1, 0.2), iterations=2, num_threads=1, std=3.0)
    lowest, highest = [], []
    score = planner._score

    def look(run, tally, population):
        lowest.append(population.min())
        highest.append(population.max())
        score(run, tally, population)

    planner._score = look
    plan = planner.plan(zeros(1), seed=0)
    assert min(lowest) == np.float32(-0.1)
    assert max(highest) == np.float32(0.2)
    assert plan.path_actions.abs().max() <= 0.2 + 1e-6


@pytest.mark.parametrize("noise", [Coloured(2.0), Spline(2), Rate()])
def test_shaped_noise_makes_smoother_plans(noise):
    def roughness(noise):
        planner = RandomShooting(
            Quadratic(), horizon=16, noise=noise, std=0.1, num_threads=1, population=30
        )
        plan = planner.plan(zeros(4), seed=0)
        path = plan.path_actions - plan.path_actions.mean(1, keepdim=True)
        return ((path[:, 1:] - path[:, :-1]).square().mean() / path.square().mean()).item()

    assert roughness(noise) < 0.6 * roughness(None)


def test_a_rate_cost_smooths_and_counts_the_last_action_taken():
    class Alternating(Quadratic):
        def target(self, time):
            return self.centre + 0.8 * (time % 2)

    def change(cost):
        planner = CEM(Alternating(), horizon=6, rate_cost=cost, iterations=10, num_threads=1)
        first = planner.plan(zeros(1), seed=0)
        inside = (first.path_actions[0, 1:] - first.path_actions[0, :-1]).abs().mean()
        far = torch.tensor([[1.0, 0.0]])
        second = planner.plan(far, seed=0)
        return inside.item(), (second.action - first.action).abs().mean().item()

    free, dear = change(0.0), change(20.0)
    assert dear[0] < 0.3 * free[0]
    assert dear[1] < 0.3 * free[1]


def test_termination_is_planned_with():
    # ending at once earns 1; going on for three steps and then ending earns 0.4 * 3 + 1
    plan = CEM(Ending(), horizon=4, discount=1.0, num_threads=1).plan(zeros(1), seed=0)
    assert (plan.path_actions[0, :3] < 0).all()
    assert plan.path_actions[0, 3] > 0
    assert plan.value.item() == pytest.approx(2.2)
    short = CEM(Ending(), horizon=4, discount=0.5, num_threads=1).plan(zeros(1), seed=0)
    assert short.path_actions[0, 0] > 0


def test_the_terminal_value_counts_at_the_weight_of_the_last_state():
    class Valued(Ending):
        def value(self, state):
            # nothing may be read of a world that is over
            return torch.where(state[:, 0] > 0, 10.0, torch.nan)

    plan = CEM(Valued(), horizon=2, discount=0.5, num_threads=1).plan(zeros(1), seed=0)
    assert (plan.path_actions < 0).all()
    assert plan.value.item() == pytest.approx(0.4 + 0.2 + 0.25 * 10)
    blind = CEM(Valued(), horizon=2, discount=0.5, terminal_value=False, num_threads=1)
    assert blind.plan(zeros(1), seed=0).path_actions[0, 0] > 0

    class Team(Ending):
        def value(self, state):
            return torch.stack(
                (torch.full_like(state[:, 0], 8.0), torch.full_like(state[:, 0], 12.0))
            )

    assert (
        CEM(Team(), horizon=2, discount=0.5, num_threads=1).plan(zeros(1), seed=0).value
        == plan.value
    )


def test_an_objective_takes_the_place_of_the_models_reward():
    class Reach:
        def reward(self, before, action, transition, after):
            return -action.square().sum(1)

        def tail(self, last):
            return -100 * (last[:, 1] - 0.5).square()

    plan = CEM(Quadratic(1), horizon=2, objective=Reach(), num_threads=1, iterations=8).plan(
        zeros(1), seed=0
    )
    assert plan.path_actions[0, 0].item() == pytest.approx(0.0, abs=0.05)
    assert plan.path_actions[0, 1].item() == pytest.approx(0.5, abs=0.05)


def test_goals_weigh_events():
    goal = rollout.goals.Goal({"collision": 1.0})
    planner = CEM(Road(), horizon=2, num_threads=1)
    reckless = planner.plan(zeros(1), goal=goal, seed=0)
    assert (reckless.path_actions > 0.9).all()
    assert reckless.path_events.shape == (1, 2, 2)
    torch.testing.assert_close(reckless.path_rewards, reckless.path_events[..., 1])
    careful = planner.plan(zeros(1), goal=rollout.goals.Goal({"collision": -1.0}), seed=0)
    assert careful.path_actions.max() <= 0.35
    # a goal a row
    both = planner.plan(zeros(2), goal=[goal, rollout.goals.Goal({"collision": -1.0})], seed=0)
    assert both.action[0] > 0.9
    assert both.action[1] <= 0.35


@pytest.mark.parametrize("method", METHODS)
def test_a_forbidden_event_stays_below_its_limit_and_the_reason_is_kept(method):
    planner = make(method, Road(), forbid={"collision": 0.05})
    plan = planner.plan(zeros(2), seed=0)
    (why,) = plan.rejections
    assert plan.feasible.all()
    assert (why.event, why.limit) == ("collision", 0.05)
    assert (why.probability <= 0.05).all()
    # the limit is for the whole path: four steps share it, and what is allowed is used
    risk = (plan.path_actions[..., 0] - 0.3).clamp(0)
    torch.testing.assert_close(why.probability, 1 - (1 - risk).prod(1), atol=1e-5, rtol=0)
    assert (plan.path_actions[..., 0].mean(1) > 0.1).all()
    assert (why.rejected > 0).all()
    assert (why.forgone > plan.value).all()


def test_where_every_candidate_breaks_a_rule_the_least_bad_is_taken():
    plan = CEM(Road(cliff=-1.5), horizon=2, forbid={"collision": 0.01}, num_threads=1).plan(
        zeros(1), seed=0
    )
    assert not plan.feasible.any()
    assert (plan.path_actions < -0.9).all()
    assert plan.rejections[0].rejected.item() == plan.candidates


def test_members_are_asked_as_propagation_says():
    model = Ensemble()
    planner = CEM(
        model,
        horizon=3,
        propagation="tsinf",
        particles=6,
        iterations=1,
        population=4,
        elites=2,
        paths=False,
        num_threads=1,
    )
    planner.plan(zeros(2), seed=0)
    asked = torch.stack(model.asked)
    assert (asked == torch.arange(6).remainder(3).repeat(8)).all()

    model.asked.clear()
    planner = CEM(
        model,
        horizon=30,
        propagation="ts1",
        particles=6,
        iterations=1,
        population=4,
        elites=2,
        paths=False,
        num_threads=1,
    )
    planner.plan(zeros(2), seed=0)
    asked = torch.stack(model.asked).view(30, 2, 4, 6)
    # shared out evenly at every step, the same for all candidates of a problem, and changing
    assert (asked.sort(-1).values == torch.tensor([0, 0, 1, 1, 2, 2])).all()
    assert (asked == asked[:, :, :1]).all()
    assert (asked[:, 0] != asked[:, 1]).any()
    assert len(asked[:, 0, 0].unique(dim=0)) > 15


def test_disagreement_and_risk_hold_a_plan_back():
    bold = CEM(Ensemble(), horizon=2, num_threads=1).plan(zeros(1), seed=0)
    assert (bold.path_actions > 0.9).all()
    held = CEM(Ensemble(), horizon=2, spread_penalty=1.0, num_threads=1).plan(zeros(1), seed=0)
    assert held.path_actions.abs().max() < 0.2
    averse = CEM(
        Ensemble(), horizon=2, propagation="tsinf", particles=3, risk=1.0, num_threads=1
    ).plan(zeros(1), seed=0)
    assert averse.path_actions.abs().max() < 0.2
    # members that are drawn anew cancel over the steps, those that stay do not
    settings = {"horizon": 24, "particles": 3, "num_threads": 1, "iterations": 1}
    steady = CEM(Ensemble(), propagation="tsinf", risk=1.0, **settings).plan(zeros(1), seed=0)
    varied = CEM(Ensemble(), propagation="ts1", risk=1.0, **settings).plan(zeros(1), seed=0)
    assert varied.value > steady.value


def test_candidates_that_are_not_finite_lose_and_are_counted():
    class Cliff(Quadratic):
        def step(self, state, action, noise):
            after, trans = super().step(state, action, noise)
            bad = action[:, 0] > 0.8
            infinite = torch.where(action[:, 1] > 1.0, torch.inf, torch.nan)
            return after, Transition(torch.where(bad, infinite, trans.reward), None)

    for method in METHODS:
        plan = make(method, Cliff(), act="best").plan(zeros(2), seed=0)
        assert (plan.path_actions[..., 0] <= 0.8).all()
        assert torch.isfinite(plan.value).all()
        assert (plan.nonfinite > 10).all()
        assert (plan.nonfinite < plan.candidates).all()

    class Diverged(Quadratic):
        def step(self, state, action, noise):
            after, trans = super().step(state, action, noise)
            return after, Transition(torch.where(state[:, 1] < 0, torch.nan, trans.reward), None)

    state = torch.tensor([[0.0, 0.0], [0.0, -1.0]])
    with pytest.raises(ValueError, match="every candidate of row 1 scored a NaN or an infinity"):
        make("cem", Diverged(), horizon=1).plan(state)


def test_gradient_steps_improve_the_best():
    def value(refine):
        planner = RandomShooting(
            Quadratic(), horizon=4, population=32, refine=refine, num_threads=1
        )
        return planner.plan(zeros(2), seed=0).value

    assert (value(Refine(steps=60, rate=0.03)) > -0.01).all()
    assert (value(None) < -0.2).all()
    env = rollout.make_vec("Pendulum-v1", 1)
    env.reset(seed=0)
    model = ExactModel(env)
    with pytest.raises(ValueError, match="no gradient"):
        CEM(model, horizon=2, refine=Refine(), num_threads=1).plan(model.begin(1))
    with pytest.raises(ValueError, match="choices have no gradient"):
        CEM(Codes(), horizon=2, refine=Refine(), num_threads=1).plan(zeros(1))


class Actor(Quadratic):
    """Has a policy that knows the answer, and an action value."""

    def policy(self, state):
        mean = self.target(state[:, :1])
        return torch.cat((mean, torch.full_like(mean, -6.0)), 1)

    def qvalue(self, state, action):
        off = (action - self.target(state[:, :1])).square().sum(1)
        return torch.stack((5.0 - off, 7.0 - off))


def test_tdmpc_takes_the_policys_proposals_and_its_action_value():
    model = Actor()
    settings = {
        "horizon": 3,
        "population": 30,
        "elites": 4,
        "iterations": 1,
        "num_threads": 1,
        "act": "mean",
    }
    with_policy = TDMPC(model, proposals=6, temperature=0.01, **settings).plan(zeros(2), seed=0)
    without = TDMPC(model, proposals=0, temperature=0.01, **settings).plan(zeros(2), seed=0)
    want = torch.stack([model.target(t) for t in range(3)])
    assert (with_policy.path_actions - want).abs().max() < 0.02
    assert (without.path_actions - want).abs().max() > 0.1
    # the ensemble's mean, of the policy's own action
    assert with_policy.value == pytest.approx(6 * 0.99**3, abs=0.01)


class Knowing:
    """The policy of a model is all but sure of the best action, and a value judges the last one."""

    def policy(self, state):
        wanted = self.best(state[:, :1])
        nvec = getattr(self.spec.action, "nvec", (getattr(self.spec.action, "n", 0),))
        parts = [20.0 * F.one_hot(wanted[:, i].long(), n) for i, n in enumerate(nvec)]
        mean = wanted[:, len(nvec) :]
        return torch.cat([*parts, mean, torch.full_like(mean, -6.0)], 1)

    def qvalue(self, state, action):
        return 9.0 - (action.view(len(state), -1) - self.best(state[:, :1])).abs().sum(1)


class KnowingCodes(Knowing, Codes):
    def best(self, time):
        return self.right(time.long()).float()


class KnowingMixed(Knowing, Mixed):
    def best(self, time):
        return torch.tensor([1.0, 0.25]).expand(len(time), 2)


@pytest.mark.parametrize("model", [KnowingCodes(), KnowingCodes((5, 3, 7)), KnowingMixed()])
def test_tdmpc_reads_a_policy_head_of_any_kind_of_action(model):
    planner = TDMPC(
        model,
        horizon=3,
        population=30,
        elites=4,
        iterations=1,
        proposals=6,
        temperature=0.01,
        act="best",
        num_threads=1,
    )
    plan = planner.plan(zeros(2), seed=0)
    want = torch.stack([model.best(torch.full((2, 1), float(t))) for t in range(3)], 1)
    off = plan.path_actions.view(2, 3, -1) - want
    assert off.abs().max() < 0.02
    assert plan.action.dtype == model.spec.action.dtype
    ahead = plan.value - plan.path_rewards @ 0.99 ** torch.arange(3.0)
    assert ahead == pytest.approx(9 * 0.99**3, abs=0.01)


def test_tdmpc_samples_an_elite_by_its_weight_and_explores_when_asked():
    def first(act, temperature):
        settings = {"horizon": 2, "population": 20, "elites": 5, "iterations": 1, "proposals": 0}
        planner = TDMPC(
            Quadratic(), act=act, temperature=temperature, num_threads=1, std=0.5, **settings
        )
        return planner.plan(zeros(60), seed=0).action

    # cold, the best takes all; hot, each of five elites is as likely
    assert torch.equal(first("sample", 1e-6), first("best", 1e-6))
    same = (first("sample", 1e9) == first("best", 1e9)).all(1).sum()
    assert 2 <= same <= 25
    still = TDMPC(Quadratic(), horizon=2, num_threads=1, act="mean")
    noisy = TDMPC(Quadratic(), horizon=2, num_threads=1, act="mean", noisy=True)
    calm, moved = still.plan(zeros(64), seed=3), noisy.plan(zeros(64), seed=3)
    torch.testing.assert_close(calm.path_actions, moved.path_actions)
    off = (moved.action - calm.action).square().mean().sqrt()
    # min_std of 0.05 half ranges of 1.5
    assert 0.06 < off < 0.12


def test_mppi_charges_for_control():
    # with a flat reward and a mean away from zero the control cost pulls the mean back
    class Flat(Quadratic):
        def step(self, state, action, noise):
            after, trans = super().step(state, action, noise)
            return after, Transition(torch.zeros_like(trans.reward), None)

    def drift(control_cost):
        planner = MPPI(
            Flat(1, -50.0, 50.0),
            horizon=1,
            population=20000,
            control_cost=control_cost,
            std=0.02,
            num_threads=1,
        )
        planner.plan(zeros(1), seed=0)
        planner.proposal.middle[:] = 0.6  # what a shift fills the last step with
        return planner.plan(zeros(1), seed=1).action.item()

    # the mean of 20000 numbers of deviation 1 has an error of 0.007
    assert drift(0.0) == pytest.approx(0.6, abs=0.04)
    # weights exp(-mean * noise / std^2) move the mean by minus itself
    assert drift(1.0) == pytest.approx(0.0, abs=0.05)


def test_invalid_actions_are_not_taken_now():
    model = Codes((5,))
    invalid = torch.zeros(2, 5, dtype=torch.bool)
    invalid[0, 0] = True
    for method in METHODS:
        plan = make(method, model, act="mean").plan(zeros(2), invalid_actions=invalid, seed=0)
        assert plan.action[0] != 0
        assert plan.action[1] == 0
        assert (plan.path_actions[:, 1] == 1).all()


def test_chunks_change_nothing():
    def plan(chunk_rows):
        planner = CEM(
            Road(), horizon=3, forbid={"collision": 0.1}, chunk_rows=chunk_rows, num_threads=1
        )
        return planner.plan(zeros(3), seed=0)

    one, many = plan(None), plan(17)
    assert torch.equal(one.path_actions, many.path_actions)


def test_without_paths_the_value_is_the_candidates_own():
    planner = CEM(Quadratic(), horizon=3, paths=False, iterations=30, num_threads=1)
    plan = planner.plan(zeros(2), seed=0)
    assert plan.path_rewards.shape == (2, 0)
    assert plan.value == pytest.approx(0, abs=1e-4)


def test_wrong_settings_are_refused():
    model = Quadratic()
    for settings, message in [
        ({"horizon": 0}, "horizon: expected an integer >= 1, got 0"),
        ({"discount": 1.5}, "discount"),
        ({"std": 0.0}, "std: expected a positive number"),
        ({"min_std": 2.0, "max_std": 1.0}, "min_std"),
        ({"elites": 600}, "elites: expected at most population=500, got 600"),
        ({"momentum": 1.0}, "momentum: expected a share"),
        ({"act": "worst"}, "act: expected 'mean', 'best' or 'sample'"),
        ({"propagation": "ts2"}, "propagation: expected"),
        ({"bounds": (3.0, 4.0)}, "leave nothing"),
        ({"forbid": {"collision": 0.1}}, "predicts no events"),
        ({"goal": object(), "objective": object()}, "one of the two"),
    ]:
        with pytest.raises(ValueError, match=message):
            CEM(model, **settings)
    for forbid, message in [
        ({"colision": 0.1}, "no event is called 'colision'; there is collision"),
        ({"collision": 1.1}, "a probability in"),
        ({"partner.collision": 0.1}, "expected EVENT"),
    ]:
        with pytest.raises(ValueError, match=message):
            CEM(Road(), forbid=forbid)
    with pytest.raises(ValueError, match="temperature: expected a positive number"):
        MPPI(model, temperature=0.0)
    with pytest.raises(ValueError, match="decay"):
        ICEM(model, decay=0.5)
    with pytest.raises(ValueError, match="degree 0, 1 or 3"):
        Spline(3, 2)


def test_wrong_arguments_of_a_plan_are_refused():
    planner = CEM(Quadratic(), horizon=2, num_threads=1)
    with pytest.raises(ValueError, match=r"reset: expected \[B=2\] bool, got \[3\]"):
        planner.plan(zeros(2), reset=torch.zeros(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="seed: expected an int or B=2 of them, got 3"):
        planner.plan(zeros(2), seed=[1, 2, 3])
    with pytest.raises(ValueError, match="invalid_actions: expected None"):
        planner.plan(zeros(2), invalid_actions=torch.zeros(2, 2, dtype=torch.bool))
    choosing = CEM(Codes((5,)), horizon=2, num_threads=1)
    barred = torch.tensor([[False] * 5, [True] * 5])
    with pytest.raises(ValueError, match="row 1 has no action left"):
        choosing.plan(zeros(2), invalid_actions=barred)
    with pytest.raises(ValueError, match=r"\[B=2, A=5\]"):
        choosing.plan(zeros(2), invalid_actions=torch.zeros(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="give no disagreement"):
        CEM(Quadratic(), spread_penalty=1.0, num_threads=1).plan(zeros(1))
    with pytest.raises(ValueError, match="needs an ensemble"):
        CEM(Quadratic(), propagation="ts1", num_threads=1).plan(zeros(1))
    with pytest.raises(ValueError, match="particles: expected at least 3"):
        CEM(Ensemble(), propagation="ts1", num_threads=1).plan(zeros(1))
