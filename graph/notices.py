"""What a customer reads when a person takes over: the words are the company's, from `dossier/notices.yaml`."""

from __future__ import annotations

from core.grounding.language import guess_language
from core.models import FormattedReply, ReplySentence
from core.turn import TurnContext


def handover_notice(turn: TurnContext, reason: str) -> FormattedReply:
    """One short, honest notice in the manner of the channel, the same on every attempt of the turn.

    Who writes in a language that the assistant cannot answer in reads it in that language, where the dossier has it.
    """
    notices = turn.deps.profile.notices
    response_time = turn.deps.profile.response_times[turn.brief.priority]
    language = guess_language(turn.brief.text) if reason == "unsupported_language" else None
    theirs = notices.get(f"{reason}.{language}")
    lines = theirs or notices.get(reason) or notices["default"]
    return turn.deps.formatter.format(
        turn.brief.channel,
        [ReplySentence(line.replace("{response_time}", response_time)) for line in lines],
        customer_name=turn.brief.customer_name,
        subject=turn.brief.subject,
        ticket_id=turn.brief.ticket_id,
        first_reply=turn.brief.first_reply,
        language=language if theirs and language else "en",
    )
