"""The policy compiler: what rules catch and spare, what they cost, and what a bad rule is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import ConfigurationError
from core.policy import Examples, Finding, Policy, Rule, load_examples

DOSSIER = Path(__file__).parents[2] / "dossier"
POLICY = Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")
RULES = [pytest.param(rule, id=rule.id) for rule in POLICY.rules]


def fires(rule: Rule, text: str) -> bool:
    channel = rule.channels[0] if rule.channels else "email"
    return all(
        any(finding.rule_id == rule.id for finding in POLICY.check(text, stage=stage, channel=channel))
        for stage in rule.stages
    )


def every(examples: Examples) -> tuple[str, ...]:
    return (*examples.must_match, *examples.must_not_match)


class TestTheRulesOfTheDossier:
    @pytest.mark.parametrize("rule", RULES)
    def test_a_rule_brings_enough_examples(self, rule: Rule) -> None:
        assert min(len(rule.examples.must_match), len(rule.examples.must_not_match)) >= 20

    @pytest.mark.parametrize("rule", RULES)
    def test_no_pattern_fires_where_its_examples_forbid_it(self, rule: Rule) -> None:
        assert not [text for text in rule.examples.must_not_match if fires(rule, text)]

    @pytest.mark.parametrize("rule", [pytest.param(r, id=r.id) for r in POLICY.rules if r.stages != ("inbound",)])
    def test_what_a_reply_must_not_say_is_caught_by_patterns_alone(self, rule: Rule) -> None:
        """No model stands at the send boundary."""
        missed = [text for text in rule.examples.must_match if not fires(rule, text)]
        assert len(missed) <= 0.02 * len(rule.examples.must_match), missed

    def test_what_is_held_back_was_never_tuned_on(self) -> None:
        tuned = {text.casefold() for rule in POLICY.rules for text in every(rule.taught)} | set(POLICY.ordinary)
        held_back = load_examples(DOSSIER / "policy.held-back.yaml")
        assert not {text.casefold() for examples in held_back.values() for text in every(examples)} & tuned

    @pytest.mark.parametrize(
        "text",
        [
            "how do I add an agent to my workspace?",
            "what does it cost in API calls?",
            "the price field of my item is empty",
            "how do I record a customer's refund in Tallyroot?",
            "your competitor import format",
            "charge back of stock",
            "legal entity name on labels",
            "is there a human readable export?",
            "stop the sync job",
            "this is killing me, which button exports?",
            "representative sample for a stock count",
        ],
    )
    def test_an_ordinary_question_fires_nothing_on_any_channel(self, text: str) -> None:
        assert POLICY.check(text, stage="inbound", channel="whatsapp") == ()
        assert POLICY.check(text, stage="inbound", channel="email") == ()

    def test_a_bare_agent_is_a_wish_for_a_person_on_whatsapp_only(self) -> None:
        on_whatsapp = POLICY.check("Agent!", stage="inbound", channel="whatsapp")
        assert [finding.reason for finding in on_whatsapp] == ["human_requested"]
        assert POLICY.check("Agent!", stage="inbound", channel="email") == ()
        assert POLICY.check("Agent!", stage="inbound") == ()

    def test_every_page_of_the_documents_may_be_sent(self) -> None:
        pages = sorted((DOSSIER / "docs").rglob("*.md"))
        assert pages
        # The front matter is never sent: how customers ask may well speak of money.
        found = {page.stem: POLICY.check(page.read_text().split("\n---\n", 1)[1], stage="send") for page in pages}
        assert {stem: findings for stem, findings in found.items() if findings} == {}

    def test_the_hand_over_notices_may_be_sent(self) -> None:
        notices: dict[str, list[str]] = yaml.safe_load((DOSSIER / "notices.yaml").read_text())
        for sentences in notices.values():
            text = " ".join(sentences).replace("{response_time}", "within one business day")
            assert POLICY.check(text, stage="send") == ()

    def test_the_first_of_several_findings_is_the_gravest(self) -> None:
        findings = POLICY.check(
            "How much is the Studio plan? Refund me or you will hear from my lawyer.", stage="inbound", channel="email"
        )
        assert [finding.reason for finding in findings] == ["legal", "refund_request", "pricing_inquiry"]


class TestDisguises:
    @pytest.mark.parametrize(
        "text",
        [
            "you f*ck",
            "this is sh1t",
            "what a b!tch of an app",
            "fuuuuuck your sync",
            "f.u.c.k this",
            "f u c k this",
            "this is \uff53\uff48\uff49\uff54",
            "this is sh\u200bit",
            "this is s\u0445it \u0455hit",
            "this is shi\u0301t",
        ],
    )
    def test_masked_profanity_is_still_profanity(self, text: str) -> None:
        assert [finding.rule_id for finding in POLICY.check(text, stage="inbound")] == ["angry_customer"]

    @pytest.mark.parametrize("text", ["SKU S-17 and SH-17", "Scunthorpe", "assorted glass", "shiitake", "s*"])
    def test_an_innocent_look_alike_is_spared(self, text: str) -> None:
        assert POLICY.check(text, stage="inbound") == ()

    def test_the_span_points_into_the_text_that_was_given(self) -> None:
        text = "Hi \u200b\u200b!\n\nPlease   ref\u00adund  m\u0435, caf\u00e9 owner."
        (finding,) = POLICY.check(text, stage="inbound")
        start, end = finding.span
        assert text[start:end].strip() == finding.evidence
        assert finding.evidence.endswith("ref\u00adund  m\u0435")


def test_evidence_stands_word_for_word_in_the_text_for_every_example() -> None:
    for rule in POLICY.rules:
        for text in rule.examples.must_match:
            for finding in POLICY.check(text, stage=rule.stages[0], channel="whatsapp"):
                assert finding.evidence
                assert finding.evidence in text


MINIMAL: dict[str, Any] = {
    "version": 1,
    "rules": [
        {
            "id": "money_back",
            "title": "Money back",
            "why": "People decide.",
            "stages": ["inbound"],
            "action": "hand_over",
            "reason": "refund_request",
            "any": [r"\brefund\b"],
        }
    ],
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Policy]:
    def load_with(**changes: Any) -> Policy:
        data = {**MINIMAL, **changes.pop("file", {})}
        data["rules"] = [{**data["rules"][0], **changes}, *data["rules"][1:]]
        (tmp_path / "policy.yaml").write_text(yaml.safe_dump(data))
        (tmp_path / "profile.yaml").write_text(yaml.safe_dump({"competitors": ["CountHero"]}))
        return Policy.load(tmp_path / "policy.yaml", tmp_path / "profile.yaml")

    return load_with


def rules_found(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule_id for finding in findings]


class TestCompiling:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"action": "shout"}, ("money_back", "action")),
            ({"reason": "because"}, ("money_back", "reason")),
            ({"stages": []}, ("money_back", "stages")),
            ({"any": []}, ("money_back", "any")),
            ({"any": ["(refund"]}, ("money_back", "any", "(refund")),
            ({"unless": ["*"]}, ("money_back", "unless")),
            ({"any": ["{nothing}"]}, ("money_back", "any", "{nothing}")),
            ({"color": "red"}, ("money_back", "color")),
            ({"any": ["(a+)+b"]}, ("money_back", "any", "(a+)+b")),
            ({"any": [r"(\w+\s?)*x"]}, ("money_back", "any")),
            ({"any": [".*.*.*x"]}, ("money_back", "any", "steps")),
            ({"any": [r"(a)\1"]}, ("money_back", "any", "groupref")),
        ],
    )
    def test_a_bad_rule_is_refused_by_name_and_field(
        self, load: Callable[..., Policy], change: dict[str, Any], words: tuple[str, ...]
    ) -> None:
        with pytest.raises(ConfigurationError) as refused:
            load(**change)
        assert all(word in str(refused.value) for word in words), refused.value

    def test_two_rules_cannot_share_a_name(self, load: Callable[..., Policy]) -> None:
        with pytest.raises(ConfigurationError, match="money_back, field id"):
            load(file={"rules": MINIMAL["rules"] * 2})

    def test_a_missing_file_says_which(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"policy\.yaml is missing"):
            Policy.load(tmp_path / "policy.yaml", DOSSIER / "profile.yaml")

    def test_unless_cancels_what_it_overlaps_and_nothing_else(self, load: Callable[..., Policy]) -> None:
        policy = load(unless=[r"\brefund button\b"])
        assert rules_found(policy.check("where is the refund button", stage="inbound")) == []
        assert rules_found(policy.check("refund button aside, I want a refund", stage="inbound")) == ["money_back"]

    def test_unless_near_cancels_within_the_sentence_only(self, load: Callable[..., Policy]) -> None:
        policy = load(unless_near=[r"\bbuyer\b"])
        assert rules_found(policy.check("my buyer wants a refund", stage="inbound")) == []
        assert rules_found(policy.check("I am a buyer. I want a refund.", stage="inbound")) == ["money_back"]

    def test_always_is_never_cancelled(self, load: Callable[..., Policy]) -> None:
        policy = load(any=[], always=[r"\brefund me\b"], unless=["refund"], unless_near=["buyer"])
        assert rules_found(policy.check("my buyer says refund me", stage="inbound")) == ["money_back"]

    def test_a_word_list_comes_from_the_profile(self, load: Callable[..., Policy]) -> None:
        names = {"lists": {"competitors": {"from_profile": "competitors", "spelled": "loose"}}}
        policy = load(file=names, any=["{competitors}"])
        assert rules_found(policy.check("and Count-Hero?", stage="inbound")) == ["money_back"]
        assert rules_found(policy.check("and CountHeroes?", stage="inbound")) == []

    def test_a_rule_speaks_at_its_stages_only(self, load: Callable[..., Policy]) -> None:
        assert load().check("refund", stage="send") == ()

    def test_the_version_changes_with_a_rule_and_not_with_an_example(self, load: Callable[..., Policy]) -> None:
        same = load(examples={"must_match": ["refund"], "must_not_match": []})
        assert load().version_hash == same.version_hash
        assert load().version_hash != load(any=[r"\brefunds\b"]).version_hash

    @pytest.mark.parametrize("text", ["", " ", "\n\n", "\x00", "\u200b", "👍", "...", "refund" * 3])
    def test_a_text_without_words_is_no_problem(self, load: Callable[..., Policy], text: str) -> None:
        assert load().check(text, stage="inbound") == ()
