"""Which language model the settings mean.

Owns the reading of `LLM_MODEL`, `LLM_BASE_URL`, `LLM_API_KEY` and the providers' own key variables,
and the order of search when no model is named: the first provider whose key is set, else a local
Ollama that answers at once, else the demonstration. Refuses what can not work by the name of the
setting, before anything starts. With `LLM_BASE_URL` the key sent there is `LLM_API_KEY` alone,
never a provider's own variable. Opens no connection and imports nothing heavy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from dotenv import dotenv_values

from cipher.agent.llm.base import LanguageModel, ModelInfo
from cipher.agent.llm.local import OLLAMA_URL, LocalOrDemo, ollama_model
from cipher.agent.llm.provider import ProviderModel, demo_model
from cipher.config import Settings
from cipher.errors import SettingsError

if TYPE_CHECKING:
    from cipher.agent.llm.engine import Engine

OPENAI_URL = "https://api.openai.com/v1"


class _Provider(NamedTuple):
    """One who sells answers: the variables that may hold a key, and the model to ask by default."""

    key_names: tuple[str, ...]
    default_model: str


_PROVIDERS = {
    "openai": _Provider(("OPENAI_API_KEY",), "gpt-6.1-terra"),
    "anthropic": _Provider(("ANTHROPIC_API_KEY",), "claude-sonnet-5-5"),
    "google": _Provider(("GOOGLE_API_KEY", "GEMINI_API_KEY"), "gemini-3.8-flash"),
}
"""In the order of search. The defaults are each provider's general model of November 2026."""

_ALLOWED = "openai:…, anthropic:…, google:…, ollama:… or demo"


def choose_model(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    ollama_url: str = OLLAMA_URL,
) -> LanguageModel:
    """The language model that the settings mean, not yet warm.

    `environ` holds the providers' own key variables; without it they come from the process's
    environment and, after that, from `.env`.

    Raises: SettingsError that names the setting and what is allowed.
    """
    return _Choice(settings, _environment() if environ is None else environ, ollama_url).model()


def _environment() -> dict[str, str]:
    file = Settings.model_config.get("env_file")
    kept = dotenv_values(file) if isinstance(file, str) else {}
    return {**{name: value for name, value in kept.items() if value}, **os.environ}


class _Choice:
    """One reading of the settings."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], ollama_url: str) -> None:
        self._name = settings.llm_model.strip()
        self._base_url = settings.llm_base_url.strip()
        self._key = settings.llm_api_key.get_secret_value().strip()
        self._environ = environ
        self._ollama_url = ollama_url
        _check_url(self._base_url)
        _check_key("LLM_API_KEY", self._key)

    def model(self) -> LanguageModel:
        if not self._name:
            return self._unnamed()
        if self._name == "demo":
            return demo_model()
        provider, _, model = self._name.partition(":")
        if provider in _PROVIDERS or provider == "ollama":
            if not model:
                raise SettingsError(
                    f"LLM_MODEL={self._name!r}: the model is missing after the colon, "
                    f"for example {provider}:{self._example(provider)}"
                )
            return self._at(provider, model)
        if self._base_url:
            # Here a colon belongs to the name, as in llama3.2:3b.
            return self._endpoint("endpoint", self._name, self._name, self._base_url, self._key)
        raise SettingsError(
            f"LLM_MODEL={self._name!r}: give {_ALLOWED}, "
            "or LLM_BASE_URL with the name of the model there"
        )

    def _unnamed(self) -> LanguageModel:
        for setting, value in (("LLM_BASE_URL", self._base_url), ("LLM_API_KEY", self._key)):
            if value:
                raise SettingsError(
                    f"{setting} is set, but LLM_MODEL is not: name the model, as "
                    + (
                        "the endpoint knows it"
                        if setting == "LLM_BASE_URL"
                        else f"one of {_ALLOWED}"
                    )
                )
        for name, provider in _PROVIDERS.items():
            if self._own_key(provider):
                return self._at(name, provider.default_model)
        return LocalOrDemo(self._ollama_url)

    def _at(self, provider: str, model: str) -> LanguageModel:
        if provider == "ollama":
            return ollama_model(model, self._base_url or self._ollama_url, self._key)
        key = self._key_for(provider)
        name = f"{provider}:{model}"
        if provider == "openai":
            return self._endpoint("openai", name, model, self._base_url or OPENAI_URL, key)
        base_url = self._base_url or None

        def build() -> Engine:
            from cipher.agent.llm import engines

            make = engines.anthropic_engine if provider == "anthropic" else engines.google_engine
            return make(model, base_url=base_url, key=key)

        return ProviderModel(ModelInfo(id=name, provider=provider), build)

    def _endpoint(
        self, provider: str, shown: str, model: str, base_url: str, key: str
    ) -> LanguageModel:
        own_endpoint = bool(self._base_url)

        def build() -> Engine:
            from cipher.agent.llm.engines import endpoint_engine

            return endpoint_engine(
                model,
                base_url=base_url,
                key=key,
                provider=provider,
                open_weights=own_endpoint,
            )

        return ProviderModel(ModelInfo(id=shown, provider=provider), build)

    def _key_for(self, provider: str) -> str:
        """The key for a provider. An endpoint of one's own may do without."""
        if self._key:
            return self._key
        known = _PROVIDERS[provider]
        if self._base_url:
            if provider == "openai":
                return ""
            raise SettingsError(
                f"LLM_MODEL={self._name!r} with LLM_BASE_URL needs LLM_API_KEY, "
                "the key that is sent there"
            )
        if key := self._own_key(known):
            return key
        raise SettingsError(
            f"LLM_MODEL={self._name!r} needs a key: set LLM_API_KEY or "
            + " or ".join(known.key_names)
        )

    def _own_key(self, provider: _Provider) -> str:
        for name in provider.key_names:
            if key := self._environ.get(name, "").strip():
                _check_key(name, key)
                return key
        return ""

    @staticmethod
    def _example(provider: str) -> str:
        return _PROVIDERS[provider].default_model if provider in _PROVIDERS else "llama3.2"


def _check_url(base_url: str) -> None:
    if not base_url:
        return
    try:
        parts = urlsplit(base_url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        fits = False
    if not fits:
        raise SettingsError(
            "LLM_BASE_URL: give the address of an OpenAI-compatible endpoint, "
            "for example http://localhost:8080/v1"
        )


def _check_key(name: str, key: str) -> None:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsError(f"{name}=(hidden): has characters that no key has")
