"""`fte graph`: the picture of the state machine, drawn from the code that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigurationError
from graph.build import build_graph

_PICTURE = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def graph(
    update: Annotated[
        Path | None, typer.Option(help="Put the picture into this page, in place of its mermaid block.")
    ] = None,
) -> None:
    """Draw the graph as Mermaid text."""
    if update is None:
        return typer.echo(draw())
    update.write_text(with_picture(update.read_text(encoding="utf-8"), name=str(update)), encoding="utf-8")


def draw() -> str:
    """Mermaid text of the compiled graph."""
    return build_graph().get_graph().draw_mermaid().strip()


def with_picture(page: str, *, name: str = "The page") -> str:
    """The page with its one mermaid block drawn anew."""
    drawn, count = _PICTURE.subn(lambda _: f"```mermaid\n{draw()}\n```", page)
    if count != 1:
        raise ConfigurationError(f"{name} has {count} mermaid blocks; it needs exactly one, to be replaced")
    return drawn
