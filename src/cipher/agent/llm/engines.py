"""Builds the engine for each provider.

Owns what is particular to one: its client, its address, its model class. Everything heavy is
imported in here, by the thread that builds; the providers' own libraries only for their own models.
"""

from __future__ import annotations

import httpx2
from pydantic_ai.models import create_async_httpx2_client
from pydantic_ai.profiles import ModelProfile

from cipher import __version__
from cipher.agent.llm.endpoint.model import EndpointModel
from cipher.agent.llm.engine import Engine, note_response

CONNECT_SECONDS = 10.0
STALL_SECONDS = 60.0
"""How long an answer may pause before it counts as broken off."""


def endpoint_engine(
    model_name: str, *, base_url: str, key: str, provider: str, open_weights: bool
) -> Engine:
    """For an endpoint that speaks Chat Completions under `base_url`.

    `open_weights` says that the endpoint may read a chat template's control words, such as
    `<|im_end|>`, in what people write; they are then made harmless on the way out.
    """
    client = _client()
    client.headers["Accept"] = "text/event-stream"
    client.headers["Content-Type"] = "application/json"
    if key:
        client.headers["Authorization"] = f"Bearer {key}"
    model = EndpointModel(
        model_name,
        url=chat_url(base_url),
        client=client,
        system=provider,
        profile=ModelProfile(may_tokenize_special_tokens_in_content=open_weights),
    )
    return Engine(model, client.aclose, secret=key, coalesces=True)


def anthropic_engine(model_name: str, *, base_url: str | None, key: str) -> Engine:
    """For Claude, through Anthropic's own library."""
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = _client()
    provider = AnthropicProvider(api_key=key, base_url=base_url, http_client=client)
    return Engine(AnthropicModel(model_name, provider=provider), client.aclose, secret=key)


def google_engine(model_name: str, *, base_url: str | None, key: str) -> Engine:
    """For Gemini, through Google's own library."""
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    client = _client()
    provider = GoogleProvider(api_key=key, base_url=base_url, http_client=client)
    return Engine(GoogleModel(model_name, provider=provider), client.aclose, secret=key)


def demo_engine(tokens_per_second: float) -> Engine:
    """For the demonstration."""
    from cipher.agent.llm.demo.model import DemoModel

    async def close() -> None:
        """There is nothing to let go of."""

    return Engine(DemoModel(tokens_per_second), close)


def chat_url(base_url: str) -> str:
    """Where to post, for a base URL in any of the forms that people give.

    `http://host:8080` and `http://host:8080/` mean `/v1`; any other path is taken as it is, with or
    without a slash at its end; an address that already ends in `/chat/completions` is used itself.
    """
    url = httpx2.URL(base_url)
    path = url.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path = f"{path or '/v1'}/chat/completions"
    return str(url.copy_with(path=path))


def _client() -> httpx2.AsyncClient:
    client = create_async_httpx2_client(
        timeout=httpx2.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
    )
    client.headers["User-Agent"] = f"cipher/{__version__}"
    client.event_hooks["response"].append(note_response)
    return client
