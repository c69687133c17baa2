"""Spelling as a vector: what is written alike is near, whatever it means."""

from __future__ import annotations

import numpy as np

from llm.spelling import DIMS, spell


def likeness(one: str, other: str) -> float:
    vectors = spell([one, other])
    return float(vectors[0] @ vectors[1])


def test_a_misspelling_is_nearer_than_another_word() -> None:
    assert likeness("refund", "refnud") > likeness("refund", "invoice") + 0.1
    assert likeness("my REFUND please", "my refund please") > 0.99


def test_every_text_has_a_unit_vector_that_is_the_same_in_every_process() -> None:
    vectors = spell(["Hello there", "价格多少", "?!"])
    assert vectors.shape == (3, DIMS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.flatnonzero(spell(["a"])[0]).tolist() == np.flatnonzero(spell(["A"])[0]).tolist()


def test_an_empty_text_is_like_nothing() -> None:
    assert not spell([""]).any()
