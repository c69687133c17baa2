"""What the benchmark found: medians a message, their spread, and how they stand to the design's bars."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from evals.bench_meter import Tally
from evals.bench_styles import Load, Style

Section = Literal["new", "long", "history"]

_MEASURED = """\
ours: lean state, a thread a turn, durability "exit", the checkpoint written in the turn's transaction (an answered turn
needs none), all effects in that transaction. defaults: AsyncPostgresSaver on a pool, default durability, a thread a
conversation, a growing `messages` channel, node measurements written step by step; otherwise the same rows and the same
code around the graph. Same nodes, same process, same server, blocks in random order.
orchestration: the graph and its checkpoints only, the responder a plain function. with_crm: the same, with the claim of
the turn and everything it writes to the CRM. whole: the product's graph with agent loop, five tools, policy and formatter.
Not inside: models, embedding and search (scripted), intake, delivery. In new conversations one message in ten is handed
over; the CRM holds {crowd:,} messages of other conversations. CPU is this process plus the server's backends, without its
background writers. Long threads of the defaults are laid down in one write, then grow turn by turn."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that is measured, `block` messages at a stretch, `at_once` of them side by side."""

    section: Section
    load: Load
    style: Style
    messages_before: int
    block: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that the design must reach."""

    name: str
    value: float
    target: str
    reached: bool


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All tallies of a cell, one a round; rounds correspond between cells."""

    cells: Mapping[Cell, tuple[Tally, ...]]
    load_average: tuple[float, float]
    postgres: str
    crowd: int

    @property
    def measured(self) -> str:
        """What was compared, in words."""
        return _MEASURED.format(crowd=self.crowd)

    @property
    def rounds(self) -> int:
        return max(len(tallies) for tallies in self.cells.values())

    def bars(self) -> Iterator[Bar]:
        """Ratios of styles are taken round by round, so that what the machine did meanwhile falls on both sides."""
        new = self._ratio("new", 0)
        yield Bar("defaults / ours, orchestration CPU, new thread", new, ">= 4", new >= 4)
        long = max(cell.messages_before for cell in self.cells if cell.section == "long")
        grown = self._ratio("long", long)
        yield Bar(f"defaults / ours, orchestration CPU, turn {long // 2 + 1}", grown, ">= 10", grown >= 10)
        flat = self._growth()
        yield Bar("whole turn CPU, longest / shortest history", flat, "<= 1.10", flat <= 1.10)

    def as_dict(self) -> dict[str, Any]:
        return {
            "measured": self.measured,
            "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL {self.postgres}",
            "load_average": list(self.load_average),
            "rounds": self.rounds,
            "cells": [_figures(cell, tallies) for cell, tallies in self.cells.items()],
            "bars": [{"name": b.name, "value": b.value, "target": b.target, "reached": b.reached} for b in self.bars()],
        }

    def _ratio(self, section: Section, messages_before: int) -> float:
        ours, defaults = (self._find(section, "orchestration", s, messages_before) for s in ("ours", "defaults"))
        return round(median(d.cpu_ms / o.cpu_ms for o, d in zip(ours, defaults, strict=True)), 2)

    def _growth(self) -> float:
        histories = sorted((c for c in self.cells if c.section == "history"), key=lambda c: c.messages_before)
        shortest, *longer = (median(t.cpu_ms for t in self.cells[cell]) for cell in histories)
        return round(max(longer, default=shortest) / shortest, 3)

    def _find(self, section: Section, load: Load, style: Style, messages_before: int) -> tuple[Tally, ...]:
        for cell, tallies in self.cells.items():
            if (cell.section, cell.load, cell.style, cell.messages_before) == (section, load, style, messages_before):
                return tallies
        raise KeyError((section, load, style, messages_before))


def _figures(cell: Cell, tallies: tuple[Tally, ...]) -> dict[str, Any]:
    def middle(of: Callable[[Tally], float], digits: int = 2) -> float:
        return round(median(of(t) for t in tallies), digits)

    seen = all(t.postgres_s is not None for t in tallies)
    return {
        "section": cell.section,
        "load": cell.load,
        "style": cell.style,
        "messages_before": cell.messages_before,
        "at_once": cell.at_once,
        "messages_per_s": middle(lambda t: t.messages / t.wall_s, 1),
        "cpu_ms": middle(lambda t: t.cpu_ms),
        "cpu_ms_low": round(min(t.cpu_ms for t in tallies), 2),
        "cpu_ms_high": round(max(t.cpu_ms for t in tallies), 2),
        "python_ms": middle(lambda t: t.python_s * 1000 / t.messages),
        "postgres_ms": middle(lambda t: (t.postgres_s or 0) * 1000 / t.messages) if seen else None,
        "wal_bytes": round(median(t.wal_bytes / t.messages for t in tallies)),
        "checkpoint_rows": middle(lambda t: t.checkpoint_rows / t.messages),
    }
