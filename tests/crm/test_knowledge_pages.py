"""Pages are read from markdown, HTML and JSON lines; what cannot be read is said clearly."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from crm.knowledge.chunk import cut_page
from crm.knowledge.pages import UnreadablePage, read_folder

MARKDOWN = """---
title: Add members
slug: add-members
product: web
version: "2026.2"
updated: 2026-03-31
summary: Invite people to your workspace.
---
# Add members

Open **Settings > Members** and read the [guide](https://example.org/guide).

## Roles

| Role | May edit |
|---|---|
| Admin | yes |
| Viewer | no, never |

### Steps

1. Click `Invite`.
2. Enter the address.
   - One a line.

```
curl -X POST /members
```
"""

HTML = """<!doctype html><html><head><title>Print labels | Help</title><meta name="product" content="print-agent">
<style>p { color: red }</style></head><body><nav>Home</nav><main><h1>Print labels</h1><p>Pick a <b>size</b>.</p>
<script>alert(1)</script><h2>Errors</h2><table><tr><th>Code</th><th>Meaning</th></tr><tr><td>PA-12</td><td>No
paper</td></tr></table><ol><li>Open the tray.</li><li>Add paper.</li></ol><p hidden>secret</p></main></body></html>"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def test_markdown_keeps_its_facts_and_its_structure(tmp_path: Path) -> None:
    [page] = read_folder(write(tmp_path, a_md=MARKDOWN), url_base="https://help.example/")
    assert (page.slug, page.title, page.product, page.version) == ("add-members", "Add members", "web", "2026.2")
    assert page.updated_on == datetime.date(2026, 3, 31)
    assert page.url == "https://help.example/add-members"
    chunks = {chunk.heading: chunk.text for chunk in cut_page(page)}
    assert chunks[""] == "Invite people to your workspace.\nOpen Settings > Members and read the guide."
    assert chunks["Roles"] == "Role: Admin; May edit: yes.\nRole: Viewer; May edit: no, never."
    assert chunks["Roles > Steps"].splitlines()[:3] == ["1. Click Invite.", "2. Enter the address.", "  - One a line."]
    assert "curl -X POST /members" in chunks["Roles > Steps"]


def test_html_gives_what_a_reader_sees(tmp_path: Path) -> None:
    [page] = read_folder(write(tmp_path, printing_html=HTML))
    assert (page.slug, page.title, page.product) == ("printing", "Print labels", "print-agent")
    chunks = {chunk.heading: chunk.text for chunk in cut_page(page)}
    assert chunks[""] == "Pick a size."
    assert chunks["Errors"] == "Code: PA-12; Meaning: No paper.\n1. Open the tray.\n2. Add paper."
    assert not any(word in str(chunks) for word in ("alert", "secret", "Home", "color"))


def test_json_lines_give_articles_and_an_empty_title_stays_empty(tmp_path: Path) -> None:
    rows = '{"id": "b", "title": "B", "text": "# One\\n\\nText."}\n\n{"id": "a", "title": "", "text": "Text."}\n'
    pages = read_folder(write(tmp_path, rows_jsonl=rows))
    assert [(page.slug, page.title) for page in pages] == [("a", ""), ("b", "B")]
    assert cut_page(pages[0])[0].named == ""


def test_a_page_without_front_matter_is_called_by_its_heading_or_its_file(tmp_path: Path) -> None:
    (tmp_path / "Sub Folder").mkdir()
    (tmp_path / "Sub Folder" / "My Page.md").write_text("Just text.")
    [page] = read_folder(tmp_path)
    assert (page.slug, page.title) == ("sub-folder/my-page", "my page")
    (tmp_path / "Sub Folder" / "My Page.md").write_text("# Headed\n\nJust text.")
    assert read_folder(tmp_path)[0].title == "Headed"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.md", b"---\ntitle: x\n\nno end", "not closed"),
        ("a.md", b"---\ntitle: [x\n---\n", "not YAML"),
        ("a.md", b"---\n- x\n---\n", "key: value"),
        ("a.md", b"---\nupdated: soon\n---\n", "is not a date"),
        ("a.md", b"\xff\xfe\x00", "not UTF-8"),
        ("a.jsonl", b'{"id": "x"}\n', r"a.jsonl:1: expected"),
        ("a.jsonl", b"[1]\n", r"a.jsonl:1: expected"),
    ],
)
def test_an_unreadable_page_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadablePage, match=message):
        read_folder(tmp_path)


def test_two_pages_with_one_slug_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePage, match="used twice"):
        read_folder(write(tmp_path, a_md="---\nslug: same\n---\nA", b_md="---\nslug: same\n---\nB"))


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePage, match="does not exist"):
        read_folder(tmp_path / "nowhere")
