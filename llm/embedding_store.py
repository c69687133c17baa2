"""Vectors kept on disk by the text's hash: what was embedded once is never embedded again, by no later start either."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from core.ports import Embedder

_CREATE = "create table if not exists vectors (key blob primary key, vector blob not null) without rowid"
_FIND = "select vector from vectors where key = ?"
_KEEP = "insert or ignore into vectors values (?, ?)"
# A run that is interrupted keeps what it has made so far.
_BATCH = 200
_WAIT_S = 30.0


class StoredEmbedder:
    """`core.ports.Embedder` in front of another one. Safe for several processes; texts themselves are not kept.

    A file that cannot be read or written costs the time to embed again and nothing else.
    """

    def __init__(self, embedder: Embedder, file: Path) -> None:
        self._embedder = embedder
        self._file = file

    @property
    def model_id(self) -> str:
        return self._embedder.model_id

    @property
    def dims(self) -> int:
        return self._embedder.dims

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        keys = {text: self._key(text) for text in texts}
        found = self._find(keys)
        missing = [text for text in keys if text not in found]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            made = [np.asarray(v, dtype=np.float32).tobytes() for v in await self._embedder.embed(batch)]
            self._keep([(keys[text], vector) for text, vector in zip(batch, made, strict=True)])
            found.update(zip(batch, made, strict=True))
        return [np.frombuffer(found[text], dtype=np.float32).tolist() for text in texts]

    def _find(self, keys: Mapping[str, bytes]) -> dict[str, bytes]:
        with suppress(OSError, sqlite3.Error), self._open() as db:
            return {text: row[0] for text, key in keys.items() if (row := db.execute(_FIND, (key,)).fetchone())}
        return {}

    def _keep(self, made: Sequence[tuple[bytes, bytes]]) -> None:
        with suppress(OSError, sqlite3.Error), self._open() as db:
            db.executemany(_KEEP, made)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._embedder.model_id}\0{text}".encode("utf-8", "surrogatepass")).digest()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: none is held while vectors are made."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=_WAIT_S)) as db, db:
            db.execute(_CREATE)
            yield db
