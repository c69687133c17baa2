"""Prompts are files beside their node. Company facts come first and never change; what the customer wrote comes last, marked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from core.profile import CompanyProfile

_HERE = Path(__file__).parent
PROMPTS = tuple(sorted(path.name.removesuffix(".prompt.md") for path in _HERE.glob("*.prompt.md")))


@cache
def _template(node: str) -> Template:
    return Template((_HERE / f"{node}.prompt.md").read_text(encoding="utf-8"))


def render_prompt(node: str, profile: CompanyProfile, **facts: str) -> str:
    """The instructions of a node. An unknown placeholder is an error: a prompt never carries one to a model."""
    return _template(node).substitute(
        company=profile.name, product=profile.product, one_liner=profile.one_liner, **facts
    )
