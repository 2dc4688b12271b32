"""Swing ten pendulums up by MPPI over the exact model; prints the mean return of 200 steps.

    python examples/mppi_pendulum.py [--picture plan.png]

All ten are planned for in one call, and the model is the environment itself, rolled natively. The
picture shows one pendulum's way and what each tenth plan expected.
"""

import argparse

import numpy as np

import rollout
from rollout.models import ExactModel
from rollout.planning import MPPI
from rollout.planning.trajectory import Coloured

PENDULUMS, STEPS, HORIZON = 10, 200, 20


def angles(env, snapshot, actions):
    """Return where a pendulum is along some actions: its angle, 0 being up."""
    path = []
    for action in actions:
        step = env.step_from(snapshot, action[None])
        path.append(np.arctan2(step.obs[0, 1], step.obs[0, 0]))
        snapshot = step.snapshot
    return path


def draw(path, plans, file):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3))
    for start, plan in plans:
        axes.plot(
            np.arange(start + 1, start + 1 + len(plan)), unwrap_from(path[start], plan), "C1", lw=1
        )
    axes.plot(unwrap_from(path[0], path), "C0", lw=2)
    axes.set(
        xlabel="step", ylabel="angle, rad", title="A pendulum swung up, and what plans expected"
    )
    axes.axhline(0, color="0.8", zorder=0)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def unwrap_from(start, path):
    """Return angles without jumps, beginning beside `start`."""
    return np.unwrap(np.concatenate(([start], path)))[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", help="where to write a picture of one swing-up")
    args = parser.parse_args()

    env = rollout.make_vec("Pendulum-v1", PENDULUMS)
    obs, _ = env.reset(seed=0)
    model = ExactModel(env)
    planner = MPPI(
        model,
        horizon=HORIZON,
        population=200,
        std=1.0,
        noise=Coloured(1.0),
        discount=1.0,
        paths=False,
    )
    returns, path, plans = np.zeros(PENDULUMS), [], []
    for step in range(STEPS):
        world = env.snapshot()
        plan = planner.plan(model.state(world), seed=step)
        if args.picture and step < 100:
            path.append(np.arctan2(obs[0, 1], obs[0, 0]))
            if step % 10 == 0:
                plans.append((step, angles(env, world[[0]], plan.path_actions[0].numpy())))
        obs, reward, *_ = env.step(plan.action.numpy())
        returns += reward
    if args.picture:
        draw(path, plans, args.picture)
    print(f"mean return {returns.mean():.1f}")


if __name__ == "__main__":
    main()
