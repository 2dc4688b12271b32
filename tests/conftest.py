"""Shared by all tests: one torch thread, since tensors here are small and tests may share cores."""

import torch

torch.set_num_threads(1)
