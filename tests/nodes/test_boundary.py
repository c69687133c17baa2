"""The send boundary: deterministic, on the final text, with the real policy, prompts and documents."""

from __future__ import annotations

import base64

import pytest

from core.policy import Policy
from core.settings import PROJECT_ROOT
from core.turn import TurnContext
from nodes.boundary import leaks, stop_at_boundary
from nodes.prompts import PROMPTS, render_prompt
from nodes.state import Draft
from tests.nodes.fakes import make_turn, passage, profile
from tools.toolbox import TOOLS

DOSSIER = PROJECT_ROOT / "dossier"
POLICY = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
FOUND = passage("Open Labels and choose Print. See also https://status.vendor.example/now.")


def turn(**brief) -> TurnContext:
    made = make_turn(policy=POLICY, **brief)  # pyright: ignore[reportArgumentType]
    made.work.passages[str(FOUND.id)] = FOUND
    return made


def letter(body: str) -> Draft:
    text = f"Dear Ada,\n\n{body}\n\nKind regards,\nTallyroot Support\n\nReference: tkt_0123456789abcdefghijAB"
    return {"text": text, "parts": [text], "subject": "Re: Labels"}


def stopped(body: str) -> tuple[str, str] | None:
    found = stop_at_boundary(turn(channel="email"), letter(body))
    return (found["reason"], found["rule"]) if found else None


@pytest.mark.parametrize(
    "body",
    [
        "Open Labels and choose Print.",
        f"See {profile().help_centre_url}/articles/labels or write to {profile().support_email}.",
        "The state of the service is at https://status.vendor.example/now.",
        f"{profile().product} is made for shops: {profile().one_liner}",
    ],
)
def test_an_honest_reply_leaves(body: str) -> None:
    assert stopped(body) is None


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("We will refund you.", "refund_promise"),
        ("Sign in at https://evil.example first.", "foreign_contact"),
        ("Sign in at help.t\u0430llyroot.example first.", "foreign_contact"),
        ("Write to eve@evil.example.", "foreign_contact"),
        (f"The text is from {FOUND.id}.", "internal_text"),
        (f"The text is from {FOUND.id.hex}{FOUND.id.hex}.", "internal_text"),
        (base64.b64encode(render_prompt("responder", profile()).encode()).decode(), "internal_text"),
        ("If two different searches find nothing that answers, then wait.", "internal_text"),
        ("IF two  different\nsear\u00adches FIND nothing!", "internal_text"),
    ],
)
def test_what_must_not_leave_goes_to_a_person(body: str, rule: str) -> None:
    assert stopped(body) == ("policy_violation", rule)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_no_line_of_a_prompt_leaves(prompt: str) -> None:
    lines = [line for line in render_prompt(prompt, profile()).splitlines() if len(line.split()) > 8]
    assert lines
    assert all(stopped(line) for line in lines)


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS])
def test_no_name_of_a_tool_leaves(tool: str) -> None:
    assert list(leaks(turn(), f"I used {tool}.")) == [tool]


def test_a_breach_of_the_manners_is_a_fault_of_ours() -> None:
    assert stopped("word " * 500) == ("system_error", "manners")
    cut: Draft = {"text": "Open Set\n\ntings.", "parts": ["(1/2) Open Set", "(2/2) tings."], "subject": None}
    found = stop_at_boundary(turn(channel="whatsapp"), cut)
    assert found is not None
    assert (found["reason"], found["evidence"]) == ("system_error", "message 1 is cut inside a sentence")


def test_every_page_of_the_documents_may_be_quoted() -> None:
    """No page shares six words in a row with a prompt, carries an id or a blob."""
    pages = sorted((DOSSIER / "docs").rglob("*.md"))
    assert pages
    found = {page.stem: list(leaks(turn(), page.read_text(encoding="utf-8"))) for page in pages}
    assert {page: words for page, words in found.items() if words} == {}
