"""What others wrote is data: it stands in a marked block that cannot be closed from within."""

from __future__ import annotations

import re


def mark(tag: str, text: str) -> str:
    """`<tag>` block round a text. Whatever in the text looks like the tag, in any case or spacing, is broken."""
    inside = re.compile(rf"<(\s*/?\s*){re.escape(tag)}", re.IGNORECASE)
    return f"<{tag}>\n{inside.sub(lambda m: f'<{m[1]}{tag}-', text)}\n</{tag}>"
