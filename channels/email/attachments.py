"""What hangs on a mail: listed by name, type and size. None of it is read: a file is no word of the customer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from typing import Any, Final

from channels.email.mime import disposition, file_name, leaves, parameter, size_of

MAX_LISTED: Final = 50
MAX_BYTES: Final = 25_000_000
MAX_TOTAL_BYTES: Final = 40_000_000
# What a click runs: programs, scripts, shortcuts, disk images, and documents that carry macros or scripts.
_RUNS: Final = frozenset(
    [
        "exe",
        "scr",
        "com",
        "pif",
        "bat",
        "cmd",
        "ps1",
        "psm1",
        "vbs",
        "vbe",
        "js",
        "jse",
        "ws",
        "wsf",
        "wsh",
        "hta",
        "msi",
        "msp",
        "msix",
        "jar",
        "jnlp",
        "cpl",
        "dll",
        "sys",
        "reg",
        "inf",
        "lnk",
        "url",
        "scf",
        "chm",
        "iso",
        "img",
        "vhd",
        "vhdx",
        "dmg",
        "pkg",
        "app",
        "apk",
        "deb",
        "rpm",
        "sh",
        "bash",
        "csh",
        "command",
        "py",
        "pyw",
        "pl",
        "rb",
        "php",
        "docm",
        "dotm",
        "xlsm",
        "xltm",
        "xlam",
        "xll",
        "pptm",
        "potm",
        "ppam",
        "ppsm",
        "sldm",
        "one",
        "application",
        "gadget",
        "settingcontent-ms",
        "library-ms",
        "htm",
        "html",
        "shtml",
        "xhtml",
        "mht",
        "mhtml",
        "svg",
    ]
)
_RUNS_TYPE: Final = re.compile(
    r"application/(?:x-ms-?(?:dos)?-?(?:program|download|installer|shortcut)|x-dosexec|x-executable|x-sharedlib|x-sh|"
    r"x-bat|hta|java-archive|javascript|x-javascript|vnd\.android\.package-archive|vnd\.microsoft\.portable-executable|"
    r".*macroenabled.*)|text/(?:html|javascript|x-python|x-shellscript|vbscript)|image/svg\+xml"
)


def is_text(kind: str) -> bool:
    """Also a multipart that has no parts: its text is all there is."""
    return kind in ("text/plain", "text/html") or kind.startswith("multipart/")


def list_attachments(mail: Message) -> tuple[Mapping[str, Any], ...]:
    """`dangerous`: a click on it may run something. `within_limits` is False for what is too large to be looked after."""
    listed: list[Mapping[str, Any]] = []
    total = 0
    for part in leaves(mail):
        kind, name = part.get_content_type(), file_name(part)
        if (is_text(kind) and disposition(part) != "attachment" and not name) or len(listed) >= MAX_LISTED:
            continue
        size = size_of(part)
        total += size
        method = {"method": parameter(part, "method")} if kind == "text/calendar" else {}
        listed.append(
            {
                "name": name or f"{kind.replace('/', '-')}-{len(listed) + 1}",
                "content_type": kind,
                "bytes": size,
                "inline": disposition(part) == "inline",
                "within_limits": size <= MAX_BYTES and total <= MAX_TOTAL_BYTES,
                "dangerous": is_dangerous(name or "", kind),
                **method,
            }
        )
    return tuple(listed)


def is_dangerous(name: str, content_type: str) -> bool:
    """By the last ending of the name, which is what a click goes by (`photo.pdf.exe`), or by the type that is claimed."""
    _, dot, ending = name.lower().rstrip(" .").rpartition(".")
    runs = bool(dot) and re.sub(r"[^a-z0-9-]", "", ending) in _RUNS
    return runs or _RUNS_TYPE.fullmatch(content_type.lower()) is not None
