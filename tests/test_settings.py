"""Settings: where they come from, how bad ones are refused, and the document about them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cipher.cli.serve import default_of, flags_of
from cipher.config import Settings, allowed, load_settings
from cipher.errors import SettingsError

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
BEGIN = "anew when it is out of date -->\n"
END = "<!-- end of table -->"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder and an environment without settings."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(**flags: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(**flags)
    return raised.value.message


def table() -> str:
    rows = ["| Setting | Flag | Allowed | Default | What it does |", "|---|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = default_of(name)
        shown = f"`{default}`" if default else "not set"
        flag = flags_of(name)[0].replace("/", "`, `")
        rows.append(
            f"| `{name.upper()}` | `{flag}` | {allowed(name)} | {shown} | {field.description} |"
        )
    return "\n".join(rows) + "\n"


def test_the_document_lists_every_setting_as_it_is() -> None:
    written = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert written == table(), f"docs/settings.md should have this table:\n\n{table()}"


def test_the_documents_example_is_a_valid_file(place: Path) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    (place / "cipher.toml").write_text(example)
    settings = load_settings()
    assert settings.api_port == 4000
    assert settings.storage_database_path == Path.home() / "cipher"


def test_flags_win_over_the_environment_over_dotenv_over_toml_over_the_default(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [load_settings().api_port]
    (place / "cipher.toml").write_text("api_port = 1")
    found.append(load_settings().api_port)
    (place / ".env").write_text("API_PORT=2\nSOMETHING_ELSE=x\n")
    found.append(load_settings().api_port)
    monkeypatch.setenv("API_PORT", "3")
    found.append(load_settings().api_port)
    found.append(load_settings(api_port="4", log_level=None).api_port)
    assert found == [3001, 1, 2, 3, 4]


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "")
    assert load_settings().api_port == 3001


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "api_port",
            "70000",
            "API_PORT='70000' is not allowed: it must be a whole number from 0 to",
        ),
        ("api_port", "1.5", "a whole number from 0 to 65535."),
        ("session_max_sessions", "0", "a whole number from 1 to 1000000."),
        ("session_ttl", "999", "a whole number from 1000 to 3153600000000."),
        ("session_ttl", "1" + "0" * 18, "a whole number from 1000 to 3153600000000."),
        ("session_ttl_action", "forget", "evict, archive or delete."),
        ("session_persistence_enabled", "maybe", "true or false."),
        ("storage_database_type", "oracle", "sqlite, postgres or in-memory."),
        ("storage_database_name", "../x", "a bare file name without a folder."),
        ("storage_database_name", "..", "a bare file name without a folder."),
        ("log_level", "loud", "debug, info, warning or error."),
        ("api_host", "http://x/", "a host name or an IP address."),
        ("llm_system_prompt", "x" * 100_001, "text of up to 100000 characters."),
    ],
)
def test_a_bad_value_names_the_setting_the_value_and_what_is_allowed(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name.upper(), value)
    message = complaint()
    assert message.startswith(f"{name.upper()}={value!r} is not allowed: it must be ")
    assert words in message


def test_all_bad_values_are_named_at_once() -> None:
    assert len(complaint(api_port="x", log_level="y").splitlines()) == 2


def test_a_key_is_never_shown() -> None:
    message = complaint(llm_api_key=["secret-key"])
    assert "LLM_API_KEY=(hidden)" in message
    assert "secret-key" not in message
    assert "secret-key" not in repr(load_settings(llm_api_key="secret-key"))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("cipher.toml", b"api_port = \n", "cipher.toml can not be read"),
        ("cipher.toml", b"\xff", "cipher.toml"),
        ("cipher.toml", b"api_prot = 1", "cipher.toml names no setting of ours: api_prot."),
        ("cipher.toml", b"[api]\nport = 1", "cipher.toml names no setting of ours: api."),
        (".env", b"\xff\xfe", ".env"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(
    place: Path, file: str, content: bytes, words: str
) -> None:
    (place / file).write_bytes(content)
    assert words in complaint()


def test_names_are_read_in_any_case(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "cipher.toml").write_text("LOG_LEVEL = 'DEBUG'")
    monkeypatch.setenv("api_port", "5")
    assert (load_settings().log_level, load_settings().api_port) == ("debug", 5)


def test_postgresql_needs_a_url_which_is_never_shown() -> None:
    needed = "STORAGE_DATABASE_TYPE=postgres needs a STORAGE_DATABASE_URL."
    assert complaint(storage_database_type="postgres") == needed
    refused = complaint(storage_database_url="mysql://ada:secret@host/db")
    assert refused == (
        "STORAGE_DATABASE_URL=(hidden) is not allowed: it must be a URL that begins with "
        "postgresql://."
    )
    url = "postgresql://ada:secret@host/db"
    settings = load_settings(storage_database_type="postgres", storage_database_url=url)
    assert settings.storage_database_url.get_secret_value() == url
    assert "secret" not in repr(settings)
