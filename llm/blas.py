"""Threads of the linear algebra under numpy."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def use_one_thread() -> None:
    """Keep BLAS from sharing its work, for the rest of the process.

    What a message needs multiplies matrices of a few hundred kilobytes. On two cores that others use as well, two threads
    that wait for each other took 16 ms of CPU for five sentences by 285 examples and 0.05 ms where there was one.
    """
    threadpool_limits(limits=1, user_api="blas")
