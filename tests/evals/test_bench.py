"""The benchmark compares like with like, and its counts (not its times) can be relied on anywhere."""

from __future__ import annotations

import pytest

from core.settings import PROJECT_ROOT
from crm.ledger import read_ledger
from crm.pool import Pool, transaction
from evals.assemble import assemble
from evals.bench import Plan, run_bench
from evals.bench_crm import open_thread, receive
from evals.bench_meter import Tally
from evals.bench_report import BenchReport, Cell
from evals.bench_world import Prose
from graph.build import NODES, build_graph
from nodes.state import TurnState

DOSSIER = PROJECT_ROOT / "dossier"
SMALL = Plan(seconds=0, turns=(1, 20), histories=(10, 40), crowd=200, block=2)


@pytest.fixture(scope="module")
def rounds() -> dict[str, BenchReport]:
    """One short run serves every test of this file."""
    return {}


@pytest.fixture
async def report(db: str, rounds: dict[str, BenchReport]) -> BenchReport:
    if "small" not in rounds:
        rounds["small"] = await run_bench(db, DOSSIER, SMALL)
    return rounds["small"]


def test_the_measured_graph_has_the_products_picture() -> None:
    assert assemble(TurnState, NODES).get_graph().draw_mermaid() == build_graph().get_graph().draw_mermaid()


async def test_every_cell_answers_all_of_its_messages(report: BenchReport) -> None:
    assert set(report.cells) == set(SMALL.cells)
    assert all(tally.messages == cell.block for cell, tallies in report.cells.items() for tally in tallies)


async def test_an_answered_turn_of_ours_leaves_no_checkpoint_where_the_defaults_leave_dozens_of_rows(
    report: BenchReport,
) -> None:
    rows = {c.style: report.cells[c][0].checkpoint_rows / c.block for c in report.cells if c.section == "long"}
    assert rows["ours"] == 0
    assert rows["defaults"] > 20


async def test_one_message_of_a_block_waits_for_a_person_with_its_checkpoint(report: BenchReport) -> None:
    kept = {
        c.load: report.cells[c][0].checkpoint_rows for c in report.cells if c.section == "new" and c.style == "ours"
    }
    assert kept["whole"] == kept["with_crm"] == kept["orchestration"] > 0


async def test_the_report_says_what_was_measured_and_names_every_bar(report: BenchReport) -> None:
    figures = report.as_dict()
    assert "durability" in figures["measured"]
    assert "200 messages" in figures["measured"]
    assert [bar["target"] for bar in figures["bars"]] == [">= 4", ">= 10", "<= 1.10"]
    assert len(figures["cells"]) == len(SMALL.cells)


def test_a_bar_is_judged_on_cpu_of_process_and_database_together() -> None:
    def cell(section: str, style: str, before: int) -> Cell:
        return Cell(section, "whole" if section == "history" else "orchestration", style, before, 1, 1)  # pyright: ignore[reportArgumentType]

    def tally(python_ms: float, postgres_ms: float) -> tuple[Tally]:
        return (Tally(1, 1.0, python_ms / 1000, postgres_ms / 1000),)

    cells = {
        cell("new", "ours", 0): tally(4, 1),
        cell("new", "defaults", 0): tally(15, 6),
        cell("long", "ours", 1998): tally(5, 5),
        cell("long", "defaults", 1998): tally(50, 40),
        cell("history", "ours", 10): tally(20, 0),
        cell("history", "ours", 1000): tally(20, 3),
        cell("history", "ours", 10_000): tally(20, 1),
    }
    bars = list(BenchReport(cells, (0, 0), "16", 0).bars())
    assert [(bar.value, bar.reached) for bar in bars] == [(4.2, True), (9.0, False), (1.15, False)]


async def test_the_crm_of_a_benchmark_is_one_that_the_ledger_accepts(pool: Pool) -> None:
    prose = Prose(DOSSIER / "docs")
    texts = [prose.paragraph() for _ in range(20)]
    async with transaction(pool) as conn:
        thread = await open_thread(conn, messages=20, texts=texts)
        await receive(conn, thread, "Is it still there?")
        rows = await (await conn.execute("select direction, body from messages order by seq")).fetchall()
        assert (await read_ledger(conn)).balanced
    assert [direction for direction, _ in rows] == ["inbound", "outbound"] * 10 + ["inbound"]
    assert len({body for _, body in rows}) == 21


async def test_what_others_wrote_is_not_read_to_begin_a_turn(pool: Pool) -> None:
    """Each turn read the whole messages table twice: 60 ms of PostgreSQL at 100,000 messages, growing with the company."""
    from crm.turns import _BRIEF

    async with transaction(pool) as conn:
        await conn.execute("set local enable_seqscan = off")
        explain = "explain (costs off) " + _BRIEF
        plan = await (await conn.execute(explain, {"turn_id": None, "lease": None})).fetchall()  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert [line for (line,) in plan if "using messages_turn on messages" in line]
