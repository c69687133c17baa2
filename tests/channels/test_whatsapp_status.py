from functools import reduce
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.whatsapp.status import RANK, higher, read_status
from core.errors import InvalidInbound

REPORTS = st.lists(st.sampled_from(sorted(RANK)), min_size=1, max_size=8)


@given(REPORTS, st.randoms())
def test_the_order_and_number_of_reports_do_not_matter(reports, random):
    shuffled = [*reports, *reports]
    random.shuffle(shuffled)
    assert RANK[reduce(higher, shuffled)] == RANK[reduce(higher, reports)]


@given(REPORTS)
def test_a_status_never_goes_down(reports):
    current = reports[0]
    for new in reports[1:]:
        following = higher(current, new)
        assert RANK[following] >= RANK[current]
        current = following


def test_a_failure_is_final_unless_the_customer_got_the_message():
    assert higher("failed", "sent") == "failed"
    assert higher("read", "undelivered") == "read"
    assert higher("undelivered", "delivered") == "delivered"


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
