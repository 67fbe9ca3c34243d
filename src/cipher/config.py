"""Every setting: its name, type, default and what it does.

Owns reading settings from the environment, `.env`, `cipher.toml` and flags, and refusing bad ones
by name. Owns nothing that acts on them. Order of precedence: flags, environment, `.env`,
`cipher.toml`, default. The names are those of the brief; `docs/settings.md` is checked against this
file by a test. Durations are milliseconds where the brief has them so.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cipher.errors import SettingsError

DatabaseType = Literal["sqlite", "in-memory"]
TtlAction = Literal["evict", "archive", "delete"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]


class Settings(BaseSettings):
    """All settings of one server or command, checked. Field names are the lower-case setting names."""

    model_config = SettingsConfigDict(
        env_file=".env",
        toml_file="cipher.toml",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        validate_default=False,
    )

    storage_database_type: DatabaseType = Field(
        "sqlite", description="Where conversations are kept."
    )
    storage_database_path: Path = Field(
        Path("./data"), description="Folder of the SQLite file; made if missing."
    )
    storage_database_name: str = Field(
        "cipher-sessions.db", description="Bare file name of the SQLite database."
    )
    session_max_sessions: int = Field(
        100, ge=1, le=1_000_000, description="Sessions held in memory; stored ones are unlimited."
    )
    session_ttl: int = Field(
        86_400_000,
        ge=1_000,
        description="Idle milliseconds after which a session leaves memory (see SESSION_TTL_ACTION).",
    )
    session_ttl_action: TtlAction = Field(
        "evict",
        description="What SESSION_TTL does to stored sessions: nothing (evict), archive, or delete "
        "(to the trash).",
    )
    session_persistence_enabled: bool = Field(
        True, description="Off keeps all conversations in memory only; they end with the process."
    )
    api_port: int = Field(3001, ge=0, le=65_535, description="TCP port; 0 picks a free one.")
    api_host: str = Field("localhost", min_length=1, description="Address to listen on.")
    api_allowed_hosts: str = Field(
        "",
        description="Further host names, comma-separated, that requests may be addressed to "
        "(`name` or `name:port`); needed behind a proxy.",
    )
    llm_model: str = Field(
        "",
        description="`provider:model` (openai, anthropic, google, ollama) or `demo`. Empty picks the "
        "provider whose key is set, else `demo`.",
    )
    llm_base_url: str = Field("", description="Base URL of an OpenAI-compatible endpoint.")
    llm_api_key: SecretStr = Field(
        SecretStr(""), description="Key for LLM_MODEL; else the provider's own variable is read."
    )
    llm_system_prompt: str = Field(
        "You are a helpful assistant. Answer in markdown where it helps.",
        max_length=100_000,
        description="Instructions that precede every conversation.",
    )
    log_level: LogLevel = Field("info", description="Least severe level that is logged.")
    log_format: LogFormat = Field("console", description="Log lines for people or as JSON.")

    @field_validator("storage_database_name")
    @classmethod
    def _bare_file_name(cls, name: str) -> str:
        if name in {"", ".", ".."} or any(char in name for char in "/\\\0"):
            raise ValueError("must be a bare file name without a folder")
        return name

    @field_validator(
        "log_level", "storage_database_type", "session_ttl_action", "log_format", mode="before"
    )
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @property
    def database_file(self) -> Path:
        """The SQLite file."""
        return self.storage_database_path / self.storage_database_name

    @property
    def session_idle(self) -> timedelta:
        """How long a session may be idle before it leaves memory."""
        return timedelta(milliseconds=self.session_ttl)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, toml


def load_settings(**flags: Any) -> Settings:
    """Read all settings; `flags` that are not None win over everything.

    Raises: SettingsError that names each bad setting, its value and what is allowed.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_complaint(item) for item in error.errors())) from error
    except ValueError as error:
        raise SettingsError(f"The settings file can not be read: {error}") from error


def _complaint(item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]).upper()
    shown = "(hidden)" if "KEY" in name or "TOKEN" in name else repr(item["input"])
    return f"{name}={shown}: {item['msg']}"
