"""The offline mind: no key, no network, deterministic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.models import Claim, Classification, Label, Rating, Suspicion
from core.policy import Rule
from core.ports import Embedder
from core.vocabulary import Stage
from llm.classifier import Classifier
from llm.fitted import FittedPolicies
from llm.kernel import Matrix
from llm.language import detect_language
from llm.likeness import RuleLikeness, fingerprint, lessons_of
from llm.rewriting import rewrite
from llm.sentences import telling_sentences
from llm.sentiment import SentimentScorer


class OfflineMind:
    """`core.ports.Mind` from sentence vectors, labelled examples and rules. `agent_model` drives the responder."""

    def __init__(
        self,
        embedder: Embedder,
        agent_model: Any,
        *,
        fixed: Embedder | None = None,
        policies: FittedPolicies | None = None,
    ) -> None:
        """`fixed` embeds the sentences of the fits, thousands that are the same at every start; one that keeps them is wise.
        `policies` keeps the fits of the policy themselves."""
        self._embedder = embedder
        self._fixed_embedder = fixed or embedder
        self._policies = policies
        self._agent_model = agent_model
        self._classifiers: dict[tuple[Label, ...], Classifier] = {}
        self._scorer: SentimentScorer | None = None
        self._likenesses: dict[tuple[tuple[Rule, ...], tuple[str, ...]], RuleLikeness | None] = {}
        self._fitting = asyncio.Lock()

    @property
    def name(self) -> str:
        return "offline"

    def speaks(self, text: str) -> bool:
        """English only: the documents and the sentences taken from them are."""
        return detect_language(text) in (None, "en")

    async def warm_up(self, labels: Sequence[Label]) -> None:
        """Fit everything now, so that the first customer does not wait for it."""
        await self._classifier(tuple(labels))
        await self._sentiment()

    async def classify(self, text: str, labels: Sequence[Label], *, instructions: str = "") -> Classification:
        classifier = await self._classifier(tuple(labels))
        return await classifier.classify(text, self._embed)

    async def rate_sentiment(self, text: str, *, instructions: str = "") -> Rating:
        return await (await self._sentiment()).rate(text, self._embed)

    async def rewrite_query(self, question: str, *, tried: Sequence[str], instructions: str = "") -> str:
        return rewrite(question, tried)

    async def summarise(self, case: str, *, instructions: str = "") -> str:
        """The case is all that there is to say: its facts are put together without a model."""
        return ""

    async def find_unsupported(self, claims: Sequence[Claim], *, instructions: str = "") -> frozenset[int] | None:
        """Sentence vectors cannot: a changed number or a "not" moves them less than honest other words do."""
        return None

    async def judge_policy(
        self, text: str, rules: Sequence[Rule], *, stage: Stage, ordinary: Sequence[str], instructions: str = ""
    ) -> tuple[Suspicion, ...]:
        """By likeness to lessons. A message is read as a whole; of a draft every sentence counts alone, and the first wrong one leads."""
        likeness = await self.likeness(tuple(rules), tuple(ordinary))
        if likeness is None:
            return ()
        parts = [text] if stage == "inbound" else telling_sentences(text) or [text]
        found: dict[str, Suspicion] = {}
        for part in parts:
            for suspicion in await likeness.judge(part, self._embed):
                found.setdefault(suspicion.rule_id, suspicion)
        return tuple(found.values())

    def agent_model(self) -> Any:
        return self._agent_model

    async def _classifier(self, labels: tuple[Label, ...]) -> Classifier:
        async with self._fitting:  # who comes meanwhile waits for the one fit instead of starting another
            if labels not in self._classifiers:
                self._classifiers[labels] = await Classifier.fit(labels, self._fixed)
        return self._classifiers[labels]

    async def likeness(self, rules: tuple[Rule, ...], ordinary: tuple[str, ...]) -> RuleLikeness | None:
        """What judges these rules: found on disk, or fitted now, which takes minutes for thousands of lessons.

        None where nothing tells what breaks no rule: likeness means something only beside that.
        """
        async with self._fitting:
            if (rules, ordinary) not in self._likenesses:
                self._likenesses[rules, ordinary] = await self._find_or_fit(rules, ordinary)
        return self._likenesses[rules, ordinary]

    async def _find_or_fit(self, rules: tuple[Rule, ...], ordinary: tuple[str, ...]) -> RuleLikeness | None:
        lessons = lessons_of(rules, ordinary)
        if all(lesson.breaks is not None for lesson in lessons):
            return None
        name = fingerprint(rules, lessons, self._embedder.model_id)
        if self._policies and (kept := self._policies.find(name, rules, lessons)):
            return kept
        fit = await RuleLikeness.fit(name, rules, lessons, self._fixed)
        if self._policies:
            self._policies.keep(fit)
        return fit

    async def _sentiment(self) -> SentimentScorer:
        async with self._fitting:
            if self._scorer is None:
                self._scorer = await SentimentScorer.fit(self._fixed)
        return self._scorer

    async def _embed(self, texts: Sequence[str]) -> Matrix:
        return await _matrix(self._embedder, texts)

    async def _fixed(self, texts: Sequence[str]) -> Matrix:
        return await _matrix(self._fixed_embedder, texts)


async def _matrix(embedder: Embedder, texts: Sequence[str]) -> Matrix:
    return np.asarray(await embedder.embed(texts), dtype=np.float64).reshape(len(texts), -1)
