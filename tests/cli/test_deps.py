"""What the wiring settles for the whole process."""

from __future__ import annotations

from threadpoolctl import threadpool_info

from cli.deps import make_embedder, make_mind
from core.settings import Settings


def test_the_product_multiplies_its_small_matrices_in_one_thread() -> None:
    """Two threads that wait for each other on shared cores cost more than all else in a message."""
    settings = Settings(_env_file=None, openai_api_key=None)  # pyright: ignore[reportCallIssue]
    make_mind(settings, make_embedder(settings))
    threads = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert threads == {1}
