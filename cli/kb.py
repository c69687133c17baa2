"""`fte kb`: the company's documents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.database import open_database
from cli.deps import make_embedder
from cli.output import echo_json
from core.settings import load_settings
from crm.knowledge.articles import ArticleRow, list_articles
from crm.knowledge.pages import read_folder
from crm.knowledge.ranking import Hit
from crm.knowledge.search import Explanation, KnowledgeBase
from crm.knowledge.sync import SyncReport, sync_folder
from crm.pool import transaction
from crm.proofs import Reliance, list_relying_replies

app = typer.Typer(no_args_is_help=True)
_SHOWN_CHARS = 400
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def sync(
    folder: Annotated[Path, typer.Argument(help="A folder (or file) of .md, .html or .jsonl pages.")],
    url_base: Annotated[str | None, typer.Option(help="Where customers read the pages: URL_BASE/slug.")] = None,
    source: Annotated[str, typer.Option(help="The name of this collection; others are left alone.")] = "docs",
    as_json: Json = False,
) -> None:
    """Ingest new and changed pages, retire those that are gone. Unchanged pages cost nothing."""
    report = asyncio.run(_sync(folder, url_base, source))
    if as_json:
        return echo_json(report)
    typer.echo(
        f"{report.added} added, {report.updated} updated, {report.removed} removed, {report.unchanged} unchanged; "
        f"{report.chunks} new chunks; knowledge version {report.knowledge_version}"
    )
    for slug, replies in report.relying_replies.items():
        typer.echo(f"{replies} sent replies relied on what changed in {slug}: `fte kb impact {slug}` lists them")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What a customer would ask.")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 5,
    as_json: Json = False,
) -> None:
    """What the employee would find, and why in this order."""
    found = asyncio.run(_search(query, limit))
    if as_json:
        return echo_json(_facts(found))
    result = found.result
    if not result.passages:
        typer.echo(f"Nothing found: the confidence {result.confidence:.2f} is below the floor {result.floor:.2f}.")
    for place, hit in enumerate(found.hits, start=1):
        typer.echo(_explain(place, hit, shown=_is_shown(found, hit)))


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """The articles that are live."""
    articles = asyncio.run(_list())
    if as_json:
        return echo_json(articles)
    table = Table("slug", "title", "product", "version", "updated", "chunks", box=None)
    for row in articles:
        updated = str(row.updated_on or "")
        table.add_row(row.slug, row.title, row.product or "", row.version or "", updated, str(row.chunks))
    if articles:
        Console().print(table)
    else:
        typer.echo("no articles yet: `fte kb sync dossier/docs` ingests a folder")


@app.command()
def impact(
    page: Annotated[str, typer.Argument(help="The slug of a page, or the path of its file.")], as_json: Json = False
) -> None:
    """The replies that relied on a page; `fte proof` tells which of their sentences still hold."""
    found = asyncio.run(_impact(_slugs(page)))
    if as_json:
        return echo_json(found)
    for reply in found:
        state = "changed since" if reply.changed else "unchanged"
        typer.echo(
            f"{reply.message_id}  {reply.sent_at:%Y-%m-%d %H:%M}  {reply.channel:<9} {reply.ticket_id}  "
            f"{reply.sentences} sentences, {state}"
        )
    if not found:
        typer.echo(f"no reply relied on {page}")


def _slugs(page: str) -> list[str]:
    return [found.slug for found in read_folder(Path(page))] if Path(page).exists() else [page]


def _is_shown(found: Explanation, hit: Hit) -> bool:
    return any(passage.id == hit.candidate.id for passage in found.result.passages)


def _explain(place: int, hit: Hit, *, shown: bool) -> str:
    c = hit.candidate
    where = " > ".join(filter(None, (c.title, c.heading)))
    heading = "-" if c.heading_cosine is None else f"{c.heading_cosine:.2f}"
    below = "" if shown else "   (not used)"
    parts = (
        f"cosine {c.cosine:.2f}, heading {heading}, lexical {hit.lexical:.2f}, "
        f"naming {hit.naming:.2f}, agreement {hit.agreement:.2f}"
    )
    words = ", ".join(hit.matched) or "no word in common"
    text = c.text if len(c.text) <= _SHOWN_CHARS else c.text[:_SHOWN_CHARS].rsplit(" ", 1)[0] + " ..."
    lines = (f"{place}. {hit.score:.3f}  {where}  [{c.slug}]{below}", f"   {parts}", f"   matched: {words}")
    return "\n".join((*lines, *(f"   | {line}" for line in text.splitlines()), ""))


def _facts(found: Explanation) -> dict[str, object]:
    result = found.result
    return {
        "query": result.query,
        "floor": result.floor,
        "confidence": result.confidence,
        "best_score": result.best_score,
        "knowledge_version": result.knowledge_version,
        "found": [_hit_facts(hit) for hit in found.hits if _is_shown(found, hit)],
        "below_floor": [_hit_facts(hit) for hit in found.hits if not _is_shown(found, hit)],
    }


def _hit_facts(hit: Hit) -> dict[str, object]:
    c = hit.candidate
    return {
        "passage_id": c.id,
        "slug": c.slug,
        "title": c.title,
        "heading": c.heading,
        "text": c.text,
        "url": c.url,
        "score": hit.score,
        "cosine": c.cosine,
        "heading_cosine": c.heading_cosine,
        "lexical": hit.lexical,
        "naming": hit.naming,
        "agreement": hit.agreement,
        "matched": hit.matched,
    }


async def _sync(folder: Path, url_base: str | None, source: str) -> SyncReport:
    settings = load_settings()
    async with open_database(settings) as pool:
        return await sync_folder(pool, make_embedder(settings), folder, url_base=url_base, source=source)


async def _search(query: str, limit: int) -> Explanation:
    settings = load_settings()
    async with open_database(settings) as pool:
        return await KnowledgeBase(pool, make_embedder(settings)).explain(query, limit=limit)


async def _impact(slugs: Sequence[str]) -> list[Reliance]:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return [reply for slug in slugs for reply in await list_relying_replies(conn, slug)]


async def _list() -> list[ArticleRow]:
    async with open_database(load_settings()) as pool, transaction(pool) as conn:
        return await list_articles(conn)
