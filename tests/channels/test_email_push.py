import base64
import json

import pytest

from channels.email.push import PushConfig, PushVerifier, SigningKeys, decode_push
from core.errors import InvalidInbound
from simulation.gmail import GmailFake
from simulation.serve import serve


def wrapped(data: object, **changes) -> dict:
    inner = base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")
    return {"message": {"data": inner, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"} | changes


@pytest.mark.parametrize("history_id", [12345, "12345"])
def test_a_push_names_mailbox_and_history(history_id):
    push = decode_push(wrapped({"emailAddress": "Support@Acme.example", "historyId": history_id}))
    assert (push.mailbox, push.history_id, push.message_id) == ("support@acme.example", 12345, "1")
    assert decode_push(json.dumps(GmailFake().push_body(7)).encode()).history_id == 7


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"message": 1}', {"message": {"data": "!!", "messageId": "1"}, "subscription": "s"},
        wrapped([1]), wrapped({"emailAddress": "a"}), wrapped({"emailAddress": "a", "historyId": True}),
        wrapped({"emailAddress": "a", "historyId": "-1"}), wrapped({"emailAddress": 1, "historyId": 1}),
        wrapped({"emailAddress": "a", "historyId": 1}, subscription=None),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_shape_that_was_expected(body):
    with pytest.raises(InvalidInbound, match=r"is \{"):
        decode_push(body)


@pytest.mark.real
async def test_only_a_token_of_our_service_account_for_us_is_believed():
    fake = GmailFake()
    login = fake.login
    async with serve(fake.app()) as base:
        verifier = PushVerifier(PushConfig(login.audience, login.service_account, f"{base}/oauth2/v3/certs"))
        assert await verifier.refuse(login.push_token()) is None
        assert await verifier.refuse(login.push_token(iss="accounts.google.com")) is None
        for wrong in ({"aud": "x"}, {"iss": "evil"}, {"exp": 1}, {"email_verified": None, "email": None}):
            assert await verifier.refuse(login.push_token(**wrong)) is not None, wrong
        assert await verifier.refuse(login.push_token(email="other@x.example")) == "wrong_account"
        assert await verifier.refuse(login.push_token(email_verified=False)) == "wrong_account"
        assert await verifier.refuse("") == "missing"
        assert await verifier.refuse("a.b.c") == "invalid_token"
        assert login.key_fetches == 1
        stranger = GmailFake().login.push_token()
        for _ in range(20):
            assert await verifier.refuse(stranger) == "unknown_key"
        assert login.key_fetches == 1


@pytest.mark.real
async def test_new_keys_are_found_and_old_ones_outlive_a_failed_fetch():
    fake, now = GmailFake(), [0.0]
    async with serve(fake.app()) as base:
        keys = SigningKeys(f"{base}/oauth2/v3/certs", lifespan_s=100, refresh_gap_s=10, now=lambda: now[0])
        verifier = PushVerifier(PushConfig(fake.login.audience, fake.login.service_account), keys)
        token = fake.login.push_token()
        assert await verifier.refuse(token) is None
        fake.login.rotate_key()
        assert await verifier.refuse(fake.login.push_token()) == "unknown_key"
        now[0] = 11
        assert await verifier.refuse(fake.login.push_token()) is None
        fake.faults.add("/oauth2/v3/certs", "5xx", times=9)
        now[0] = 500
        assert await verifier.refuse(token) is None


@pytest.mark.real
async def test_without_any_key_the_reason_says_so():
    verifier = PushVerifier(PushConfig("a", "s", "http://127.0.0.1:9/none"))
    assert await verifier.refuse(GmailFake().login.push_token()) == "keys_unavailable"
