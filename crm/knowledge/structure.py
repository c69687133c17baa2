"""The structure of a page: blocks of readable text and the headings they stand under."""

from __future__ import annotations

from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from selectolax.lexbor import LexborHTMLParser, LexborNode

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_INVISIBLE = "script, style, noscript, template, nav, header, footer, aside, form, svg, [hidden], [aria-hidden=true]"
_META = ("slug", "category", "product", "version", "updated", "summary", "description")
_HTML_CONTAINERS = {"body", "main", "article", "section", "div", "blockquote", "details", "figure", "dl", "html"}

_LINE_STARTERS = _HTML_CONTAINERS | {"p", "br", "ul", "ol", "li", "table", "tr", "td", "th", "pre", "dt", "dd"}


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list, a table as lines of text, or a heading (`level` 1 to 6)."""

    text: str
    level: int = 0


def read_markdown(text: str) -> list[Block]:
    blocks: list[Block] = []
    for node in SyntaxTreeNode(_MARKDOWN.parse(text)).children:
        if node.type == "heading":
            blocks.append(Block(_inline(node), level=int(node.tag[1])))
        elif node.type == "html_block":
            blocks.extend(_embedded_html(node.content))
        elif shown := _show(node).strip():
            blocks.append(Block(shown))
    return [block for block in blocks if block.text.strip()]


def read_html(text: str) -> tuple[str | None, dict[str, str], list[Block]]:
    """The title, what the meta tags say, and the blocks of what a reader sees."""
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    meta = {
        name: content
        for tag in tree.css("meta[name][content]")
        if (name := (tag.attributes.get("name") or "").lower()) in _META and (content := tag.attributes.get("content"))
    }
    blocks = _html_blocks(tree)
    heading = next((block.text for block in blocks if block.level == 1), None)
    return heading or (title.text(strip=True) if title else None), meta, blocks


def table_lines(rows: list[list[str]]) -> str:
    """A table as sentences that stand alone: `Header: cell; Header: cell.`"""
    if len(rows) < 2:
        return "; ".join(cell for row in rows for cell in row if cell)
    header, *body = rows
    lines = []
    for row in body:
        pairs = [f"{name}: {cell}" if name else cell for name, cell in zip(header, row, strict=False) if cell]
        lines.append("; ".join(pairs) + "." * (not pairs or not pairs[-1].endswith(".")))
    return "\n".join(lines)


def _show(node: SyntaxTreeNode, indent: str = "") -> str:
    match node.type:
        case "paragraph" | "heading":
            return _inline(node)
        case "bullet_list" | "ordered_list":
            return _show_list(node, indent)
        case "table":
            rows = [[_inline(cell) for cell in row.children] for part in node.children for row in part.children]
            return table_lines(rows)
        case "fence" | "code_block":
            return node.content.rstrip()
        case "hr":
            return ""
        case "html_block":
            return "\n".join(block.text for block in _embedded_html(node.content))
        case _:
            return "\n".join(filter(None, (_show(child, indent) for child in node.children)))


def _show_list(node: SyntaxTreeNode, indent: str) -> str:
    first = int(node.attrs.get("start", 1) or 1)
    lines = []
    for number, item in enumerate(node.children, start=first):
        mark = f"{number}." if node.type == "ordered_list" else "-"
        shown = "\n".join(filter(None, (_show(child, indent + "  ") for child in item.children)))
        lines.append(f"{indent}{mark} {shown.strip()}")
    return "\n".join(lines)


def _inline(node: SyntaxTreeNode) -> str:
    """The words of a node as a reader sees them: links by their text, pictures by their description."""
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return " "
    if node.type == "image":
        return node.content
    return "".join(_inline(child) for child in node.children).strip("\n")


def _embedded_html(text: str) -> list[Block]:
    return _html_blocks(LexborHTMLParser(text))


def _html_blocks(tree: LexborHTMLParser) -> list[Block]:
    for node in tree.css(_INVISIBLE):
        node.decompose()
    root = tree.css_first("main") or tree.css_first("article") or tree.body
    return [block for block in _walk(root) if block.text.strip()] if root else []


def _walk(parent: LexborNode) -> list[Block]:
    blocks: list[Block] = []
    loose: list[str] = []

    def close_loose() -> None:
        if text := " ".join("".join(loose).split()):
            blocks.append(Block(text))
        loose.clear()

    for node in parent.iter(include_text=True):
        tag = node.tag or ""
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            close_loose()
            blocks.append(Block(_words(node), level=int(tag[1])))
        elif tag in _HTML_CONTAINERS:
            close_loose()
            blocks.extend(_walk(node))
        elif tag in ("p", "ul", "ol", "table", "pre", "dt", "dd"):
            close_loose()
            blocks.append(Block(_html_text(node, tag)))
        elif tag not in ("_comment", "-comment"):
            loose.append(node.text(deep=True) if tag != "br" else "\n")
    close_loose()
    return blocks


def _html_text(node: LexborNode, tag: str) -> str:
    if tag in ("ul", "ol"):
        items = [item for item in node.iter() if item.tag == "li"]
        return "\n".join(f"{n}. {_words(i)}" if tag == "ol" else f"- {_words(i)}" for n, i in enumerate(items, start=1))
    if tag == "table":
        return table_lines([[_words(cell) for cell in row.css("th, td")] for row in node.css("tr")])
    return node.text(deep=True).strip() if tag == "pre" else _words(node)


def _words(node: LexborNode) -> str:
    """The text of a node on one line; what starts a new line on the page is set apart by a space."""

    def pieces(parent: LexborNode) -> str:
        shown = (
            (child.text_content or "") if child.tag == "-text" else _apart(child.tag, pieces(child))
            for child in parent.iter(include_text=True)
        )
        return "".join(shown)

    return " ".join(pieces(node).split())


def _apart(tag: str | None, text: str) -> str:
    return f" {text} " if tag in _LINE_STARTERS else text
