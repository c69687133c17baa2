"""What customers, reviewers and operators do with the product, over HTTP and in the terminal."""

from __future__ import annotations

import json

import pytest

from core.ids import new_id
from tests.fixtures_product import KNOWLEDGE, QUESTION, REFUND, First, Product, form

pytestmark = [pytest.mark.slow, pytest.mark.real]


def test_a_question_is_answered_on_its_ticket_page_with_sources(product: Product):
    ticket = product.until_replied(product.submit(subject="Invoice"))
    question, reply = ticket["messages"]
    assert ticket["status"] == "resolved"
    assert (question["author"], question["body"]) == ("customer", QUESTION)
    assert reply["author"] == "assistant"
    assert "invoice" in reply["body"].lower()
    assert reply["sources"]
    assert all(source["title"] and source["url"].startswith("https://") for source in reply["sources"])
    assert set(ticket) == {
        *("ticket_id", "subject", "status", "channel", "category", "priority", "messages"),
        *("created_at", "updated_at", "estimated_response_time"),
    }, "the ticket page shows nothing else"


def test_a_refund_goes_to_a_person_whose_answer_the_customer_reads(product: Product):
    ticket_id = product.submit(REFUND, subject="Charged twice")
    ticket = product.until_replied(ticket_id)
    assert ticket["status"] == "escalated"
    waiting = product.http.get("/reviews", headers=product.as_reviewer).json()["reviews"]
    [review] = [review for review in waiting if review["ticket_id"] == ticket_id]
    assert review["reason"] == "refund_request"
    assert "charged twice" in review["evidence"].lower(), "the words that fired the rule"
    assert REFUND in review["customer_text"]
    assert review["summary"]
    assert review["counterfactual"]

    answer = "We have sent the second payment back to your card; it arrives within five days."
    decision = {"decision": "respond", "version": review["version"], "text": answer}
    path = f"/reviews/{review['id']}/decision"
    assert product.http.post(path, json=decision).status_code == 401, "without a key"
    decided = product.http.post(path, json=decision, headers=product.as_reviewer)
    assert decided.status_code == 202, decided.text
    again = product.http.post(path, json=decision, headers=product.as_reviewer)
    assert again.status_code == 409, "decided once"

    ticket = product.until_replied(ticket_id, replies=2)
    assert ticket["status"] == "resolved"
    assert ticket["messages"][-1]["author"] == "human"
    assert answer in ticket["messages"][-1]["body"]
    assert len(product.replies(ticket_id)) == 2


def test_a_repeated_submission_is_the_same_ticket(product: Product):
    key = str(new_id())
    first = product.submit(key=key)
    assert product.submit(key=key) == first
    other = product.http.post(
        "/support/submit", json=form("Something else entirely."), headers={"Idempotency-Key": key}
    )
    assert other.status_code == 422
    assert "Draw a new one" in other.json()["errors"][0]["message"]
    product.until_replied(first)
    assert len(product.replies(first)) == 1


def test_thanks_need_no_answer(product: Product):
    ticket_id = product.submit("Thank you so much, that solved it!", subject="Thanks")
    product.until_idle()
    assert product.replies(ticket_id) == []
    outcome = product.rows("select outcome, outcome_reason from messages where ticket_id = %s", ticket_id)
    assert outcome[0][0] == "silent"
    assert outcome[0][1]


@pytest.mark.parametrize("channel", ["mail", "whatsapp", "web"])
def test_every_channel_answers_a_simulated_customer(product: Product, channel: str):
    done = product.fte("simulate", channel, "How do I move stock from one location to another?", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert "stock" in answer["text"].lower()
    if channel == "whatsapp":
        assert len(answer["text"]) <= 1600
    if channel == "mail":
        assert answer["subject"].startswith("Re: ")


def test_the_ledger_balances(product: Product):
    product.until_replied(product.submit())
    product.until_idle()
    done = product.fte("ledger", "--json")
    assert done.returncode == 0, done.stderr
    books = json.loads(done.stdout)
    assert books["balanced"]
    assert books["accepted"] == books["answered"] + books["handed_over"] + books["silent"]
    assert books["in_progress"] == books["dead"] == books["failed_deliveries"] == books["dead_letters_open"] == 0


def test_operators_see_the_channels(product: Product):
    product.until_replied(product.submit())
    assert product.http.get("/metrics/channels").status_code == 401
    channels = product.http.get("/metrics/channels", headers=product.as_reviewer).json()["channels"]
    assert set(channels) == {"email", "whatsapp", "web_form"}
    assert channels["web_form"]["messages_out"] >= 1
    health = product.http.get("/health").json()
    assert health["status"] == "ok"
    assert all(channel["configured"] for channel in health["channels"].values())


def test_data_survives_a_restart(first: First, product: Product):
    assert product.ticket(first.ticket["ticket_id"]) == first.ticket
    assert product.articles > 40
    assert len(first.knowledge) > 100
    assert product.rows(KNOWLEDGE) == first.knowledge, "nothing was embedded again"


def test_without_scripts_the_form_is_posted_and_leads_to_a_page(product: Product):
    stored = product.http.post("/support/submit", data=form("How do I add a member to my workspace?"))
    assert stored.status_code == 303
    address = stored.headers["Location"]
    product.until_replied(address.rsplit("/", 1)[1])
    page = product.http.get(address, headers={"Accept": "text/html"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "How do I add a member" in page.text
    typed = "I typed this <b>text</b> carefully"
    refused = product.http.post("/support/submit", data=form(typed, email="nobody"))
    assert refused.status_code == 422
    assert "I typed this &lt;b&gt;text&lt;/b&gt; carefully" in refused.text, "the form keeps what was typed"
