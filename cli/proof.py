"""`fte proof`: does every sentence of a sent reply still stand in the documents?"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from cli.database import open_database
from cli.output import echo_json
from core.profile import load_profile
from core.settings import Settings, load_settings
from crm.pool import transaction
from crm.proofs import Proof, ProvedSentence, check_replies


def proof(
    id_: Annotated[str, typer.Argument(metavar="MESSAGE", help="A message id, or a ticket id for all its replies.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Hold a sent reply against the passages it cites, as they were and as they are. Exit code 0 only if all is proved."""
    found = asyncio.run(_check(load_settings(), id_))
    if as_json:
        echo_json([{"proved": reply.proved, "reply": reply} for reply in found])
    else:
        for reply in found:
            typer.echo("\n".join(_show(reply)))
    if not all(reply.proved for reply in found):
        raise typer.Exit(1)


def _show(reply: Proof) -> list[str]:
    state = "proved" if reply.proved else "NOT PROVED"
    head = f"{reply.message_id}  ticket {reply.ticket_id}  {reply.channel}  {reply.sent_at:%Y-%m-%d %H:%M}  {state}"
    return [head, *(line for sentence in reply.sentences for line in _show_sentence(sentence)), ""]


def _show_sentence(s: ProvedSentence) -> list[str]:
    judged = f", agreed by {s.judged_by}" if s.judged_by else ""
    lines = [f"  {s.sentence_no + 1}. {s.standing:<11} {s.sentence}"]
    if s.doubt:
        lines.append(f"       why: {s.doubt}")
    if s.kind != "courtesy":
        lines.append(f"       {s.kind}, {s.score:.0%} covered, rules version {s.rules or '-'}{judged}")
    for p in s.passages:
        where = f"{p.title} > {p.heading}" if p.heading else p.title
        kept = "removed" if p.removed_at else "replaced since" if p.retired_at else "live"
        lines.append(
            f"       passage {p.passage_id} [{p.slug}] {where}; knowledge version {p.knowledge_version}, score {p.score:.2f}, {kept}"
        )
    return lines


async def _check(settings: Settings, id_: str) -> list[Proof]:
    profile = load_profile(settings.dossier_dir)
    async with open_database(settings) as pool, transaction(pool) as conn:
        return await check_replies(conn, id_, names=(profile.name, profile.product))
