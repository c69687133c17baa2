"""Plain HTML pages, without JavaScript: what answers where the web form is not built, or the browser runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from api.problems import ApiProblem
from core.profile import CompanyProfile
from core.vocabulary import CATEGORIES, PRIORITIES, Author, Priority, TicketStatus
from crm.views import PublicMessage, TicketPage

STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--line:#c9d1db;--paper:#fff;--ground:#f4f6f9;
--mark:#1d5fd1;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#a5b0be;--line:#414c5a;--paper:#1b222c;
--ground:#12171e;--mark:#8ab4ff;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:42rem;margin:2rem auto;padding:1.5rem;background:var(--paper);border:1px solid var(--line);
border-radius:12px}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}p{margin:.5rem 0}a{color:var(--mark)}
label{display:block;font-weight:600;margin:1rem 0 .25rem}
input,select,textarea{width:100%;padding:.6rem;font:inherit;color:inherit;background:var(--paper);
border:1px solid var(--soft);border-radius:8px}
textarea{min-height:10rem}[aria-invalid=true]{border-color:var(--bad)}
button{margin-top:1.25rem;padding:.7rem 1.4rem;font:inherit;font-weight:600;color:var(--paper);
background:var(--mark);border:0;border-radius:8px}
:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
.alert{border-left:4px solid var(--bad);padding:.25rem 1rem;margin:1rem 0}.wrong{color:var(--bad);margin:.25rem 0 0}
.soft{color:var(--soft)}.trap{position:absolute;left:-999rem}.text{white-space:pre-wrap;overflow-wrap:anywhere}
article{border-top:1px solid var(--line);padding:1rem 0}
""".strip()

_LABELS = {"name": "Your name", "email": "Your email address", "subject": "Subject", "message": "Your message"}
_AUTHORS: dict[Author, str] = {"customer": "You", "assistant": "Assistant", "human": "Our team", "system": "Note"}
_STATUS: dict[TicketStatus, str] = {
    "open": "We have your message and are about to answer.",
    "processing": "We are working on the answer.",
    "escalated": "A person has taken over and will answer.",
    "resolved": "Answered.",
    "closed": "Closed.",
}
_REFRESH = '<meta http-equiv="refresh" content="4">'


def form_page(
    profile: CompanyProfile,
    *,
    key: str,
    typed: Mapping[str, Any] | None = None,
    problem: ApiProblem | None = None,
) -> str:
    """The support form; after a refusal with what was typed and what is wrong. `key` makes a double click one."""
    wrong = {error.field: error.message for error in problem.errors} if problem else {}
    values = {name: str(value) for name, value in (typed or {}).items()}
    fields = "".join(
        [
            _input("name", values, wrong, 'autocomplete="name" maxlength="120"'),
            _input("email", values, wrong, 'type="email" autocomplete="email" maxlength="254"'),
            _input("subject", values, wrong, 'minlength="3" maxlength="200"'),
            _select("category", CATEGORIES, values.get("category", "general")),
            _select("priority", PRIORITIES, values.get("priority", "medium")),
            _textarea(values, wrong),
        ]
    )
    body = f"""<h1>How can we help?</h1>
<p class="soft">Ask us about {escape(profile.product)}. You get a ticket page where the answer appears.</p>
{_alert(problem)}<form method="post" action="/support/submit">{fields}
<p class="trap" aria-hidden="true"><label for="website">Leave this empty</label>
<input id="website" name="website" tabindex="-1" autocomplete="off"></p>
<input type="hidden" name="idempotency_key" value="{escape(key)}"><button>Send</button></form>"""
    return _document(profile, "Contact support", body)


def expected_answer(profile: CompanyProfile, priority: Priority, status: TicketStatus = "open") -> str:
    """When to look again, as a phrase: the assistant is quick, a person keeps the company's hours."""
    person = profile.response_times[priority]
    return person if status == "escalated" else f"usually within a minute; if a person is needed, {person}"


def ticket_page(profile: CompanyProfile, page: TicketPage) -> str:
    """The public messages of a ticket; loads itself again while an answer is on its way."""
    ticket = page.ticket
    waiting = ticket.status in ("open", "processing")
    waits = waiting or ticket.status == "escalated"
    note = f"Expected: {expected_answer(profile, ticket.priority, ticket.status)}." if waits else ""
    body = f"""<h1>{escape(ticket.subject or "Your ticket")}</h1>
<p role="status"><strong>{_STATUS[ticket.status]}</strong> {escape(note)}</p>
<p class="soft">Ticket {escape(ticket.ticket_id)}. Keep this address: it is the only key to this page.</p>
{"".join(_message(message) for message in page.messages)}<p><a href="/">Ask something else</a></p>"""
    return _document(profile, "Your ticket", body, head=_REFRESH if waiting else "")


def message_page(profile: CompanyProfile, title: str, detail: str) -> str:
    """One sentence for a browser, and the way back."""
    body = f'<h1>{escape(title)}</h1><p>{escape(detail)}</p><p><a href="/">Contact support</a></p>'
    return _document(profile, title, body)


def _document(profile: CompanyProfile, title: str, body: str, head: str = "") -> str:
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">{head}
<title>{escape(title)} - {escape(profile.name)}</title><style>{STYLE}</style></head><body><main>
{body}
</main></body></html>"""


def _alert(problem: ApiProblem | None) -> str:
    if problem is None:
        return ""
    shown = {"website", "Idempotency-Key"}
    others = "".join(f"<li>{escape(e.message)}</li>" for e in problem.errors if e.field in shown)
    return f"""<div class="alert" role="alert"><p><strong>Your message was not sent.</strong> {escape(problem.detail)}
Your text is still here.</p><ul>{_links(problem)}{others}</ul></div>"""


def _links(problem: ApiProblem) -> str:
    wrong = [error for error in problem.errors if error.field in (*_LABELS, "category", "priority")]
    return "".join(f'<li><a href="#{e.field}">{escape(e.field)}</a>: {escape(e.message)}</li>' for e in wrong)


def _input(name: str, values: Mapping[str, str], wrong: Mapping[str, str], attributes: str) -> str:
    value = escape(values.get(name, ""))
    return f"""<label for="{name}">{_LABELS[name]}</label>
<input id="{name}" name="{name}" value="{value}" required {attributes}{_invalid(name, wrong)}>{_wrong(name, wrong)}"""


def _textarea(values: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    limits = 'minlength="10" maxlength="5000" required'
    return f"""<label for="message">{_LABELS["message"]}</label>
<textarea id="message" name="message" {limits}{_invalid("message", wrong)}>
{escape(values.get("message", ""))}</textarea>{_wrong("message", wrong)}"""


def _select(name: str, choices: Sequence[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{choice}"{" selected" if choice == chosen else ""}>{_words(choice)}</option>'
        for choice in choices
    )
    return f'<label for="{name}">{_words(name)}</label><select id="{name}" name="{name}">{options}</select>'


def _invalid(name: str, wrong: Mapping[str, str]) -> str:
    return f' aria-invalid="true" aria-describedby="{name}-wrong"' if name in wrong else ""


def _wrong(name: str, wrong: Mapping[str, str]) -> str:
    return f'<p class="wrong" id="{name}-wrong">{escape(wrong[name])}</p>' if name in wrong else ""


def _message(message: PublicMessage) -> str:
    at = message.created_at
    sources = "".join(f"<li>{_source(s['title'], s['url'])}</li>" for s in message.sources)
    return f"""<article><p><strong>{_AUTHORS[message.author]}</strong>
<time class="soft" datetime="{at.isoformat()}">{at:%d %b %Y, %H:%M} UTC</time></p>
<p class="text">{escape(message.body)}</p>{f"<p>Sources</p><ul>{sources}</ul>" if sources else ""}</article>"""


def _source(title: str, url: str | None) -> str:
    """A link only where it leads to the web: `javascript:` in a document stays words."""
    if url and url.startswith(("https://", "http://")):
        return f'<a href="{escape(url)}">{escape(title)}</a>'
    return escape(title)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
