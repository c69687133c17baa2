"""HTML mail as the text that a person would have seen, quotes marked with ">"."""

from __future__ import annotations

import re
from typing import Final

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError
from selectolax.lexbor import LexborHTMLParser

MAX_HTML: Final = 1_000_000
# Private-use characters that mark where a quote opens and closes on its way through the converter.
_OPEN, _CLOSE = "\ue000", "\ue001"
_CONFIG = ParserConfig(css=CSS_PROFILES["relaxed"])
_DROPPED = "script, style, head, title, noscript, template, img[width='1'], .gmail_attr_hidden, #_rc_sig_hidden"
_QUOTES = "blockquote, #OLK_SRC_BODY_SECTION, .yahoo_quoted, #yahoo_quoted"


def html_to_text(html: str) -> str:
    """Never raises: what no parser can turn into text comes back without its tags."""
    html = html[:MAX_HTML].replace("\x00", "").replace(_OPEN, "").replace(_CLOSE, "")
    tree = LexborHTMLParser(html)
    for node in tree.css(_DROPPED):
        node.decompose()
    for node in tree.css(_QUOTES):
        node.insert_before(_OPEN)
        node.insert_after(_CLOSE)
    try:
        text = _tidy(_mark_quotes(get_text(tree.html or "", _CONFIG)))
    except (LxmlError, RecursionError, ValueError, AttributeError, AssertionError):
        text = ""
    return text or _tidy(_mark_quotes(tree.text(separator="\n", strip=True)))


def _mark_quotes(text: str) -> str:
    depth, lines = 0, []
    for line in re.sub(f"([{_OPEN}{_CLOSE}])", r"\n\1\n", text).split("\n"):
        if line == _OPEN:
            depth += 1
        elif line == _CLOSE:
            depth = max(0, depth - 1)
        else:
            lines.append("> " * depth + line.strip() if depth else line.rstrip())
    return "\n".join(lines)


def _tidy(text: str) -> str:
    """No runs of blank lines, no characters that only space things out."""
    text = re.sub("[\u200b\u200c\u200d\u2060\ufeff\u00ad]", "", text).replace("\u00a0", " ")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()
