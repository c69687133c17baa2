"""docker-compose.yml and the image: valid, true to the settings, without a secret, and started in any order."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from starlette.testclient import TestClient

from cli.demo import provider_app
from core.settings import Settings
from tests.deploy.conftest import Validate
from tests.deploy.needs import NEEDS, assert_command_exists, default_of, roles_of
from tests.deploy.settings_reference import COMPOSE_ONLY, env_names, secret_names
from workers.crew import ROLES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DEMO = dict(re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.demo").read_text(), re.MULTILINE))
DOCKERFILE = (ROOT / "Dockerfile").read_text()
YAML_STYLE = (
    "{extends: default, rules: {line-length: {max: 120}, document-start: disable, comments-indentation: disable}}"
)

each_of_ours = pytest.mark.parametrize("name", OURS)


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_the_file_follows_the_compose_specification(validate: Validate):
    validate("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_the_validator_sees_a_mistake(validate: Validate, tmp_path: Path):
    (tmp_path / "compose.yml").write_text(TEXT.replace("    ports:", "    portz:", 1))
    with pytest.raises(AssertionError, match="portz"):
        validate("check-jsonschema", "--builtin-schema", "vendor.compose-spec", tmp_path / "compose.yml")


def test_the_yaml_is_tidy(validate: Validate):
    validate("yamllint", "--strict", "-d", YAML_STYLE, "docker-compose.yml", "k8s")


def test_the_dockerfile_has_no_complaint(validate: Validate):
    validate("hadolint", "Dockerfile")


@each_of_ours
def test_a_service_is_told_nothing_that_the_product_does_not_know(name: str):
    assert set(OURS[name].get("environment", {})) - env_names() == set()


@each_of_ours
def test_a_service_is_told_what_its_part_needs(name: str):
    roles = roles_of(OURS[name]["command"]) & set(NEEDS)
    needed = set().union(*(NEEDS[role] for role in roles))
    assert needed - set(OURS[name].get("environment", {})) == set()


@each_of_ours
def test_a_service_runs_a_command_that_exists(name: str):
    assert_command_exists(OURS[name]["command"])


@each_of_ours
def test_a_service_can_write_nowhere_and_gain_nothing(name: str):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert all(volume.endswith(":ro") for volume in service["volumes"])


def test_every_setting_can_be_given_to_some_service():
    given = set().union(*(service.get("environment", {}) for service in OURS.values()))
    # What the image decides: where things lie in it, and what SASL would need of a broker that is not this file's.
    fixed = {"FTE_DATA_DIR", "FTE_DOSSIER_DIR", "FTE_WEB_DIR", "FTE_PORT", "FTE_LOG_FORMAT"}
    sasl = {name for name in env_names() if name.startswith("FTE_KAFKA_")}
    assert env_names() - given - fixed - sasl == set()


def test_no_secret_is_written_down():
    secret = re.compile("PASSWORD|SECRET|TOKEN|KEY")
    values = {
        (name, key): value
        for name, service in SERVICES.items()
        for key, value in service.get("environment", {}).items()
        if value is not None and (key in secret_names() or secret.search(key))
    }
    wanted = r"\$\{[A-Z_]+:\?[^}]+\}"
    assert {where: v for where, v in values.items() if not re.search(wanted, v)} == {}
    assert re.findall(r"\$\{(?:\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*|DATABASE_URL):?[-+=]", TEXT) == []


def test_what_the_file_reads_is_in_the_example():
    read = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    assert read - env_names() == set(COMPOSE_ONLY)


def test_every_role_has_a_service():
    played = [role for service in OURS.values() for role in roles_of(service["command"]) if role in ROLES]
    assert sorted(played) == sorted(ROLES)


def test_the_start_order_does_not_matter():
    for name, service in OURS.items():
        waits = {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        if name == "migrate":
            assert waits == {"postgres": "service_healthy"}
        elif name != "providers":
            assert waits["migrate"] == "service_completed_successfully"
    assert all(SERVICES[on].get("healthcheck") for on in ("postgres", "kafka"))
    assert "kafka" not in SERVICES["api"]["depends_on"], "what comes in while Kafka is away waits in the database"


def test_the_data_outlives_the_containers():
    volumes = yaml.safe_load(TEXT)["volumes"]
    for name, folder in {"postgres": "/var/lib/postgresql/data", "kafka": "/var/lib/kafka/data"}.items():
        assert SERVICES[name]["volumes"] == [f"{name}:{folder}"]
        assert name in volumes
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"


def test_an_agent_may_finish_its_turn():
    lease_s = default_of("FTE_TURN_LEASE_S")
    assert isinstance(lease_s, float | int)
    assert seconds(SERVICES["agent"]["stop_grace_period"]) > lease_s


def test_the_broker_is_the_one_that_the_tests_use():
    version = re.search(r"<kafka.version>(.+)</kafka.version>", (ROOT / "tests/kafka_broker/pom.xml").read_text())
    assert version
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_every_image_has_a_tag():
    named = [s["image"] for s in SERVICES.values()] + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [image for image in named if not re.search(r":(?!latest)[\w.-]+$", image)] == []


def test_the_demo_configures_both_providers_whole_and_points_at_the_mock():
    assert DEMO["COMPOSE_PROFILES"] in SERVICES["providers"]["profiles"]
    assert set(DEMO) - {"COMPOSE_PROFILES"} <= env_names()
    assert NEEDS["delivery"] - set(DEMO) == NEEDS["relay"]
    assert [name for name in NEEDS["delivery"] & set(DEMO) if not DEMO[name]] == ["FTE_PUBLIC_BASE_URL"]
    addresses = {name: value for name, value in DEMO.items() if value and name.endswith("_URL")}
    assert set(addresses) == {"FTE_GMAIL_TOKEN_URL", "FTE_GMAIL_BASE_URL", "FTE_GMAIL_JWKS_URL", "FTE_TWILIO_BASE_URL"}
    assert all(address.startswith("http://providers:") for address in addresses.values())


def test_the_mock_providers_know_the_accounts_that_the_demo_signs_in_to(monkeypatch: pytest.MonkeyPatch):
    told: dict[str, str | None] = SERVICES["providers"]["environment"]
    for name in env_names():
        value = DEMO.get(name) if told.get(name) is None else told[name]
        monkeypatch.setenv(name, value or "") if name in told else monkeypatch.delenv(name, raising=False)
    client = TestClient(provider_app(Settings(_env_file=None)))  # pyright: ignore[reportCallIssue]
    names = ("client_id", "client_secret", "refresh_token")
    account = {name: DEMO[f"FTE_GMAIL_{name.upper()}"] for name in names} | {"grant_type": "refresh_token"}
    token = client.post(urlsplit(DEMO["FTE_GMAIL_TOKEN_URL"]).path, data=account)
    assert token.status_code == 200, token.text
    assert client.get(urlsplit(DEMO["FTE_GMAIL_JWKS_URL"]).path).status_code == 200
    sid = DEMO["FTE_TWILIO_ACCOUNT_SID"]
    sent = client.post(
        f"{urlsplit(DEMO['FTE_TWILIO_BASE_URL']).path}/2010-04-01/Accounts/{sid}/Messages.json",
        data={"To": "whatsapp:+15550002222", "From": DEMO["FTE_TWILIO_WHATSAPP_FROM"], "Body": "hello"},
        auth=(sid, DEMO["FTE_TWILIO_AUTH_TOKEN"]),
    )
    assert sent.status_code == 201, sent.text


def test_the_image_runs_as_nobody_and_answers_for_itself():
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^HEALTHCHECK .*\n.*urllib.*/health/live", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["fte"]' in DOCKERFILE
    told = set(re.findall(r"^ +(FTE_[A-Z_]+)=", DOCKERFILE, re.MULTILINE))
    assert told
    assert told <= env_names()


def test_the_image_is_built_with_the_locked_uv():
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    locked = next(package["version"] for package in packages if package["name"] == "uv")
    assert f"uv=={locked}\n" in DOCKERFILE


def test_only_what_is_named_gets_into_the_build():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    assert rules[0] == "*"
    assert {f"!{name}" for name in [*packages, "webform", "pyproject.toml", "uv.lock"]} <= set(rules)
    assert "**/.env*" in rules
