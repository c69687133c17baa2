from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from core.delivery_status import ORDER, higher, overall

STATUSES = st.sampled_from(ORDER)
REPORTS = st.lists(STATUSES, min_size=1, max_size=8)
PARTS = st.lists(st.one_of(st.none(), STATUSES), min_size=1, max_size=6)


@given(REPORTS, st.randoms())
def test_the_order_and_number_of_reports_do_not_matter(reports, random):
    shuffled = [*reports, *reports]
    random.shuffle(shuffled)
    assert reduce(higher, shuffled) == reduce(higher, reports)


@given(REPORTS)
def test_a_status_never_goes_down(reports):
    current = reports[0]
    for new in reports[1:]:
        following = higher(current, new)
        assert ORDER.index(following) >= ORDER.index(current)
        current = following


def test_a_failure_is_final_unless_the_customer_got_the_message():
    assert higher("failed", "sent") == "failed"
    assert higher("read", "failed") == "read"
    assert higher("failed", "delivered") == "delivered"


@given(PARTS)
def test_a_message_is_where_its_slowest_part_is_and_one_failed_part_fails_it(parts):
    whole = overall(parts)
    if "failed" in parts:
        assert whole == "failed"
    elif None in parts:
        assert whole is None
    else:
        assert whole in parts
        assert all(ORDER.index(whole) <= ORDER.index(part) for part in parts)


@given(PARTS, st.data())
def test_a_report_of_a_part_never_lowers_the_message(parts, data):
    before = overall(parts)
    part = data.draw(st.integers(0, len(parts) - 1))
    parts[part] = new = data.draw(STATUSES) if parts[part] is None else higher(parts[part], data.draw(STATUSES))
    after = overall(parts)
    if before is not None and not (before == "failed" and new in ("delivered", "read")):
        assert after is not None
        assert higher(before, after) == after
