"""The dossier holds together: tickets, intents and documents fit each other and the policy."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from core.policy import Policy
from core.profile import load_intents
from core.vocabulary import CATEGORIES, CHANNELS, PRIORITIES, EscalationReason

DOSSIER = Path(__file__).parents[2] / "dossier"
INTENTS = {
    *("how_to", "troubleshooting", "bug_report", "account_access", "billing_question", "pricing_inquiry"),
    *("refund_request", "legal", "human_requested", "complaint", "feature_request", "feedback_praise"),
    *("thanks_closing", "greeting_only", "out_of_scope", "spam"),
}
SILENCES = {"thanks", "auto_reply", "opt_out", "empty"}
BY_POLICY = {"pricing_inquiry", "refund_request", "legal", "angry_customer", "human_requested", "competitor"}
ALSO_BY_POLICY = {"no_answer"}  # a rule may see it at once, and most often the search has to
FIELDS = {"id", "channel", "kind", "split", "from", "subject", "category", "priority", "message", "expected", "note"}
EXPECTED = {"outcome", "reason", "articles", "must_say", "must_not_say"}


def read_tickets(channel: str) -> list[dict[str, Any]]:
    lines = (DOSSIER / "tickets" / f"{channel}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def front_matter(page: Path) -> dict[str, Any]:
    return yaml.safe_load(page.read_text(encoding="utf-8").split("---")[1])


TICKETS = [ticket for channel in CHANNELS for ticket in read_tickets(channel)]
PAGES = {front_matter(page)["slug"]: page.read_text(encoding="utf-8") for page in (DOSSIER / "docs").rglob("*.md")}


def said(text: str) -> str:
    return re.sub(r"\W+", " ", text).casefold().strip()


def words_of(ticket: dict[str, Any]) -> str:
    return f"{ticket['subject'] or ''}\n\n{ticket['message']}"


class TestTickets:
    def test_there_are_enough_of_each_kind_on_each_channel(self) -> None:
        kinds = Counter((ticket["channel"], ticket["kind"]) for ticket in TICKETS)
        assert len(TICKETS) >= 140
        assert all(kinds[channel, "edge"] >= 20 for channel in CHANNELS)
        assert sum(kinds[channel, "ordinary"] for channel in CHANNELS) >= 0.65 * len(TICKETS)

    def test_each_has_the_fields_of_its_channel(self) -> None:
        for channel in CHANNELS:
            for ticket in read_tickets(channel):
                form = channel == "web_form"
                assert set(ticket) == FIELDS, ticket["id"]
                assert ticket["channel"] == channel
                assert set(ticket["from"]) == ({"name", "phone"} if channel == "whatsapp" else {"name", "email"})
                assert (ticket["category"] in CATEGORIES) if form else ticket["category"] is None
                assert (ticket["priority"] in PRIORITIES) if form else ticket["priority"] is None
                assert (ticket["subject"] is None) == (channel == "whatsapp")
                assert ticket["kind"] in ("ordinary", "edge")
                assert ticket["split"] in ("tune", "held_back")
                assert ticket["note"]

    def test_each_expects_an_outcome_and_its_reason(self) -> None:
        reasons = {"answered": {None}, "handed_over": set(get_args(EscalationReason)), "silent": SILENCES}
        for ticket in TICKETS:
            expected = ticket["expected"]
            answered = expected["outcome"] == "answered"
            assert set(expected) == EXPECTED, ticket["id"]
            assert expected["reason"] in reasons[expected["outcome"]], ticket["id"]
            assert bool(expected["articles"]) == bool(expected["must_say"]) == answered, ticket["id"]

    def test_ids_and_messages_are_not_repeated(self) -> None:
        assert max(Counter(ticket["id"] for ticket in TICKETS).values()) == 1
        assert max(Counter(ticket["message"] for ticket in TICKETS).values()) == 1

    def test_both_halves_are_alike(self) -> None:
        groups: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for ticket in TICKETS:
            groups[ticket["channel"], ticket["kind"], ticket["expected"]["outcome"]][ticket["split"]] += 1
        assert all(abs(halves["tune"] - halves["held_back"]) <= 1 for halves in groups.values()), groups

    def test_an_ordinary_ticket_is_answered_from_the_documents(self) -> None:
        assert {t["expected"]["outcome"] for t in TICKETS if t["kind"] == "ordinary"} == {"answered"}

    def test_every_page_that_is_expected_exists(self) -> None:
        named = {slug for ticket in TICKETS for slug in ticket["expected"]["articles"]}
        assert named <= set(PAGES), named - set(PAGES)
        assert len(named) >= 0.8 * len(PAGES)

    @pytest.mark.parametrize("ticket", TICKETS, ids=lambda ticket: ticket["id"])
    def test_what_must_be_said_stands_in_an_expected_page(self, ticket: dict[str, Any]) -> None:
        pages = [PAGES[slug].casefold() for slug in ticket["expected"]["articles"]]
        for words in ticket["expected"]["must_say"]:
            assert any(words.casefold() in page for page in pages), words

    def test_the_policy_sees_what_the_tickets_expect(self) -> None:
        policy = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
        agreed: Counter[str] = Counter()
        halves: Counter[str] = Counter()
        for ticket in TICKETS:
            findings = policy.check(words_of(ticket), stage="inbound", channel=ticket["channel"])
            seen, wanted = findings[0].reason if findings else None, ticket["expected"]["reason"]
            also = wanted if wanted in ALSO_BY_POLICY else None
            agreed[ticket["split"]] += seen in ({wanted} if wanted in BY_POLICY else {None, also})
            halves[ticket["split"]] += 1
        print({half: f"{agreed[half]}/{halves[half]}" for half in halves})
        assert all(agreed[half] >= 0.97 * halves[half] for half in halves), agreed


class TestIntents:
    def test_every_intent_has_its_labelled_sentences(self) -> None:
        intents = load_intents(DOSSIER / "intents.yaml")
        assert {intent.id for intent in intents} == INTENTS
        assert all(len(intent.examples) >= 25 and intent.description for intent in intents)

    def test_no_sentence_is_labelled_twice(self) -> None:
        examples = Counter(e.casefold() for i in load_intents(DOSSIER / "intents.yaml") for e in i.examples)
        assert [sentence for sentence, times in examples.items() if times > 1] == []

    def test_no_sample_ticket_is_an_example(self) -> None:
        messages = {said(ticket["message"]) for ticket in TICKETS} - {""}
        examples = {said(e) for intent in load_intents(DOSSIER / "intents.yaml") for e in intent.examples} - {""}
        policy = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
        tuned = {said(e) for rule in policy.rules for e in (*rule.examples.must_match, *rule.examples.must_not_match)}
        assert messages & examples == set()
        assert {said(t["message"]) for t in TICKETS if t["split"] == "held_back"} & tuned - {""} == set()
