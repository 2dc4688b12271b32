"""Shared by all tests: one torch thread, since tensors here are small and tests may share cores.

And Ctrl-C interrupts, even in a job that a shell has put in the background, which ignores it: there
are tests of what it does.
"""

import signal

import torch

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
