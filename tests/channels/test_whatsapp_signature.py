import json
from pathlib import Path

import pytest
from twilio.request_validator import RequestValidator

from channels.whatsapp.signature import SETTINGS_HEADER, SIGNATURE_HEADER, SignatureSecrets, public_url, refuse

VECTORS = Path(__file__).parents[3] / "shared/data/api_shapes/common/twilio_signature_vectors.jsonl"
URL = "https://support.example/webhooks/whatsapp?x=1"
PARAMS = [("Body", "  hello "), ("Empty", ""), ("Tag", "b"), ("Tag", "a"), ("Tag", "a")]
AS_SENT = {"Body": "  hello ", "Empty": ""}


class Multi(dict):
    def getlist(self, name):
        return self[name]


def sign(token: str, params=PARAMS, url: str = URL, algorithm: str | None = None) -> str:
    values: dict[str, list[str]] = {}
    for name, value in params:
        values.setdefault(name, []).append(value)
    return RequestValidator(token).compute_signature(url, Multi(values), algorithm)


@pytest.mark.skipif(not VECTORS.exists(), reason="the Twilio signature vectors are not on this machine")
def test_every_published_vector_is_judged_as_published():
    for row in map(json.loads, VECTORS.read_text().splitlines()):
        body = row["body"].encode() if isinstance(row["body"], str) else None
        params = [tuple(pair) for pair in row["params"] or []]
        verdict = refuse(
            SignatureSecrets((row["auth_token"],)), row["url"], params, {SIGNATURE_HEADER: row["signature"]}, body
        )
        assert (verdict is None) == row["valid"], row["id"]


def test_doubles_blanks_and_whitespace_are_signed_as_they_came():
    secrets = SignatureSecrets(("t",))
    headers = {SIGNATURE_HEADER: sign("t")}
    assert refuse(secrets, URL, PARAMS, headers) is None
    assert refuse(secrets, URL, [(k, v.strip()) for k, v in PARAMS], headers) == "mismatch"
    assert refuse(secrets, URL, [p for p in PARAMS if p[1]], headers) == "mismatch"


def test_both_tokens_hold_during_a_rotation_and_no_other():
    headers = {SIGNATURE_HEADER: sign("old")}
    assert refuse(SignatureSecrets(("new", "old")), URL, PARAMS, headers) is None
    assert refuse(SignatureSecrets(("new",)), URL, PARAMS, headers) == "mismatch"


def test_a_shared_key_signs_with_sha256_and_only_its_own_secret_counts():
    secrets = SignatureSecrets(("t",), {"webhooks_sharedkey_1": "s"})
    settings = {SETTINGS_HEADER: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    assert refuse(secrets, URL, PARAMS, {SIGNATURE_HEADER: sign("s", algorithm="HMAC_SHA256"), **settings}) is None
    assert (
        refuse(secrets, URL, PARAMS, {SIGNATURE_HEADER: sign("t", algorithm="HMAC_SHA256"), **settings}) == "mismatch"
    )
    assert refuse(secrets, URL, PARAMS, {SIGNATURE_HEADER: sign("s"), **settings}) == "mismatch"


def test_a_missing_or_unknown_or_strange_signature_has_its_own_reason():
    secrets = SignatureSecrets(("t",))
    assert refuse(secrets, URL, PARAMS, {}) == "missing"
    assert (
        refuse(secrets, URL, PARAMS, {SIGNATURE_HEADER: "x", SETTINGS_HEADER: "algorithm=MD5"})
        == "unsupported_algorithm"
    )
    assert refuse(secrets, URL, [("Body", "\ud800")], {SIGNATURE_HEADER: "é"}) == "mismatch"
    assert refuse(secrets, URL + "&bodySHA256=00", [], {SIGNATURE_HEADER: "x"}, b"{}") == "wrong_body_hash"


def test_the_public_url_is_ours_whatever_a_proxy_says():
    assert (
        public_url("https://a.example/", "/webhooks/whatsapp", "oid=1") == "https://a.example/webhooks/whatsapp?oid=1"
    )
    assert public_url("https://a.example", "/w") == "https://a.example/w"
