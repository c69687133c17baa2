"""The fakes as the outside world behaves: signed webhooks, pushes that come again, faults on demand."""

import asyncio
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.email.push import PushConfig, PushVerifier, decode_push
from channels.whatsapp.signature import SignatureSecrets, refuse
from simulation.gmail import GmailFake
from simulation.serve import serve
from simulation.twilio import TwilioFake

pytestmark = pytest.mark.real


class Receiver:
    """A webhook that keeps what it got and answers with the statuses it was told, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[str, bytes, dict[str, str]]] = []
        self.statuses = list(statuses)

    def app(self) -> Starlette:
        async def take(request: Request) -> Response:
            self.got.append((str(request.url), await request.body(), dict(request.headers)))
            return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

        return Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])

    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, body, _ in self.got]


async def create(base: str, fake: TwilioFake, **form: str) -> httpx.Response:
    async with httpx.AsyncClient(auth=(fake.account_sid, fake.auth_token)) as client:
        data = {"To": "whatsapp:+15551234567", "From": fake.number, "Body": "Hi"} | form
        return await client.post(f"{base}/2010-04-01/Accounts/{fake.account_sid}/Messages.json", data=data)


async def test_a_whatsapp_customers_message_comes_signed():
    receiver, fake = Receiver(), TwilioFake()
    async with serve(receiver.app()) as hook, serve(fake.app()) as base:
        fake.webhook_url = f"{hook}/webhooks/whatsapp"
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{base}/_inbound", json={"from": "+15551234567", "body": "Hello ", "profile_name": "Sam"}
            )
        assert answer.json()["status"] == 200
        [(url, body, headers)] = receiver.got
        params = parse_qsl(body.decode(), keep_blank_values=True)
        assert (
            refuse(
                SignatureSecrets((fake.auth_token,)), url, params, {"X-Twilio-Signature": headers["x-twilio-signature"]}
            )
            is None
        )
        form = dict(params)
        assert (form["Body"], form["From"], form["ProfileName"]) == ("Hello ", "whatsapp:+15551234567", "Sam")


async def test_status_callbacks_come_in_order_twice_or_turned_round():
    receiver, fake = Receiver(), TwilioFake()
    async with serve(receiver.app()) as hook, serve(fake.app()) as base:
        await create(base, fake, StatusCallback=f"{hook}/ok?oid=1")
        fake.faults.add("/twice", "duplicate")
        await create(base, fake, StatusCallback=f"{hook}/twice")
        fake.faults.add("/turned", "reorder")
        await create(base, fake, StatusCallback=f"{hook}/turned")
        fake.faults.add("/lost", "drop", times=9)
        await create(base, fake, StatusCallback=f"{hook}/lost")
        await fake.notifier.settle()
        seen = {path: [] for path in ("ok", "twice", "turned", "lost")}
        for (url, _, _), form in zip(receiver.got, receiver.forms(), strict=True):
            seen[url.split("/")[3].split("?")[0]].append(form["MessageStatus"])
    assert seen["ok"] == ["sent", "delivered"]
    assert sorted(seen["twice"]) == ["delivered", "sent", "sent"]
    assert seen["turned"] == ["delivered", "sent"]
    assert seen["lost"] == []


async def test_outside_the_window_the_failure_comes_by_callback():
    receiver, fake = Receiver(), TwilioFake()
    async with serve(receiver.app()) as hook, serve(fake.app()) as base:
        async with httpx.AsyncClient() as client:
            state = {"address": "whatsapp:+15551234567", "outside_window": True}
            await client.post(f"{base}/_recipients", json=state)
        answer = await create(base, fake, StatusCallback=f"{hook}/s")
        assert answer.status_code == 201
        await fake.notifier.settle()
    assert [(f["MessageStatus"], f["ErrorCode"]) for f in receiver.forms()] == [("failed", "63016")]


async def test_twilio_wants_credentials_and_lists_in_pages_newest_first():
    fake = TwilioFake()
    async with serve(fake.app()) as base:
        for n in range(3):
            await create(base, fake, Body=str(n))
        url = f"{base}/2010-04-01/Accounts/{fake.account_sid}/Messages.json"
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).json()["code"] == 20003
        async with httpx.AsyncClient(auth=(fake.account_sid, fake.auth_token), base_url=base) as client:
            page = (await client.get(url, params={"PageSize": "2"})).json()
            assert [m["body"] for m in page["messages"]] == ["2", "1"]
            rest = (await client.get(page["next_page_uri"])).json()
            assert ([m["body"] for m in rest["messages"]], rest["next_page_uri"]) == (["0"], None)
            assert len((await client.get("/_sent")).json()) == 3


async def test_a_push_comes_again_until_it_is_accepted():
    receiver, fake = Receiver(503, 401), GmailFake()
    async with serve(receiver.app()) as hook, serve(fake.app()) as base:
        fake.push_url = f"{hook}/webhooks/gmail"
        async with httpx.AsyncClient() as client:
            mail = {"from": "sam@example.org", "subject": "Hi", "text": "Hello"}
            assert (await client.post(f"{base}/_inbound", json=mail)).json()["message_id"].startswith("<")
        await fake.notifier.settle()
        assert len(receiver.got) == 3
        verifier = PushVerifier(PushConfig(fake.login.audience, fake.login.service_account, f"{base}/oauth2/v3/certs"))
        _, body, headers = receiver.got[-1]
        assert await verifier.refuse(headers["authorization"].removeprefix("Bearer ")) is None
        assert decode_push(body).history_id == fake.mailbox.history_id


async def test_faults_are_switched_over_http_and_used_up():
    fake = TwilioFake()
    async with serve(fake.app()) as base, httpx.AsyncClient() as client:
        assert (await client.post(f"{base}/_faults", json={"path": "*", "mode": "magic"})).status_code == 422
        await client.post(f"{base}/_faults", json={"path": "*/Messages.json", "mode": "5xx", "times": 2})
        assert [(await create(base, fake)).status_code for _ in range(3)] == [503, 503, 201]
        await client.post(f"{base}/_faults", json={"path": "*", "mode": "429", "seconds": 3})
        limited = await create(base, fake)
        assert (limited.status_code, limited.headers["retry-after"], limited.json()["code"]) == (429, "3", 20429)
        await client.post(f"{base}/_faults", json={"path": "*", "mode": "error", "code": 63016})
        assert (await create(base, fake)).json()["code"] == 63016
        await client.post(f"{base}/_faults", json={"path": "*", "mode": "drop"})
        with pytest.raises(httpx.HTTPError):
            await create(base, fake)
        assert len(fake.sent) == 1
        await client.post(f"{base}/_faults", json={"path": "*", "mode": "timeout_after_accept", "seconds": 0.05})
        with pytest.raises(httpx.HTTPError):
            await create(base, fake)
        assert len(fake.sent) == 2
        assert (await client.get(f"{base}/_faults")).json() == []


async def test_two_fakes_live_side_by_side_and_end():
    async with serve(TwilioFake().app()) as one, serve(GmailFake().app()) as two:
        assert one != two
    with pytest.raises(httpx.HTTPError):
        async with httpx.AsyncClient() as client:
            await client.get(one)
    await asyncio.sleep(0)
