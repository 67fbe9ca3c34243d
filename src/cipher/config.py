"""Every setting: its name, type, default and what it does.

Owns reading settings from the environment, `.env`, `cipher.toml` and flags, and refusing bad ones
by name. Owns nothing that acts on them. Order of precedence: flags, environment, `.env`,
`cipher.toml`, default. The names are those of the brief; `docs/settings.md` is checked against this
file by a test. Durations are milliseconds where the brief has them so.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self, get_args

from annotated_types import Ge, Le, MaxLen
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cipher.errors import SettingsError

DatabaseType = Literal["sqlite", "postgres", "in-memory"]
CacheType = Literal["in-memory", "redis", "none"]
TtlAction = Literal["evict", "archive", "delete"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]


class Settings(BaseSettings):
    """All settings of one server or command, checked; fields are their names in lower case."""

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
    storage_database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL's URL, as libpq takes it "
        "(`postgresql://user:password@host/database?sslmode=verify-full`).",
    )
    storage_cache_type: CacheType = Field(
        "in-memory",
        description="What remembers the newest messages of conversations: this process, a Redis or "
        "Valkey that servers share (redis), or nothing (none). It decides nothing and may be "
        "emptied anytime.",
    )
    storage_cache_url: SecretStr = Field(
        SecretStr(""),
        description="URL of the Redis or Valkey (`redis://:password@host:6379/0`, `rediss://…` "
        "with TLS, `unix://…`).",
    )
    session_max_sessions: int = Field(
        100, ge=1, le=1_000_000, description="Sessions held in memory; stored ones are unlimited."
    )
    session_ttl: int = Field(
        86_400_000,
        ge=1_000,
        le=3_153_600_000_000,  # a hundred years; far longer ones are no moments any more
        description="Idle milliseconds after which a session leaves memory "
        "(see SESSION_TTL_ACTION).",
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
        description="`provider:model` (openai, anthropic, google, ollama) or `demo`. Empty picks "
        "the provider whose key is set, else `demo`.",
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
            raise ValueError(allowed("storage_database_name"))
        return name

    @field_validator("storage_database_url")
    @classmethod
    def _postgres_url(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError(allowed("storage_database_url"))
        return url

    @field_validator("storage_cache_url")
    @classmethod
    def _redis_url(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(allowed("storage_cache_url"))
        return url

    @field_validator("api_host")
    @classmethod
    def _host(cls, host: str) -> str:
        if not host or any(char.isspace() for char in host) or "/" in host:
            raise ValueError(allowed("api_host"))
        return host

    @field_validator(
        "log_level",
        "storage_database_type",
        "storage_cache_type",
        "session_ttl_action",
        "log_format",
        mode="before",
    )
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("storage_database_path")
    @classmethod
    def _home_expanded(cls, path: Path) -> Path:
        return path.expanduser()

    @model_validator(mode="after")
    def _needed_urls(self) -> Self:
        if self.storage_database_type == "postgres" and not self.storage_database_url:
            raise ValueError("STORAGE_DATABASE_TYPE=postgres needs a STORAGE_DATABASE_URL.")
        if self.storage_cache_type == "redis" and not self.storage_cache_url:
            raise ValueError("STORAGE_CACHE_TYPE=redis needs a STORAGE_CACHE_URL.")
        return self

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
        try:
            toml = TomlConfigSettingsSource(settings_cls)
        except (ValueError, OSError) as error:
            raise SettingsError(f"cipher.toml can not be read: {error}") from error
        # The environment belongs to everybody, but this file is ours: a name in it that we do not
        # know is a slip of the pen, and would otherwise go unnoticed.
        unknown = sorted(set(toml()) - set(settings_cls.model_fields))
        if unknown:
            raise SettingsError(f"cipher.toml names no setting of ours: {', '.join(unknown)}.")
        return init_settings, env_settings, dotenv_settings, toml


def load_settings(**flags: Any) -> Settings:
    """Read all settings; `flags` that are not None win over everything.

    Raises: SettingsError that names each bad setting, its value and what is allowed.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_complaint(item) for item in error.errors())) from error
    except (ValueError, OSError) as error:
        raise SettingsError(f".env can not be read: {error}") from error


def allowed(name: str) -> str:
    """The values that a setting takes, in words: after "must be"."""
    if name in _ALLOWED:
        return _ALLOWED[name]
    field = Settings.model_fields[name]
    choices = get_args(field.annotation)
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if field.annotation is bool:
        return "true or false"
    bounds = {type(bound): bound for bound in field.metadata}
    if field.annotation is int:
        least, most = bounds.get(Ge), bounds.get(Le)
        words = "a whole number"
        if isinstance(least, Ge):
            words += f" from {least.ge}"
        return f"{words} to {most.le}" if isinstance(most, Le) else words
    most_chars = bounds.get(MaxLen)
    if isinstance(most_chars, MaxLen):
        return f"text of up to {most_chars.max_length} characters"
    return "text"


_ALLOWED = {
    "storage_database_path": "the path of a folder",
    "storage_database_name": "a bare file name without a folder",
    "storage_database_url": "a URL that begins with postgresql://",
    "storage_cache_url": "a URL that begins with redis://, rediss:// or unix://",
    "api_host": "a host name or an IP address",
    "api_allowed_hosts": "host names separated by commas",
}


def _complaint(item: Any) -> str:
    if not item["loc"]:  # about several settings at once
        return str(item["ctx"]["error"])
    field = str(item["loc"][0])
    name = field.upper()
    secret = Settings.model_fields[field].annotation is SecretStr
    shown = "(hidden)" if secret else repr(item["input"])
    return f"{name}={shown} is not allowed: it must be {allowed(field)}."
