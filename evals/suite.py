"""What a suite is: rows become cases, the product is asked about each, the answers become figures.

A suite knows its schema and its figures, the runner (`run_suite`) everything else: bounded concurrency, time limits, and
the books. Each case ends in exactly one of three: answered (well or badly), without a criterion (an error of the data
set), or failed (an error of ours: never charged to the node, never a pass).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from core.errors import ConfigurationError
from evals.rows import DataSet, NoCriterion, Row
from evals.statistics import Figure
from evals.world import World

C = TypeVar("C")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Case:
    """What every case knows of itself; suites add what they need. `shown` is how a person recognises it."""

    id: str
    place: str
    shown: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A case and what is wrong: with the answer, with the case, or on our side."""

    case: Case
    what: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under headings, for people: a confusion table, figures by label."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a suite found: figures by name, tables, and the cases that were answered wrongly."""

    figures: Mapping[str, Figure]
    faults: Sequence[Fault] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """A whole run of a suite. `asked` cases were answered; the others are in `without_criterion` and `failed`."""

    suite: str
    sources: tuple[DataSet, ...]
    asked: int
    measured: Measured
    without_criterion: tuple[Fault, ...] = ()
    failed: tuple[Fault, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.without_criterion and not self.failed


class Suite(Protocol[C, A]):
    """Made anew for every run, so it may keep what `prepare` made."""

    name: str

    def read(self, row: Row) -> C:
        """The case of a row. Raises BadRow (the run ends) or NoCriterion (this case is an error)."""
        ...

    def dossier_cases(self, world: World) -> Sequence[C]:
        """The cases of the company's own dossier, where no data set is given."""
        ...

    async def prepare(self, world: World, cases: Sequence[C]) -> None:
        """What is done once for all cases: read documents, make vectors, learn."""
        ...

    async def ask(self, world: World, case: C) -> A:
        """Ask the product about one case, over the same code that serves customers."""
        ...

    def measure(self, answered: Sequence[tuple[C, A]]) -> Measured: ...


@dataclass(slots=True)
class _Books:
    answered: list[tuple[Any, Any]] = field(default_factory=list)
    without_criterion: list[Fault] = field(default_factory=list)
    failed: list[Fault] = field(default_factory=list)


async def run_suite(
    suite: Suite[Any, Any],
    world: World,
    sources: Sequence[DataSet] = (),
    *,
    on_done: Callable[[int, int], None] = lambda done, of: None,
) -> SuiteReport:
    """Load, run, report. Raises ConfigurationError where there is nothing to run."""
    books = _Books()
    cases = _read(suite, sources, books) if sources else list(suite.dossier_cases(world))
    if not cases:
        first = next((fault.what for fault in books.without_criterion), "the data set is empty")
        raise ConfigurationError(f"{suite.name}: no case can be judged: {first}")
    await suite.prepare(world, cases)
    await _ask_all(suite, world, cases, books, on_done)
    measured = suite.measure(books.answered) if books.answered else Measured({})
    return SuiteReport(
        suite.name,
        tuple(sources),
        len(books.answered),
        measured,
        tuple(books.without_criterion),
        tuple(books.failed),
    )


def _read(suite: Suite[Any, Any], sources: Iterable[DataSet], books: _Books) -> list[Any]:
    cases = []
    for row in (row for source in sources for row in source.rows):
        try:
            cases.append(suite.read(row))
        except NoCriterion as error:
            books.without_criterion.append(Fault(Case(row.id, row.place, ""), f"{row.place}: {error.detail}"))
    return cases


async def _ask_all(
    suite: Suite[Any, Any], world: World, cases: Sequence[Any], books: _Books, on_done: Callable[[int, int], None]
) -> None:
    """In the order of the cases, whatever the order in which the answers come."""
    places = asyncio.Semaphore(world.options.at_once)
    done = 0

    async def ask(case: Any) -> Any:
        nonlocal done
        async with places:
            try:
                async with asyncio.timeout(world.options.case_limit_s):
                    return await suite.ask(world, case)
            # A failure of ours is written down as one, whatever it is, and the run goes on.
            except Exception as error:
                return _Failure(error)
            finally:
                done += 1
                on_done(done, len(cases))

    for case, answer in zip(cases, await asyncio.gather(*map(ask, cases)), strict=True):
        if isinstance(answer, _Failure):
            books.failed.append(Fault(case, answer.words))
        else:
            books.answered.append((case, answer))


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception

    @property
    def words(self) -> str:
        if isinstance(self.error, TimeoutError):
            return "no answer in time"
        return f"{type(self.error).__name__}: {self.error}"[:300]


def known(**figures: Figure | None) -> dict[str, Figure]:
    """Without the figures of which nothing was asked."""
    return {name: figure for name, figure in figures.items() if figure is not None}
