"""The same work on many jobs: here, in processes, or on a Dask scheduler; the results are the same bytes.

Workers need this program and nothing of the folder that the work was started in: what a job reads comes with it.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pipelines.core.errors import SettingError
from pipelines.core.sections import ComputeParams

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Made = TypeVar("Made")

AHEAD = 4
"""Jobs that each worker has been given before the first result is waited for."""
WORKER_WAIT_S = 30
"""Wall seconds in which a Dask scheduler has to answer and to have a worker."""


def each(
    work: Callable[[Shared, Job], Made], shared: Shared, jobs: Iterable[Job], compute: ComputeParams
) -> Iterator[Made]:
    """Results in the order of the jobs, as they come, whatever `compute.scheduler` runs them.

    `shared` is what every job reads: it is sent to each worker once. `scheduler` is single (this process), processes
    (`workers` of them), or the address of a Dask scheduler. Jobs are taken as workers get free, AHEAD for each, so that
    jobs that are made one by one are never all in memory.

    Raises:
        SettingError: if no Dask scheduler answers at the address, or it has no worker.
    """
    if compute.scheduler == "single":
        yield from (work(shared, job) for job in jobs)
    elif compute.scheduler == "processes":
        with multiprocessing.get_context("spawn").Pool(compute.workers, _hold, (shared,)) as pool:
            yield from _ahead(lambda job: pool.apply_async(_with_held, (work, job)).get, jobs, AHEAD * compute.workers)
    else:
        with _client(compute.scheduler) as client:
            (held,) = client.scatter([shared], broadcast=True, hash=False)
            threads = sum(client.nthreads().values())
            yield from _ahead(lambda job: client.submit(work, held, job, pure=False).result, jobs, AHEAD * threads)


def _ahead(submit: Callable[[Job], Callable[[], Made]], jobs: Iterable[Job], most: int) -> Iterator[Made]:
    """Results in order, with at most so many jobs submitted and not taken."""
    waiting: deque[Callable[[], Made]] = deque()
    for job in jobs:
        waiting.append(submit(job))
        if len(waiting) >= most:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


def _client(address: str) -> Any:
    from dask.distributed import Client  # noqa: PLC0415 - only where a cluster is asked for

    client = None
    try:
        client = Client(address, timeout=WORKER_WAIT_S)  # type: ignore[no-untyped-call]
        client.wait_for_workers(1, timeout=WORKER_WAIT_S)
    except (OSError, TimeoutError, ValueError) as error:
        if client is not None:
            client.close()  # type: ignore[no-untyped-call]
        raise SettingError(
            f"compute.scheduler was {address}: no Dask scheduler with a worker answers there within {WORKER_WAIT_S} s"
            f" ({type(error).__name__}); start `dask scheduler` and `dask worker {address} --nthreads 1`, or set it to"
            " single or processes"
        ) from None
    return client


_held: list[Any] = []
"""In a worker process: what all its jobs read."""


def _hold(shared: object) -> None:
    _held[:] = [shared]


def _with_held(work: Callable[[Any, Job], Made], job: Job) -> Made:
    return work(_held[0], job)
