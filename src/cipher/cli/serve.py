"""`cipher serve`: one flag for every setting, and the server that they describe.

Owns the flags, which are made from `config.py` so that none can be missing, and the messages of a
start that fails. The server itself is `cipher.web.app`.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, get_args

import click
from pydantic_core import PydanticUndefined

from cipher.cli import Failure
from cipher.cli.database import place_of
from cipher.config import Settings, load_settings
from cipher.errors import SettingsError, StorageError

_AREAS = ("storage_", "api_", "llm_")
"""First words of settings that their flags may leave out: API_PORT is --api-port and --port."""

_MACHINE_SAYS_NO = frozenset({errno.EADDRINUSE, errno.EACCES, errno.EPERM})
"""Why a good setting may fail for now: a failure, not wrong usage."""


def flags_of(name: str) -> list[str]:
    """The flags of a setting, the short spelling first; one of `on/off` pairs for a switch."""
    names = [name.removesuffix("_enabled")]
    names[:0] = [name.removeprefix(area) for area in _AREAS if name.startswith(area)]
    flags = [f"--{spelled.replace('_', '-')}" for spelled in names]
    if Settings.model_fields[name].annotation is bool:
        return [f"{flag}/--no-{flag.removeprefix('--')}" for flag in flags]
    return flags


def default_of(name: str) -> str:
    """A setting's default as a person would write it; empty if there is none to show."""
    default = Settings.model_fields[name].default
    if default is PydanticUndefined or name.endswith("_key"):
        return ""
    if isinstance(default, Path):
        return str(default) if default.is_absolute() else f"./{default}"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _option(name: str) -> click.Option:
    field = Settings.model_fields[name]
    is_switch = field.annotation is bool
    default = default_of(name)
    help_text = (
        f"{field.description} [{name.upper()}; {f'default: {default}' if default else 'not set'}]"
    )
    return click.Option(
        [*flags_of(name), name],
        default=None,
        help=help_text,
        metavar=None if is_switch else _metavar(name),
        type=None if is_switch else str,
    )


def _metavar(name: str) -> str:
    kind = Settings.model_fields[name].annotation
    if kind is int:
        return "N"
    return "|".join(get_args(kind)) or "TEXT"


def _serve(**flags: Any) -> None:
    settings = load_settings(**flags)
    from cipher.web.app import serve

    try:
        serve(settings, on_ready=_announce)
    except SettingsError as error:
        if getattr(error.__cause__, "errno", None) in _MACHINE_SAYS_NO:
            raise Failure(error.message) from error
        raise
    except StorageError as error:
        raise Failure(f"{error.message} ({place_of(settings)})") from error


def _announce(address: str) -> None:
    click.echo(f"Cipher is ready at {address}")


command = click.Command(
    "serve",
    params=[_option(name) for name in Settings.model_fields],
    callback=_serve,
    help="Serve the page, REST and WebSocket until Ctrl-C.\n\n"
    "Every setting has a flag; what a flag does not say comes from the environment, `.env`, "
    "`cipher.toml` or the default.",
)
