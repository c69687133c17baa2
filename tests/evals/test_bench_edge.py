"""`fte bench --edge`: the two doors are real, and each webhook that is sent is one that Twilio could have sent."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from channels.whatsapp.signature import SignatureSecrets, refuse
from cli.bench_doors import AUTH_TOKEN, two_doors
from crm.pool import Pool, transaction
from evals.bench_edge import PATH, PUBLIC_URL, EdgeReport, Sample, measure_edge, webhook


def test_a_webhook_carries_a_true_signature() -> None:
    head, body = webhook("secret", 7).split(b"\r\n\r\n")
    headers = dict(line.split(": ") for line in head.decode().split("\r\n")[1:])
    params = parse_qsl(body.decode(), keep_blank_values=True)
    assert refuse(SignatureSecrets(("secret",)), PUBLIC_URL + PATH, params, headers) is None


def test_the_rate_is_the_median_of_the_rounds_side_by_side() -> None:
    report = EdgeReport(
        ours=(Sample(80, 1.0), Sample(300, None), Sample(90, 3.0)),
        bare=(Sample(100, 0.5), Sample(100, None), Sample(100, 0.5)),
    )
    assert report.rate == 0.9
    figures = report.as_dict()
    assert (figures["ours_per_s"], figures["ours_per_s_low"], figures["ours_per_s_high"]) == (90, 80, 300)
    assert figures["ours_cpu_ms"] == 2.0


@pytest.mark.slow
@pytest.mark.real
async def test_both_doors_accept_what_is_measured(pool: Pool, db: str) -> None:
    with two_doors(db) as (ours, bare):
        report = await measure_edge(ours, bare, AUTH_TOKEN, rounds=1, requests=40)
    assert len(report.ours) == len(report.bare) == 1
    async with transaction(pool) as conn:
        for table in ("inbound_events", "outbox", "bare_edge"):
            row = await (await conn.execute(f"select count(*) from {table}".encode())).fetchone()
            assert row == (80,), table
