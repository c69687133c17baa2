"""What is new in a mail: quoted history, forwarded mail and signatures taken away, inline answers kept.

Lines are the unit. A quote counts as history only where a line announces it ("On … wrote:") or where it ends the mail;
a customer who quotes something to us keeps their quote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# This much of a mail is looked at, and no more: the rest of such a mail is not a customer's own words.
MAX_CHARACTERS: Final = 100_000
MAX_LINES: Final = 3_000
_ATTRIBUTION_LINES: Final = 7
_SIGNATURE_LINES: Final = 30

_VERBS = (
    r"wrote|writes|said|schrieb|geschrieben|schreef|a écrit|écrit|ha scritto|scrisse|escribió|escribio|escreveu|"
    r"napisał(?:\(?a\)?)?|skrev|kirjoitti|написал(?:\(?а\)?)?|пишет|написав|írta|napsal(?:a)?|yazdı|schreibt|"
    r"写道|寫道|のメール|さんは書きました|님이 작성"
)
_MONTHS = (
    r"jan|feb|mar|mär|apr|may|mai|maj|jun|jul|aug|sep|oct|okt|nov|dec|dez|dic|gen|giu|lug|ago|set|ott|fév|avr|aoû|déc|"
    r"stycz|lut|kwie|lip|sierp|wrze|paź|lis|grud|янв|фев|апр|май|июн|июл|авг|сен|окт|ноя|дек"
)
_DATED = re.compile(
    rf"\d{{1,4}}[./\-]\d{{1,2}}[./\-]\d{{1,4}}|\d{{1,2}}:\d{{2}}|\b(?:{_MONTHS})|\d{{4}}年|\b\d{{4}}\b", re.I
)
_ADDRESS = re.compile(r"[^\s<>@\"]+@[^\s<>@\"]+")
_VERB_END = re.compile(rf"\b(?:{_VERBS})\b[\s:：>\-]*$|(?:写道|寫道)\s*[:：]\s*$", re.I)
_VERB_WITHIN = re.compile(rf"(?:^|\s)(?:{_VERBS})(?=[\s:<\"]|$)", re.I)
_STARTS = re.compile(
    r"^\W{0,3}(?:on|am|le|el|il|op|em|den|dnia|w dniu|in data|dne|на|в|vào|pe|kl|у|tarihinde|le lun|hi[^a-z]?on|在)\b.{0,60}\d",
    re.I,
)
_DATE_ADDRESS = re.compile(
    r"^\W{0,2}(?:\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{4}年\d{1,2}月\d{1,2}日|\d{1,2}:\d{2} ?(?:AM|PM),).{0,160}"
    r"(?:<?[^\s<>@]+@[^\s<>@]+>?|GMT[+-]\d{1,2}.*|\")\W*$",
    re.I,
)
_MAY_END = re.compile(rf"[:：>\"]\W*$|GMT|\b(?:{_VERBS})\b|写道|寫道", re.I)
_NAME_WROTE = re.compile(rf"^[^\n<>]{{1,80}}<?\s*[^\s<>@]+@[^\s<>@]+\s*>?\s*(?:{_VERBS})\b.{{0,60}}[:：]\s*$", re.I)

_SEPARATOR = re.compile(
    r"^\W{0,2}[-_*=]{2,}\s*(?:original message|original-nachricht|ursprüngliche nachricht|weitergeleitete nachricht|"
    r"forwarded message|forwarded by.*|message d'origine|message original|messaggio originale|messaggio inoltrato|"
    r"mensaje original|mensagem original|oorspronkelijk bericht|doorgestuurd bericht|oprindelig meddelelse|"
    r"ursprungligt meddelande|opprinnelig melding|wiadomość oryginalna|oryginalna wiadomość|исходное сообщение|"
    r"пересылаемое сообщение|original appointment|reply message|原始邮件|原始郵件|转发的邮件|元のメッセージ)\s*[-_*=]{2,}\W*$"
    r"|^\s*(?:begin forwarded message|anfang der weitergeleiteten nachricht|début du message réexpédié)\s*:\s*$",
    re.I,
)
_FROM = r"from|von|de|da|van|från|fra|od|от|发件人|寄件者|差出人|lähettäjä|kimden|feladó|message du"
_OTHER = (
    r"sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoyé|envoyé le|à|a|objet|copie à|inviato|data|oggetto|"
    r"verzonden|aan|onderwerp|skickat|till|ämne|sendt|til|emne|dato|wysłano|do|temat|enviado|enviado em|para|assunto|asunto|"
    r"fecha|отправлено|кому|тема|дата|发送时间|收件人|主题|日期|送信日時|宛先|件名|lähetetty|aihe"
)
_FROM_LINE = re.compile(rf"^\s*(?:[|>]\s?)*\*?(?:{_FROM})\s?[:：]\*?\s*\S", re.I)
_OTHER_LINE = re.compile(rf"^\s*(?:[|>]\s?)*\*?(?:{_OTHER}|{_FROM})\s?[:：]\*?", re.I)

_QUOTED = re.compile(r"^\s{0,3}[>|](?!\w+\|)")
_RULE = re.compile(r"^\W*(?:[-_=*–—~]\s?){3,}\W*$")
_SIGNATURE = re.compile(r"^\s*(?:--|—|––)\s*$")
_SENT_FROM = re.compile(
    r"^\W{0,3}(?:(?:sent|send) (?:from|via|with|by|using|mit)\b.{1,100}|from my (?:iphone|ipad|mobile|phone|android)\b.{0,40}|"
    r"get outlook for\b.{0,80}|gesendet von\b.{1,80}|von meinem .{1,60} gesendet|diese nachricht wurde von meinem .{1,80}|"
    r"envoyé (?:depuis|de|à partir de|par)\b.{1,80}|enviado (?:desde|do|de|a partir)\b.{1,80}|inviato (?:da|dal)\b.{1,80}|"
    r"verzonden (?:met|vanaf|via|met behulp)\b.{1,80}|verstuurd (?:vanaf|met)\b.{1,80}|skickat från\b.{1,80}|"
    r"sendt fra\b.{1,80}|wysłan[eoy] z\b.{1,80}|отправлено (?:с|из)\b.{1,80}|lähetetty .{1,60}|從我的 .{1,40} 傳送|"
    r"发自我的.{1,40}|iPhoneから送信|someone from mobile|odesláno z\b.{1,80})\W*$",
    re.I,
)
_LIST_RULE = re.compile(r"^\s*[-_=]{2,}\s*$")
_LIST_FOOTER = re.compile(r"mailing list|mailman|listinfo|unsubscribe|@lists?\.|@lijsten\.|groups\.google\.com", re.I)


def trim_reply(text: str) -> str:
    """The new text of a mail, stripped; empty where everything seems to be history: the caller keeps the whole then."""
    lines = text[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n").split("\n")[:MAX_LINES]
    lines = _without_history(_without_top_headers(lines))
    lines = _without_signature(lines)
    lines = _without_trailing_quote(lines)
    while lines and (not lines[-1].strip() or _RULE.match(lines[-1])):
        lines.pop()
    return "\n".join(lines).strip()


def _without_top_headers(lines: list[str]) -> list[str]:
    """Headers above the first word are those of this mail, not of a quoted one."""
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if _is_header_block(lines, start):
        end = start
        while end < len(lines) and _OTHER_LINE.match(lines[end]):
            end += 1
        return lines[end:]
    return lines


def _without_history(lines: list[str]) -> list[str]:
    kept: list[str] = []
    index = 0
    while index < len(lines):
        if _SEPARATOR.match(lines[index]) or _is_header_block(lines, index):
            if _text_of(kept):
                return kept
            index += 1
        elif length := _attribution_length(lines, index):
            lines, index = lines[index + length :], 0
            if _leading_quote_length(lines):
                # What is quoted below is history; what stands between and below the quotes is the answer.
                lines = [line for line in lines if not _QUOTED.match(line)]
            elif _text_of(kept):
                return kept
        else:
            kept.append(lines[index])
            index += 1
    return kept


def _attribution_length(lines: Sequence[str], index: int) -> int:
    """How many lines say "On … somebody wrote:", 0 for none. Mail clients break that sentence anywhere."""
    pieces: list[str] = []
    for length in range(1, min(_ATTRIBUTION_LINES, len(lines) - index) + 1):
        line = lines[index + length - 1].strip().lstrip(">").strip()
        if (length == 1 and not line) or sum(map(len, pieces)) + len(line) > 400:
            return 0
        if not line and not _unfinished(" ".join(pieces)):
            return 0
        pieces.append(line)
        if not _MAY_END.search(line):
            continue
        quoted = bool(_leading_quote_length(lines[index + length : index + length + 3]))
        if _is_attribution(pieces, quoted):
            later = range(1, 1 if _STARTS.match(pieces[0]) else length)
            return 0 if any(_is_attribution(pieces[start:], quoted) for start in later) else length
    return 0


def _is_attribution(pieces: Sequence[str], quote_follows: bool) -> bool:
    first, joined = pieces[0], " ".join(piece for piece in pieces if piece)
    if not first:
        return False
    if _DATE_ADDRESS.match(joined) or _NAME_WROTE.match(joined):
        return True
    if _STARTS.match(first) and _DATED.search(first) and _VERB_END.search(joined):
        return True
    if not joined.endswith((":", "：")) or not _ADDRESS.search(joined):
        return False
    if _VERB_END.search(joined) or (_VERB_WITHIN.search(joined) and _DATED.search(joined)):
        return True
    return quote_follows and len(pieces) <= 2 and bool(_DATED.search(joined))


def _unfinished(joined: str) -> bool:
    """An attribution whose address was put on lines of its own by the client."""
    return bool(_STARTS.match(joined)) and joined.count("<") >= joined.count(">") and bool(_DATED.search(joined))


def _leading_quote_length(lines: Sequence[str]) -> int:
    """Quoted lines right below, blank ones skipped."""
    count = 0
    for line in lines:
        if _QUOTED.match(line):
            count += 1
        elif line.strip():
            break
    return count


def _is_header_block(lines: Sequence[str], index: int) -> bool:
    """A "From:" among at least three headers; a lone "From:" is somebody's sentence."""
    if not _OTHER_LINE.match(lines[index]):
        return False
    block = [line for line in lines[index : index + 9] if line.strip()][:6]
    if _FROM_LINE.match(block[0]):
        return sum(1 for line in block[1:] if _OTHER_LINE.match(line)) >= 2
    return len(block) >= 3 and all(map(_OTHER_LINE.match, block[:3])) and any(map(_FROM_LINE.match, block))


def _without_signature(lines: list[str]) -> list[str]:
    """A signature is short, so only the end of the mail is looked at."""
    start, below = len(lines), 0
    while start and below <= _SIGNATURE_LINES:
        start -= 1
        below += bool(lines[start].strip())
    wrote = any(line.strip() for line in lines[:start])
    for index in range(start, len(lines)):
        line = lines[index]
        if wrote and _SENT_FROM.match(line):
            return lines[:index]
        if wrote and _SIGNATURE.match(line) and len(_text_of(lines[index + 1 :])) <= 15:
            return lines[:index]
        if wrote and _LIST_RULE.match(line) and _is_list_footer(_text_of(lines[index + 1 :])):
            return lines[:index]
        wrote = wrote or bool(line.strip())
    return lines


def _is_list_footer(lines: Sequence[str]) -> bool:
    return len(lines) <= 8 and _LIST_FOOTER.search("\n".join(lines)) is not None


def _without_trailing_quote(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (not lines[end - 1].strip() or _QUOTED.match(lines[end - 1])):
        end -= 1
    return lines[:end] if _text_of(lines[:end]) else lines


def _text_of(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]
