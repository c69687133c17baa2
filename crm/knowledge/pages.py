"""Pages of documents as they lie in a folder: markdown with front matter, HTML, or JSON lines of articles."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from core.errors import SupportError
from crm.knowledge.structure import Block, read_html, read_markdown

SUFFIXES = (".md", ".markdown", ".html", ".htm", ".jsonl")
_FENCE = "---"


class UnreadablePage(SupportError):
    """A page cannot be ingested."""


@dataclass(frozen=True, slots=True)
class Page:
    """One article: what it says about itself and its text as blocks under headings."""

    slug: str
    title: str
    blocks: tuple[Block, ...]
    content_hash: str
    summary: str | None = None
    url: str | None = None
    category: str | None = None
    product: str | None = None
    version: str | None = None
    updated_on: date | None = None
    questions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_folder(folder: Path, *, url_base: str | None = None) -> list[Page]:
    """Every page under the folder, by slug. Raises UnreadablePage with the file and what to do."""
    if not folder.exists():
        raise UnreadablePage(f"{folder} does not exist; give the folder that holds the documents")
    files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    pages: dict[str, Page] = {}
    for file in files:
        for page in _read_file(file, root=folder if folder.is_dir() else folder.parent, url_base=url_base):
            if page.slug in pages:
                raise UnreadablePage(f"{file}: the slug {page.slug!r} is used twice; give every page its own slug")
            pages[page.slug] = page
    if not pages:
        raise UnreadablePage(f"no pages in {folder}; nothing was changed. Pages end in {', '.join(SUFFIXES)}")
    return [pages[slug] for slug in sorted(pages)]


def _read_file(file: Path, *, root: Path, url_base: str | None) -> Iterator[Page]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadablePage(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    fallback = file.relative_to(root).with_suffix("").as_posix()
    match file.suffix.lower():
        case ".jsonl":
            yield from _read_articles(file, text, url_base)
        case ".html" | ".htm":
            title, meta, blocks = read_html(text)
            yield _page({"title": title, **meta}, blocks, text, fallback=fallback, file=file, url_base=url_base)
        case _:
            meta, body = _front_matter(text, file)
            yield _page(meta, read_markdown(body), text, fallback=fallback, file=file, url_base=url_base)


def _read_articles(file: Path, text: str, url_base: str | None) -> Iterator[Page]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            slug, body = str(row["id"]), str(row["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadablePage(f'{file}:{number}: expected {{"id", "title", "text"}} as one JSON object') from error
        meta = {**row, "slug": slug, "summary": row.get("summary") or row.get("description")}
        yield _page(meta, read_markdown(body), line, fallback=slug, file=file, url_base=url_base)


def _front_matter(text: str, file: Path) -> tuple[dict[str, Any], str]:
    """The YAML between two lines of `---` at the very top, and the rest."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != _FENCE:
        return {}, text
    ends = [number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == _FENCE]
    if not ends:
        raise UnreadablePage(f"{file}: the front matter is not closed; end it with a line of ---")
    try:
        meta = yaml.safe_load("".join(lines[1 : ends[0]])) or {}
    except yaml.YAMLError as error:
        raise UnreadablePage(f"{file}: the front matter is not YAML: {error}") from error
    if not isinstance(meta, dict):
        raise UnreadablePage(f"{file}: the front matter must be `key: value` lines")
    return meta, "".join(lines[ends[0] + 1 :])


def _page(
    meta: dict[str, Any], blocks: list[Block], raw: str, *, fallback: str, file: Path, url_base: str | None
) -> Page:
    slug = _text(meta, "slug") or _slugify(fallback)
    first = next((block for block in blocks if block.level == 1), None)
    title = meta["title"] if "title" in meta else first.text if first else slug.rsplit("/", 1)[-1].replace("-", " ")
    url = _text(meta, "url") or (f"{url_base.rstrip('/')}/{slug.lstrip('/')}" if url_base else None)
    return Page(
        slug=slug,
        title=str(title or "").strip(),
        blocks=tuple(block for block in blocks if block is not first or block.text != title),
        content_hash=hashlib.sha256(f"{slug}\n{url}\n{raw}".encode()).hexdigest(),
        summary=_text(meta, "summary") or _text(meta, "description"),
        url=url,
        category=_text(meta, "category"),
        product=_text(meta, "product"),
        version=_text(meta, "version"),
        updated_on=_date(meta.get("updated") or meta.get("updated_on"), file),
        questions=_questions(meta.get("questions"), blocks, file),
    )


def _questions(value: object, blocks: list[Block], file: Path) -> dict[str, tuple[str, ...]]:
    """`questions` of the front matter: for a heading of the page, how customers ask for what stands under it."""
    if value is None:
        return {}
    headings = {block.text for block in blocks if block.level} | {""}
    if not isinstance(value, dict) or not all(isinstance(asked, list) for asked in value.values()):
        raise UnreadablePage(f"{file}: `questions` must map a heading to a list of questions")
    if unknown := sorted(set(value) - headings):
        raise UnreadablePage(f"{file}: `questions` names {unknown[0]!r}, which is no heading of the page")
    return {
        heading: tuple(dict.fromkeys(str(q).strip() for q in asked if str(q).strip()))
        for heading, asked in value.items()
    }


def _text(meta: dict[str, Any], key: str) -> str | None:
    value = meta.get(key)
    return None if value is None or not str(value).strip() else str(value).strip()


def _date(value: object, file: Path) -> date | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError as error:
        raise UnreadablePage(f"{file}: `updated: {value}` is not a date; write it as 2026-03-31") from error


def _slugify(path: str) -> str:
    plain = unicodedata.normalize("NFKD", path).encode("ascii", "ignore").decode().lower()
    return "/".join(re.sub(r"[^a-z0-9]+", "-", part).strip("-") for part in plain.split("/"))
