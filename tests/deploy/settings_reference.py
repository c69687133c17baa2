"""What the Settings class says of itself, as `.env.example` and as the table of docs/operate/configuration.md.

`python tests/deploy/settings_reference.py` writes both anew.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from core.settings import PROJECT_ROOT, Settings

ENV_EXAMPLE: Final = PROJECT_ROOT / ".env.example"
CONFIGURATION: Final = PROJECT_ROOT / "docs" / "operate" / "configuration.md"
BEGIN: Final = "<!-- generated from core/settings.py by tests/deploy/settings_reference.py: begin -->"
END: Final = "<!-- generated: end -->"

# What docker-compose.yml reads and the product does not.
COMPOSE_ONLY: Final = {"POSTGRES_PASSWORD": "Password of the PostgreSQL that docker compose starts; letters and digits"}

_HEAD = """\
# Settings of the customer success employee. Copy to .env and fill in what you need; nothing here is needed on a laptop.
# A line that is commented out shows the default. An empty value means "not configured".
# Explained in docs/operate/configuration.md. Never commit .env.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    env: str
    description: str
    default: str | None
    values: str
    secret: bool


def list_settings() -> list[tuple[str, list[Setting]]]:
    """The settings by section. A comment after a blank line in the class opens a section."""
    sections: list[tuple[str, list[Setting]]] = []
    previous = ""
    for line in inspect.getsource(Settings).splitlines():
        if (heading := re.fullmatch(r" {4}# (.+)", line)) and not previous.strip():
            sections.append((heading[1], []))
        elif (name := re.match(r" {4}(\w+): ", line)) and name[1] in Settings.model_fields:
            sections[-1][1].append(_setting(name[1], Settings.model_fields[name[1]]))
        previous = line
    return sections


def env_names() -> set[str]:
    return {_env_name(name, field) for name, field in Settings.model_fields.items()}


def secret_names() -> set[str]:
    return {_env_name(name, field) for name, field in Settings.model_fields.items() if _is_secret(field)}


def render_env_example() -> str:
    parts = [_HEAD]
    for title, settings in list_settings():
        parts.append(f"\n# --- {title} ---\n")
        for setting in settings:
            values = f" ({setting.values})" if setting.values else ""
            line = f"{setting.env}=" if setting.default is None else f"# {setting.env}={setting.default}"
            parts.append(f"# {setting.description}{values}\n{line}\n")
    parts.append("\n# --- docker compose only ---\n")
    parts.extend(f"# {description}\n{name}=\n" for name, description in COMPOSE_ONLY.items())
    return "".join(parts)


def render_table() -> str:
    return "\n".join(_table_lines()) + "\n"


def render_configuration(page: str) -> str:
    """The page with its table made anew; what a person wrote around it stays."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render_table()}\n{END}{after}"


def _table_lines() -> Iterator[str]:
    for title, settings in list_settings():
        yield f"\n### {title[0].upper()}{title[1:]}\n"
        yield "| variable | what it is | values | default |"
        yield "|---|---|---|---|"
        for setting in settings:
            default = "" if setting.default is None else f"`{setting.default}`"
            values = "secret" if setting.secret else setting.values
            yield f"| `{setting.env}` | {setting.description} | {values} | {default} |"


def _setting(name: str, field: FieldInfo) -> Setting:
    if not field.description:
        raise ValueError(f"Settings.{name} has no description: say in one line what it is")
    return Setting(
        env=_env_name(name, field),
        description=field.description,
        default=_default(field.default),
        values=_values(field),
        secret=_is_secret(field),
    )


def _env_name(name: str, field: FieldInfo) -> str:
    return field.alias or f"{Settings.model_config.get('env_prefix', '')}{name}".upper()


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _default(value: Any) -> str | None:
    match value:
        case None:
            return None
        case Path():
            return str(value.relative_to(PROJECT_ROOT) if value.is_absolute() else value)
        case tuple() | bool():
            return json.dumps(value)
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)


def _values(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        (sign, getattr(rule, name)) for rule in field.metadata for name, sign in signs.items() if hasattr(rule, name)
    ]
    return ", ".join(f"{sign} {bound:g}" if isinstance(bound, float) else f"{sign} {bound}" for sign, bound in bounds)


def main() -> None:
    ENV_EXAMPLE.write_text(render_env_example())
    CONFIGURATION.write_text(render_configuration(CONFIGURATION.read_text()))


if __name__ == "__main__":
    main()
