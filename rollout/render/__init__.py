"""Pictures, films and terminal drawings of running worlds."""

from rollout.render.gif import save_gif
from rollout.render.kitchen import draw_kitchen
from rollout.render.scene import Cook, Intent, Mark, Scene, Thing, intent, kitchen_scene
from rollout.render.terminal import kitchen_text

__all__ = [
    "Cook",
    "Intent",
    "Mark",
    "Scene",
    "Thing",
    "draw_kitchen",
    "intent",
    "kitchen_scene",
    "kitchen_text",
    "save_gif",
]
