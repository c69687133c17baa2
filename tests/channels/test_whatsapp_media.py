"""Media from Twilio's hosts only, within limits; the credentials go to its API and no further."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from channels.whatsapp import media as module
from channels.whatsapp.media import MediaFetcher
from core.errors import ChannelError
from simulation.serve import serve
from simulation.twilio import TwilioFake

pytestmark = pytest.mark.real
API = "https://api.twilio.com"


@pytest.fixture
async def twilio():
    fake = TwilioFake()
    async with serve(fake.app()) as base:
        yield fake, MediaFetcher(fake.account_sid, fake.auth_token, base_url=base)


async def send(fake: TwilioFake, content_type: str, content: bytes) -> str:
    message = await fake.customer_writes("+15551234567", "See", media=[(content_type, content)])
    media_sid = next(sid for sid in fake.media if sid[2:-2] == message["sid"][2:-2])
    return f"{API}/2010-04-01/Accounts/{fake.account_sid}/Messages/{message['sid']}/Media/{media_sid}"


async def test_a_picture_comes_through_twilios_redirect(twilio):
    fake, fetcher = twilio
    media = await fetcher.fetch(await send(fake, "image/png", b"\x89PNG"))
    assert (media.content_type, media.content) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize(
    ("content_type", "size", "code"), [("text/html", 3, "media_type"), ("image/png", 101, "media_size")]
)
async def test_what_is_too_large_or_of_a_strange_type_is_refused(twilio, monkeypatch, content_type, size, code):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    fake, fetcher = twilio
    with pytest.raises(ChannelError) as error:
        await fetcher.fetch(await send(fake, content_type, b"x" * size))
    assert (error.value.code, error.value.permanent) == (code, True)


async def test_media_that_is_gone_is_gone_and_a_wrong_token_is_not_for_ever(twilio):
    fake, fetcher = twilio
    url = await send(fake, "image/png", b"x")
    fake.auth_token = "rotated"
    with pytest.raises(ChannelError) as error:
        await fetcher.fetch(url)
    assert (error.value.code, error.value.permanent) == ("401", False)
    fake.auth_token = "fake-auth-token"
    fake.media.clear()
    with pytest.raises(ChannelError) as error:
        await fetcher.fetch(url)
    assert (error.value.code, error.value.permanent) == ("404", True)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.twilio.com/x",
        "https://evil.example/x",
        "https://twilio.com.evil.example/x",
        "file:///etc/passwd",
        "",
    ],
)
async def test_another_address_is_not_even_asked(twilio, url):
    with pytest.raises(ChannelError) as error:
        await twilio[1].fetch(url)
    assert error.value.code == "media_host"


async def test_a_redirect_away_from_twilio_is_not_followed_and_a_slow_one_is_left():
    asked = []

    async def away(request):
        return RedirectResponse("http://169.254.169.254/latest/meta-data", 307)

    async def round_and_round(request):
        asked.append(request.headers.get("authorization"))
        return RedirectResponse(str(request.url), 307)

    async def slow(request):
        await asyncio.sleep(5)
        return PlainTextResponse("late")

    routes = [Route("/away", away), Route("/round", round_and_round), Route("/slow", slow)]
    async with serve(Starlette(routes=routes)) as base:
        fetcher = MediaFetcher("AC", "token", base_url=base, timeout_s=0.3)
        for path, code in (("away", "media_host"), ("round", "media_host"), ("slow", "timeout")):
            with pytest.raises(ChannelError) as error:
                await fetcher.fetch(f"{API}/{path}")
            assert error.value.code == code
    assert len(asked) == 3


async def test_the_cdn_gets_no_credentials(monkeypatch):
    seen = []

    async def moved(request):
        return RedirectResponse(f"{base}/cdn", 307)

    async def cdn(request):
        seen.append("authorization" in request.headers)
        return Response(b"x", media_type="image/png")

    async with serve(Starlette(routes=[Route("/api/media", moved), Route("/cdn", cdn)])) as base:
        monkeypatch.setattr(module, "_is_cdn", lambda url: url.startswith(base))
        await MediaFetcher("AC", "token", base_url=f"{base}/api").fetch(f"{API}/media")
    assert seen == [False]
