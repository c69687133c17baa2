"""Vectors on disk: made once, for this process and for the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from llm.embedding_store import StoredEmbedder


class Lengths:
    """An embedder that counts what it is asked for."""

    def __init__(self, model_id: str = "lengths") -> None:
        self.model_id, self.dims = model_id, 2
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        return [[float(len(text)), 1.0] for text in texts]


async def test_a_text_is_embedded_once_for_all_processes(tmp_path: Path) -> None:
    first, second = Lengths(), Lengths()
    made = await StoredEmbedder(first, tmp_path / "v.sqlite").embed(["one", "three", "one"])
    kept = await StoredEmbedder(second, tmp_path / "v.sqlite").embed(["three", "seven", "one"])
    assert made == [[3.0, 1.0], [5.0, 1.0], [3.0, 1.0]]
    assert kept == [[5.0, 1.0], [5.0, 1.0], [3.0, 1.0]]
    assert (first.asked, second.asked) == (["one", "three"], ["seven"])


async def test_another_model_shares_no_vector(tmp_path: Path) -> None:
    other = Lengths("other")
    await StoredEmbedder(Lengths(), tmp_path / "v.sqlite").embed(["one"])
    await StoredEmbedder(other, tmp_path / "v.sqlite").embed(["one"])
    assert other.asked == ["one"]


async def test_an_interrupted_run_keeps_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm.embedding_store._BATCH", 2)

    class Breaking(Lengths):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            if "c" in texts:
                raise KeyboardInterrupt
            return await super().embed(texts)

    with pytest.raises(KeyboardInterrupt):
        await StoredEmbedder(Breaking(), tmp_path / "v.sqlite").embed(["a", "b", "c"])
    again = Lengths()
    await StoredEmbedder(again, tmp_path / "v.sqlite").embed(["a", "b", "c"])
    assert again.asked == ["c"]


async def test_no_text_stands_in_the_file(tmp_path: Path) -> None:
    await StoredEmbedder(Lengths(), tmp_path / "v.sqlite").embed(["a customer's own words"])
    assert b"customer" not in (tmp_path / "v.sqlite").read_bytes()


@pytest.mark.parametrize("place", ["file/v.sqlite", "file"])
async def test_a_file_that_cannot_be_used_costs_time_and_nothing_else(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a database, and no folder")
    inner = Lengths()
    store = StoredEmbedder(inner, tmp_path / place)
    assert await store.embed(["one"]) == await store.embed(["one"]) == [[3.0, 1.0]]
    assert inner.asked == ["one", "one"]
