"""What goes wrong at a provider: the two errors, what is repeated, and what a person reads."""

from __future__ import annotations

import asyncio
import json
import socket
import traceback

import pytest
from structlog.testing import capture_logs

from cipher.agent.llm import engine, engines
from cipher.errors import ModelError, ModelRejected, ModelUnavailable
from cipher.testing import HANG_UP, FakeOpenAI, Reply, Thought, raw, refusal, reply
from tests.agent.llm import KEY, Heard, asking, endpoint_model, said

QUESTION = "what nobody else may read"


async def failure_from(*replies: Reply) -> tuple[ModelError, Heard, FakeOpenAI]:
    """How an answer failed, what was heard before, and the endpoint that failed it."""
    heard = Heard()
    async with FakeOpenAI(*replies) as endpoint:
        model = endpoint_model(endpoint.base_url)
        with pytest.raises(ModelError) as caught:
            await heard.listen(model, asking(QUESTION))
        await model.close()
    return caught.value, heard, endpoint


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_not_accepted_is_rejected_and_named(status: int) -> None:
    error, _, endpoint = await failure_from(refusal(status, f"Incorrect API key: {KEY}"))
    assert isinstance(error, ModelRejected)
    assert error.message.startswith("The model's provider does not accept the key")
    assert len(endpoint.requests) == 1


async def test_a_refused_request_is_rejected_in_the_providers_own_words() -> None:
    error, _, endpoint = await failure_from(refusal(404, "The model `x-9` does not exist."))
    assert isinstance(error, ModelRejected)
    assert error.message == (
        "The model's provider refused the request: The model `x-9` does not exist."
    )
    assert len(endpoint.requests) == 1


async def test_a_bad_request_is_repeated_only_without_the_token_count() -> None:
    error, _, endpoint = await failure_from(refusal(400, "context length exceeded"))
    assert isinstance(error, ModelRejected)
    assert "context length exceeded" in error.message
    assert ["stream_options" in request.body for request in endpoint.requests] == [True, False]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"key {KEY} is bad", "key … is bad"),
        ("key sk-proj-abcdefghijkl1234 is bad", "key … is bad"),
        ("Authorization: Bearer abc.def is bad", "Authorization: … is bad"),
        ("see https://example.org/help?k=1 for help", "see … for help"),
        ("no file /srv/models/llama.gguf here", "no file … here"),
        ("two\nlines\x00 and\ttabs", "two lines and tabs"),
        ("meta-llama/Llama-4 is loading", "meta-llama/Llama-4 is loading"),
    ],
)
async def test_a_providers_words_are_shown_without_keys_addresses_and_paths(
    message: str, shown: str
) -> None:
    error, _, _ = await failure_from(refusal(422, message))
    assert error.message == f"The model's provider refused the request: {shown}."


async def test_a_long_refusal_is_shortened() -> None:
    error, _, _ = await failure_from(refusal(400, "too long " * 1000))
    assert len(error.message) < 300
    assert error.message.endswith("….")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"<html><h1>Oops</h1></html>"])
async def test_a_refusal_without_words_says_its_status(body: bytes) -> None:
    error, _, _ = await failure_from(Reply((body,) if body else (), status=418))
    assert error.message == "The model's provider refused the request (HTTP 418)."


async def test_a_provider_that_limits_requests_is_asked_three_times() -> None:
    error, _, endpoint = await failure_from(refusal(429, "slow down", retry_after=0))
    assert isinstance(error, ModelUnavailable)
    assert error.retryable
    assert len(endpoint.requests) == engine.TRIES == 3


async def test_a_wait_of_a_minute_is_left_to_the_person() -> None:
    error, _, endpoint = await failure_from(refusal(429, retry_after=60))
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_ms == 60_000
    assert len(endpoint.requests) == 1


async def test_an_account_without_quota_is_rejected_at_once() -> None:
    error, _, endpoint = await failure_from(refusal(429, code="insufficient_quota"))
    assert isinstance(error, ModelRejected)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 529])
async def test_a_fault_of_the_provider_is_unavailable_after_three_tries(status: int) -> None:
    error, _, endpoint = await failure_from(refusal(status, retry_after=0))
    assert isinstance(error, ModelUnavailable)
    assert len(endpoint.requests) == 3


async def test_a_pause_between_tries_is_our_own_when_the_provider_names_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "FIRST_PAUSE_SECONDS", 0.001)
    error, _, endpoint = await failure_from(refusal(500))
    assert isinstance(error, ModelUnavailable)
    assert len(endpoint.requests) == 3


async def test_an_endpoint_that_is_not_there_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "FIRST_PAUSE_SECONDS", 0.001)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        model = endpoint_model(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ModelUnavailable):
            await Heard().listen(model, asking())
        await model.close()


async def test_a_connection_that_breaks_before_the_first_token_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "FIRST_PAUSE_SECONDS", 0.001)
    async with FakeOpenAI(reply(HANG_UP), reply("Hi")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        assert (await Heard().listen(model, asking())).text == "Hi"
        await model.close()


async def test_an_answer_that_dies_in_the_middle_keeps_what_was_said_and_is_not_repeated() -> None:
    error, heard, endpoint = await failure_from(reply("Half an ans", HANG_UP))
    assert isinstance(error, ModelUnavailable)
    assert heard.text == "Half an ans"
    assert len(endpoint.requests) == 1


async def test_an_answer_that_ends_without_an_end_is_unavailable() -> None:
    error, heard, _ = await failure_from(reply("Half an ans", finish=None, done=False))
    assert isinstance(error, ModelUnavailable)
    assert heard.text == "Half an ans"


@pytest.mark.parametrize(
    "silence",
    [
        reply(),
        reply(finish="length"),
        reply(Thought("Hm.")),
        reply(""),
        raw(),
        raw(b"data: [DONE]\n\n"),
        raw(b": only a comment\n\n"),
    ],
)
async def test_an_answer_without_text_is_unavailable(silence: Reply) -> None:
    error, heard, endpoint = await failure_from(silence)
    assert isinstance(error, ModelUnavailable)
    assert heard.text == ""
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        raw(b"<!doctype html><p>Sign in</p>", content_type="text/html"),
        raw(b'{"choices": "none"}', content_type="application/json"),
        raw(b"data: {not json}\n\n"),
        raw(b'data: {"choices": 5}\n\n'),
        raw(b"data: [1, 2]\n\n"),
        raw(b'data: "\\ud83d"\n\n'),
        raw(b"\xff\xfe\x00\x01" * 100),
        raw(b"data: " + b"x" * 1_000_000, *[b"x" * 1_000_000] * 4),
    ],
)
async def test_garbage_is_unavailable(garbage: Reply) -> None:
    error, heard, _ = await failure_from(garbage)
    assert isinstance(error, ModelUnavailable)
    assert heard.text == ""


async def test_garbage_after_some_text_keeps_the_text() -> None:
    error, heard, _ = await failure_from(reply("Half ", b"data: {]\n\n", "more"))
    assert isinstance(error, ModelUnavailable)
    assert heard.text == "Half "


async def test_a_withheld_answer_is_rejected() -> None:
    error, _, _ = await failure_from(reply("I will", finish="content_filter"))
    assert isinstance(error, ModelRejected)


@pytest.mark.parametrize(
    ("sent", "kind", "tries"),
    [
        ({"message": "overloaded", "code": 503}, ModelUnavailable, 3),
        ({"message": "bad request", "code": 400}, ModelRejected, 1),
        ({"message": "no idea"}, ModelUnavailable, 1),
        ("no idea", ModelUnavailable, 1),
    ],
)
async def test_an_error_inside_the_stream_counts_like_one_before_it(
    sent: object, kind: type[ModelError], tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "FIRST_PAUSE_SECONDS", 0.001)
    event = b"data: " + json.dumps({"error": sent}).encode() + b"\n\n"
    error, _, endpoint = await failure_from(raw(event))
    assert isinstance(error, kind)
    assert len(endpoint.requests) == tries


async def test_an_answer_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STALL_SECONDS", 0.05)
    gate = asyncio.Event()
    error, heard, endpoint = await failure_from(reply("Half", gate))
    gate.set()
    assert isinstance(error, ModelUnavailable)
    assert "in time" in error.message
    assert heard.text == "Half"
    assert len(endpoint.requests) == 1


async def test_neither_log_nor_error_carries_what_was_said_or_the_key() -> None:
    with capture_logs() as lines:
        error, _, _ = await failure_from(
            refusal(500, f"failed on {QUESTION} with {KEY}", retry_after=0)
        )
    assert len(lines) == 3
    told = str(lines) + "".join(traceback.format_exception(error))
    assert QUESTION not in told
    assert KEY not in told


async def test_a_model_that_failed_answers_the_next_question() -> None:
    async with FakeOpenAI(reply("Half", HANG_UP), refusal(401), reply("Whole")) as endpoint:
        model = endpoint_model(endpoint.base_url)
        for _ in range(2):
            with pytest.raises(ModelError):
                await Heard().listen(model, asking())
        history = [*asking(), said("assistant", "Half", status="failed"), *asking("Again?")]
        assert (await Heard().listen(model, history)).text == "Whole"
        await model.close()
