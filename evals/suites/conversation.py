"""conversation: scripted customers against the whole product: `{channel, customer, subject?, turns, end?}`.

Each turn is `{says, outcome?, reason?, must_say?, must_not_say?}`, `end` the state of the database that is right after the
last one: `{tickets?, status?, open_reviews?, replies?, notices?, owner?}`. Messages enter where the edge puts them and
travel through intake, agent and delivery. Graded on the database first; only where that is right on the words. Every
case is tried `--trials` times, each time by a customer whom nobody knows; pass^k is the chance that k trials all pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.vocabulary import CHANNELS, Channel
from evals.rows import BadRow, NoCriterion, Row, read_rows
from evals.scripted import Ended, Scripted, TurnEnd, play
from evals.statistics import Figure, pass_hat, share
from evals.suite import Case, Fault, Measured, known
from evals.world import World

_END_FACTS = ("tickets", "status", "open_reviews", "replies", "notices", "owner")


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    says: str
    outcome: str | None
    reason: str | None
    must_say: tuple[str, ...]
    must_not_say: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConversationCase(Case):
    channel: Channel
    name: str
    subject: str | None
    turns: tuple[ScriptedTurn, ...]
    end: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was wrong with the database, and where nothing was, with the words."""

    state_faults: tuple[str, ...]
    word_faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.state_faults and not self.word_faults


class Conversation:
    name = "conversation"

    def __init__(self) -> None:
        self._trials = 1

    def read(self, row: Row) -> ConversationCase:
        channel = row.text("channel")
        if channel not in CHANNELS:
            raise BadRow(f"{row.place}: `channel` must be one of {', '.join(CHANNELS)}, not {channel!r}")
        turns = tuple(_turn(row, number, turn) for number, turn in enumerate(row.find("turns", list) or [], 1))
        if not turns:
            raise BadRow(f"{row.place}: `turns` must list what the customer says")
        end = row.find("end", dict) or {}
        if unknown := sorted(set(end) - set(_END_FACTS)):
            raise BadRow(f"{row.place}: `end` knows {', '.join(_END_FACTS)}, not {unknown[0]!r}")
        if not end and not any(turn.outcome or turn.must_say or turn.must_not_say for turn in turns):
            raise NoCriterion("give `end`, or an `outcome` of a turn")
        shown = " / ".join(turn.says for turn in turns)
        name = (row.find("customer", dict) or {}).get("name") or "Ada Osei"
        return ConversationCase(row.id, row.place, shown, channel, name, row.find("subject", str), turns, end)

    def dossier_cases(self, world: World) -> list[ConversationCase]:
        return [self.read(row) for row in read_rows(world.dossier / "conversations.jsonl").rows]

    async def prepare(self, world: World, cases: Sequence[ConversationCase]) -> None:
        self._trials = world.options.trials
        await world.start_spine()

    async def ask(self, world: World, case: ConversationCase) -> list[Trial]:
        trials = []
        for _ in range(self._trials):
            script = Scripted(case.channel, case.name, case.subject, tuple(turn.says for turn in case.turns))
            trials.append(_judge(case, await play(await world.pool(), script, world.profile.support_email)))
        return trials

    def measure(self, answered: Sequence[tuple[ConversationCase, list[Trial]]]) -> Measured:
        trials = [trial for _, of_case in answered for trial in of_case]
        figures = known(
            passed=share(trial.passed for trial in trials),
            end_state_right=share(not trial.state_faults for trial in trials),
            words_right=share(not trial.word_faults for trial in trials if not trial.state_faults),
        )
        figures |= _pass_hats([sum(trial.passed for trial in of_case) for _, of_case in answered], self._trials)
        for channel in CHANNELS:
            passed = share(trial.passed for case, of_case in answered if case.channel == channel for trial in of_case)
            figures |= known(**{f"passed.{channel}": passed})
        faults = [
            Fault(
                case,
                f"{'database' if trial.state_faults else 'words'}: {'; '.join(trial.state_faults or trial.word_faults)}",
            )
            for case, of_case in answered
            for trial in of_case
            if not trial.passed
        ]
        return Measured(figures, faults)


def _pass_hats(successes: Sequence[int], trials: int) -> dict[str, Figure]:
    return known(**{f"pass^{k}": pass_hat(successes, trials, k) for k in range(1, trials + 1)})


def _turn(row: Row, number: int, given: Any) -> ScriptedTurn:
    if not isinstance(given, dict):
        raise BadRow(f"{row.place}: turn {number} must be an object with `says`")
    turn = Row(f"{row.place}, turn {number}", given)
    return ScriptedTurn(
        turn.text("says"),
        turn.find("outcome", str),
        turn.find("reason", str),
        turn.texts("must_say"),
        turn.texts("must_not_say"),
    )


def _judge(case: ConversationCase, ended: Ended) -> Trial:
    state = [
        f"turn {number}: {fault}"
        for number, (turn, end) in enumerate(zip(case.turns, ended.turns, strict=True), 1)
        for fault in _state_faults(turn, end)
    ]
    facts = ended.facts
    state += [
        f"{name} is {facts[name]!r}, not {wanted!r}" for name, wanted in case.end.items() if facts[name] != wanted
    ]
    state += [f"{ended.doubled} turns were answered twice"] if ended.doubled else []
    words = [
        f"turn {number}: {fault}"
        for number, (turn, end) in enumerate(zip(case.turns, ended.turns, strict=True), 1)
        for fault in _word_faults(turn, "\n".join(end.replies).lower())
    ]
    return Trial(tuple(state), () if state else tuple(words))


def _state_faults(turn: ScriptedTurn, end: TurnEnd) -> list[str]:
    if turn.outcome and end.outcome != turn.outcome:
        return [f"{end.outcome} ({end.reason}) instead of {turn.outcome}"]
    return [f"for {end.reason} instead of {turn.reason}"] if turn.reason and end.reason != turn.reason else []


def _word_faults(turn: ScriptedTurn, said: str) -> list[str]:
    """One of `must_say` is enough, as in the sample tickets."""
    missing = turn.must_say and not any(phrase.lower() in said for phrase in turn.must_say)
    faults = [f"says none of {list(turn.must_say)}"] if missing else []
    return faults + [f"says {phrase!r}" for phrase in turn.must_not_say if phrase.lower() in said]
