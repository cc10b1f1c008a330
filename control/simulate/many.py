"""Many runs of one question, spread over the machine's cores.

Each run has draws of its own, so that neither the number of processes nor who comes first changes an answer.
Processes are spawned, never forked: grpc may be loaded.
"""

import functools
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from control.rollout.model import Plan
from control.simulate.figures import End
from control.simulate.run import Times, run
from control.simulate.traffic import Traffic, seeds
from control.simulate.world import World

FEW = 20
"""Runs that are over before another process has started."""

AT_ONCE = 4
"""Runs that a process is handed at a time: what an interrupt waits for."""


def run_many(plan: Plan, world: World, times: Times, *, seed: int, runs: int, processes: int) -> list[End]:
    """How each run ended."""
    one = functools.partial(_run, plan, world, times)
    if processes < 2 or runs <= FEW:
        return [one(random) for random in seeds(seed, runs)]
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_leave_interrupts_to_the_parent)
    try:
        return list(pool.map(one, seeds(seed, runs), chunksize=AT_ONCE))
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(plan: Plan, world: World, times: Times, random: np.random.Generator) -> End:
    return run(plan, Traffic(plan, world, random), times)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
