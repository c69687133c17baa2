"""The direction between the rooms, checked by import-linter; and that its contracts bite."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / ".importlinter"

# core: the standard library, pydantic, yaml for the dossier and word lists that it reads, and a stemmer of plain Python.
CORE_MAY_IMPORT = {"core", "pydantic", "pydantic_settings", "yaml", "snowballstemmer"}

PLANTED = {
    "core/noun.py": "import crm",
    "tools/search.py": "import llm",
    "nodes/triage.py": "import graph",
    "graph/build.py": "import crm",
    "graph/run.py": "import psycopg",
    "llm/openai.py": "import fastapi",
    "nodes/state.py": "import twilio.rest",
    "crm/customers.py": "import channels",
    "channels/formatting.py": "import events",
    "events/bus.py": "import crm",
    "workers/agent.py": "import api",
    "api/app.py": "import workers",
    "api/support.py": "import graph",
    "evals/replay.py": "import api",
    "workers/relay.py": "import simulation",
    "simulation/gmail.py": "import channels",
    "api/auth.py": "import cli",
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def rooms() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) - {"dossier"}


@pytest.fixture
def empty_rooms(tmp_path: Path) -> Path:
    """The same rooms and contracts, and no code."""
    for room in rooms():
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    (tmp_path / CONTRACTS.name).write_text(CONTRACTS.read_text())
    return tmp_path


def test_every_import_goes_the_allowed_way():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def test_no_room_is_left_out():
    config = configparser.ConfigParser()
    config.read(CONTRACTS)
    protected = {
        config[section]["protected_modules"]
        for section in config.sections()
        if config[section].get("type") == "protected"
    }
    assert set(config["importlinter"]["root_packages"].split()) == rooms()
    assert protected == rooms() - {"core"}
    assert set(config["importlinter:contract:cycles"]["ancestors"].split()) == rooms()


def test_a_planted_import_in_the_wrong_direction_is_found(empty_rooms: Path):
    for path, statement in PLANTED.items():
        (empty_rooms / path).write_text(f"{statement}\n")
    said = lint_imports(empty_rooms).stdout
    modules = {path: path.removesuffix(".py").replace("/", ".") for path in PLANTED}
    assert [path for path, module in modules.items() if f"{module} ->" not in said] == []


def test_a_planted_cycle_is_found(empty_rooms: Path):
    assert lint_imports(empty_rooms).returncode == 0
    (empty_rooms / "crm" / "pool.py").write_text("import crm.turns\n")
    (empty_rooms / "crm" / "turns.py").write_text("import crm.pool\n")
    assert "No import cycles inside a room BROKEN" in lint_imports(empty_rooms).stdout


@pytest.mark.parametrize("path", sorted((ROOT / "core").glob("**/*.py")), ids=lambda path: path.stem)
def test_core_needs_little_but_the_standard_library(path: Path):
    imported = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) - CORE_MAY_IMPORT == set()
