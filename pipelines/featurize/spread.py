"""The same work on many markets: here, in processes, or on a Dask scheduler; the results are the same bytes."""

import multiprocessing
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipelines.core.params import ComputeParams

Job = TypeVar("Job")
Made = TypeVar("Made")


def each(work: Callable[[Job], Made], jobs: Sequence[Job], compute: ComputeParams) -> list[Made]:
    """Results in the order of the jobs, whatever `compute.scheduler` runs them.

    `scheduler` is single (this process), processes (`workers` of them), or the address of a Dask scheduler.
    """
    if compute.scheduler == "single":
        return [work(job) for job in jobs]
    if compute.scheduler == "processes":
        with multiprocessing.get_context("spawn").Pool(compute.workers) as pool:
            return pool.map(work, jobs, chunksize=max(len(jobs) // (4 * compute.workers), 1))
    from dask.distributed import Client  # noqa: PLC0415 - only where a cluster is asked for

    with Client(compute.scheduler) as client:  # type: ignore[no-untyped-call]
        made: list[Made] = client.gather(client.map(work, jobs, pure=False))
        return made
