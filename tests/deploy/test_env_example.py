"""`.env.example` and the configuration page say what the Settings class says, no more and no less."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT, Settings
from tests.deploy.settings_reference import (
    BEGIN,
    COMPOSE_ONLY,
    CONFIGURATION,
    END,
    ENV_EXAMPLE,
    env_names,
    list_settings,
    render_configuration,
    render_env_example,
    secret_names,
)

REFRESH = "run .venv/bin/python tests/deploy/settings_reference.py"
LINES = dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", ENV_EXAMPLE.read_text(), re.MULTILINE))


def test_the_example_names_every_setting_and_nothing_else():
    assert set(LINES) == env_names() | set(COMPOSE_ONLY), REFRESH


def test_no_setting_is_lost_between_the_sections():
    assert sum(len(settings) for _, settings in list_settings()) == len(Settings.model_fields)


def test_the_example_holds_no_secret():
    assert {name: LINES[name] for name in secret_names() | set(COMPOSE_ONLY) if LINES[name]} == {}


def test_what_is_named_like_a_secret_is_typed_as_one_and_has_no_default():
    named = {name for name in env_names() if re.search("(PASSWORD|SECRET|TOKEN|TOKEN_PREVIOUS|KEY)$", name)}
    assert named
    assert named <= secret_names()
    assert [s.env for _, settings in list_settings() for s in settings if s.secret and s.default is not None] == []


@pytest.mark.parametrize("uncommented", [False, True])
def test_the_example_changes_no_default(uncommented: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in env_names() & set(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.chdir(PROJECT_ROOT)
    text = ENV_EXAMPLE.read_text()
    (tmp_path / ".env").write_text(
        re.sub(r"^# (?=[A-Z][A-Z0-9_]+=)", "", text, flags=re.MULTILINE) if uncommented else text
    )
    assert Settings(_env_file=tmp_path / ".env") == Settings(_env_file=None)  # pyright: ignore[reportCallIssue]


def test_the_example_is_current():
    assert ENV_EXAMPLE.read_text() == render_env_example(), REFRESH


def test_the_configuration_page_is_current():
    page = CONFIGURATION.read_text()
    assert page.count(BEGIN) == page.count(END) == 1
    assert page == render_configuration(page), REFRESH
