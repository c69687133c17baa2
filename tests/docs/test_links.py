"""What the documents name exists: files, headings, symbols, `fte` commands, `make` targets, settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from cli.main import build_app
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "webform/README.md"])
MAX_PICTURE_BYTES = 150_000
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|sql|yaml|md|json|jsonl|txt)")
_END_OF_COMMAND = {"|", ">", "&&", ";"}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


def links(page: Path) -> Iterator[tuple[str, str]]:
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for text, target in _LINK.findall(prose):
        if not re.match(r"[a-z]+:", target):
            yield text, unquote(target)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Headings as GitHub makes anchors of them."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?) *$", prose, re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings)


def code(page: Path) -> Iterator[str]:
    """Lines of code blocks, and code in the text."""
    text = page.read_text(encoding="utf-8")
    for block in _FENCE.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from _SPAN.findall(_FENCE.sub("", text))


def commands(page: Path) -> Iterator[list[str]]:
    for line in code(page):
        match = re.match(r"(?:\$ )?(?:\.venv/bin/)?fte(?: (.*))?$", re.sub(r"\s+#.*", "", line).strip())
        if match:
            words = shlex.split(match[1] or "")
            end = next((i for i, word in enumerate(words) if word in _END_OF_COMMAND), len(words))
            yield words[:end]


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for text, target in links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{named(page)}: [{text}]({target})"
        if anchor:
            assert anchor in anchors(place), f"{named(page)}: no heading #{anchor} in {named(place)}"


@every_page
def test_a_linked_name_stands_in_the_linked_source(page: Path) -> None:
    for text, target in links(page):
        place = page.parent / target.partition("#")[0]
        span = re.fullmatch(r"`([^`]+)`", text)
        if span and not _PATH.fullmatch(span[1]) and place.suffix in (".py", ".sql"):
            assert span[1] in place.read_text(encoding="utf-8"), f"{named(page)}: {span[1]} is not in {target}"


@every_page
def test_every_path_in_code_exists(page: Path) -> None:
    for span in _SPAN.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if _PATH.fullmatch(span):
            assert (ROOT / span).exists() or (page.parent / span).exists(), f"{named(page)}: `{span}`"


@every_page
def test_every_fte_command_exists_with_its_options(page: Path) -> None:
    for words in commands(page):
        assert _unknown(words) is None, f"{named(page)}: fte {' '.join(words)}: there is no {_unknown(words)}"


@cache
def _command_line() -> Any:
    return typer.main.get_command(build_app())


def _unknown(words: list[str]) -> str | None:
    """The first word that the command line does not know."""
    command: Any = _command_line()
    options = {"--help"}
    for word in words:
        children = getattr(command, "commands", {})
        if word.startswith("--"):
            if word.partition("=")[0] not in options:
                return word
        elif children:
            if word not in children:
                return word
            command = children[word]
            options = {"--help"} | {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    return None


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in code(page):
        if match := re.match(r"make ([a-z]+)", line):
            assert match[1] in targets, f"{named(page)}: make {match[1]}"


@every_page
def test_every_setting_exists(page: Path) -> None:
    settings = {f"FTE_{name.upper()}" for name in Settings.model_fields}
    # A group is set whole or property by property: FTE_MODELS__TRIAGE__MODEL.
    for name in re.findall(r"\bFTE_[A-Z_]+[A-Z]\b", page.read_text(encoding="utf-8")):
        assert name.partition("__")[0] in settings, f"{named(page)}: {name}"


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/images/*")), ids=named)
def test_a_picture_is_small_and_shown_somewhere(picture: Path) -> None:
    assert picture.stat().st_size <= MAX_PICTURE_BYTES
    shown = {(page.parent / target).resolve() for page in PAGES for _, target in links(page)}
    assert picture in shown


def test_the_checker_sees_what_is_missing() -> None:
    assert _unknown(["reviews", "decide", "ID", "--text", "x"]) is None
    assert _unknown(["reviews", "frobnicate"]) == "frobnicate"
    assert _unknown(["ledger", "--frobnicate"]) == "--frobnicate"
    assert "limits" not in anchors(ROOT / "docs/adr/README.md")
