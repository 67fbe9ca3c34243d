"""Which model the settings mean, and how wrong ones are refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cipher.agent.llm import choose_model
from cipher.errors import SettingsError
from cipher.testing import FakeOpenAI
from tests.agent.llm import Heard, answer, asking, settings

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("model", "environ", "shown"),
    [
        ("openai:gpt-6.1-terra", {"OPENAI_API_KEY": "k"}, ("openai:gpt-6.1-terra", "openai")),
        ("anthropic:claude-x", {"ANTHROPIC_API_KEY": "k"}, ("anthropic:claude-x", "anthropic")),
        ("google:gemini-x", {"GEMINI_API_KEY": "k"}, ("google:gemini-x", "google")),
        ("ollama:llama3.2:3b", {}, ("ollama:llama3.2:3b", "ollama")),
        ("demo", {"OPENAI_API_KEY": "k"}, ("demo", "demo")),
        ("", {"ANTHROPIC_API_KEY": "k"}, ("anthropic:claude-sonnet-5-5", "anthropic")),
        ("", {"GOOGLE_API_KEY": "k"}, ("google:gemini-3.8-flash", "google")),
        (
            "",
            {"GOOGLE_API_KEY": "k", "OPENAI_API_KEY": "k"},
            ("openai:gpt-6.1-terra", "openai"),
        ),
        ("", {"OPENAI_API_KEY": " "}, ("demo", "demo")),
    ],
)
def test_a_model_is_chosen_by_name_or_by_the_key_that_is_set(
    model: str, environ: dict[str, str], shown: tuple[str, str]
) -> None:
    info = choose_model(settings(llm_model=model), environ=environ).info
    assert (info.id, info.provider) == shown
    assert info.demo is (shown[0] == "demo")


def test_a_bare_name_is_a_model_of_the_endpoint_even_with_a_colon() -> None:
    info = choose_model(
        settings(llm_model="llama3.2:3b", llm_base_url="http://localhost:8080"), environ={}
    ).info
    assert (info.id, info.provider, info.demo) == ("llama3.2:3b", "endpoint", False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"llm_model": "gpt-6.1-terra"}, ["LLM_MODEL='gpt-6.1-terra'", "openai:", "LLM_BASE_URL"]),
        ({"llm_model": "mistral:large"}, ["LLM_MODEL='mistral:large'", "ollama:"]),
        ({"llm_model": "openai:"}, ["LLM_MODEL='openai:'", "openai:gpt-6.1-terra"]),
        ({"llm_model": "openai:gpt-x"}, ["LLM_MODEL", "LLM_API_KEY", "OPENAI_API_KEY"]),
        ({"llm_model": "anthropic:x"}, ["LLM_MODEL", "LLM_API_KEY", "ANTHROPIC_API_KEY"]),
        ({"llm_model": "google:x"}, ["LLM_MODEL", "GOOGLE_API_KEY", "GEMINI_API_KEY"]),
        ({"llm_base_url": "http://localhost:8080"}, ["LLM_BASE_URL", "LLM_MODEL"]),
        ({"llm_api_key": "k"}, ["LLM_API_KEY", "LLM_MODEL"]),
        ({"llm_model": "x", "llm_base_url": "localhost:8080"}, ["LLM_BASE_URL", "http://"]),
        ({"llm_model": "x", "llm_base_url": "ftp://host"}, ["LLM_BASE_URL"]),
        ({"llm_model": "x", "llm_base_url": "http://host:99999"}, ["LLM_BASE_URL"]),
        ({"llm_model": "openai:x", "llm_api_key": "a b"}, ["LLM_API_KEY"]),
        ({"llm_model": "openai:x", "llm_api_key": "schlüssel"}, ["LLM_API_KEY"]),
        (
            {"llm_model": "anthropic:x", "llm_base_url": "http://localhost:8080"},
            ["LLM_MODEL", "LLM_API_KEY"],
        ),
    ],
)
def test_settings_that_can_not_work_are_refused_by_name(
    given: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_model(settings(**given), environ={})
    assert all(words in caught.value.message for words in named)


@pytest.mark.parametrize("key", ["sk-secret key", "sk-secret\x00"])
def test_a_refusal_does_not_show_the_key(key: str) -> None:
    for given, environ in (
        ({"llm_api_key": key, "llm_model": "openai:x"}, {}),
        ({"llm_model": "openai:x"}, {"OPENAI_API_KEY": key}),
    ):
        with pytest.raises(SettingsError) as caught:
            choose_model(settings(**given), environ=environ)
        assert "secret" not in caught.value.message


async def test_a_providers_own_key_is_not_sent_to_another_endpoint() -> None:
    async with FakeOpenAI() as endpoint:
        chosen = settings(llm_model="openai:gpt-x", llm_base_url=endpoint.base_url)
        await answer(choose_model(chosen, environ={"OPENAI_API_KEY": "sk-openai"}))
    assert "authorization" not in endpoint.requests[0].headers
    assert endpoint.requests[0].body["model"] == "gpt-x"


def test_a_providers_key_may_stand_in_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert choose_model(settings()).info.id == "demo"
    (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=sk-from-file\n")
    assert choose_model(settings()).info.provider == "anthropic"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    assert choose_model(settings()).info.provider == "openai"


async def test_with_nothing_set_a_local_ollama_answers() -> None:
    async with FakeOpenAI(models=("nomic-embed-text", "qwen4:8b", "llama3.2:3b")) as ollama:
        model = choose_model(settings(), environ={}, ollama_url=ollama.base_url)
        assert model.info.id == "demo"
        await model.warm()
        assert (model.info.id, model.info.provider) == ("ollama:qwen4:8b", "ollama")
        assert (await answer(model)).text == "Hello."
    assert ollama.requests[0].body["model"] == "qwen4:8b"


@pytest.mark.parametrize("models", [(), ("nomic-embed-text",)])
async def test_an_ollama_without_a_chat_model_leaves_the_demonstration(
    models: tuple[str, ...],
) -> None:
    async with FakeOpenAI(models=models) as ollama:
        model = choose_model(settings(), environ={}, ollama_url=ollama.base_url)
        await model.warm()
        assert model.info.demo
        await model.close()


async def test_without_ollama_the_demonstration_stays() -> None:
    model = choose_model(settings(), environ={}, ollama_url=NOWHERE)
    await asyncio.gather(model.warm(), model.warm())
    assert model.info.demo
    assert model.info.notice is not None
    assert "LLM_MODEL" in model.info.notice
    await model.close()


async def test_an_ollama_that_does_not_answer_is_not_waited_for() -> None:
    held: list[asyncio.StreamWriter] = []

    def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    model = choose_model(settings(), environ={}, ollama_url=f"http://127.0.0.1:{port}/v1")
    async with asyncio.timeout(20):
        await model.warm()
    assert model.info.demo
    await model.close()
    for writer in held:
        writer.close()
    server.close()


async def test_garbage_from_something_else_on_ollamas_port_leaves_the_demonstration() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\x00 220 smtp ready\r\n\r\n[1, 2")
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    model = choose_model(settings(), environ={}, ollama_url=f"http://127.0.0.1:{port}/v1")
    await model.warm()
    assert model.info.demo
    await model.close()
    server.close()


async def test_a_model_that_was_never_used_can_be_closed() -> None:
    for name in ("demo", "openai:x", ""):
        await choose_model(settings(llm_model=name), environ={"OPENAI_API_KEY": "k"}).close()
    await choose_model(settings(), environ={}, ollama_url=NOWHERE).close()


async def test_a_caller_that_gives_up_while_the_model_warms_does_not_stop_the_others() -> None:
    async with FakeOpenAI() as endpoint:
        model = choose_model(settings(llm_model="any", llm_base_url=endpoint.base_url), environ={})
        hasty = asyncio.create_task(model.warm())
        patient = asyncio.create_task(Heard().listen(model, asking()))
        await asyncio.sleep(0)
        hasty.cancel()
        assert (await patient).text == "Hello."
        await model.close()


def test_choosing_a_model_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from cipher.agent.llm import choose_model\n"
        "from cipher.config import Settings\n"
        "choose_model(Settings(llm_model='openai:x', llm_api_key='k', _env_file=None))\n"
        "heavy = {'pydantic_ai', 'httpx2', 'anthropic', 'google.genai'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
