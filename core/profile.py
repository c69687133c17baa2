"""The company's context from `dossier/`: who we are, how we speak, what customers tend to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import ConfigurationError
from core.models import Label
from core.vocabulary import Priority

_NEEDED_NOTICES = {
    "default": "when a person takes over",
    "opt_out": "when they have said STOP",
    "opt_in": "when they have said START",
    "help": "when they have said HELP",
}


class CompanyProfile(BaseModel):
    """`dossier/profile.yaml` and `dossier/notices.yaml`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    product: str
    one_liner: str
    domain: str
    support_email: str
    help_centre_url: str
    signature: str
    response_times: dict[Priority, str]
    competitors: tuple[str, ...] = ()
    internal_terms: tuple[str, ...] = ()
    notices: dict[str, tuple[str, ...]]


def load_profile(folder: Path) -> CompanyProfile:
    """`profile.yaml` and, beside it, `notices.yaml`: the words for a hand-over, and for STOP, START and HELP."""
    path = folder / "profile.yaml"
    notices = _read_yaml(folder / "notices.yaml")
    for name, meaning in _NEEDED_NOTICES.items():
        if name not in (notices or {}):
            raise ConfigurationError(
                f"{folder / 'notices.yaml'} needs an entry `{name}`: what customers read {meaning}"
            )
    try:
        return CompanyProfile.model_validate({**_read_yaml(path), "notices": notices})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def load_intents(path: Path) -> tuple[Label, ...]:
    """`dossier/intents.yaml`: the classes of triage with their labelled examples."""
    rows = _read_yaml(path)
    if isinstance(rows, dict):
        rows = rows.get("intents", [])
    try:
        return tuple(
            Label(id=row["id"], description=row["description"], examples=tuple(row.get("examples", ()))) for row in rows
        )
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: every intent needs id, description and examples ({error})") from error


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is missing: point FTE_DOSSIER_DIR at a dossier folder") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
