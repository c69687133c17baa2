from uuid import uuid4

import pytest

from channels.whatsapp.status import our_status, read_status
from core.errors import InvalidInbound


def test_a_report_knows_its_delivery_and_why_it_failed():
    delivery = uuid4()
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "63016", "ErrorMessage": "Outside"}
    report = read_status(form, {"oid": str(delivery), "part": "1"})
    assert (report.delivery_id, report.part, report.status, report.error_code) == (delivery, 1, "failed", "63016")
    assert report.source_key == "SM1:undelivered:63016"


def test_an_orphan_report_is_read_and_a_broken_one_is_refused():
    assert read_status({"MessageSid": "SM1", "MessageStatus": "READ"}, {"oid": "x", "part": "-1"}).delivery_id is None
    for form in ({"MessageStatus": "sent"}, {"MessageSid": "SM1", "MessageStatus": "lost"}):
        with pytest.raises(InvalidInbound):
            read_status(form, {})


def test_twilios_words_are_ours_and_a_word_about_a_customers_message_is_none_of_them():
    assert [our_status(word) for word in ("accepted", "undelivered", "READ")] == ["queued", "failed", "read"]
    assert our_status("received") is None
