"""The manifests: valid for a current Kubernetes, denied what they don't need, told what their part needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.health import router
from tests.deploy.conftest import Validate
from tests.deploy.needs import HOLDERS, NEEDS, assert_command_exists, default_of, roles_of
from tests.deploy.settings_reference import env_names, secret_names
from workers.crew import ROLES

K8S = Path(__file__).parents[2] / "k8s"
EXAMPLE = K8S / "overlays" / "example"
SECRETS = {path.name: path.read_text() for path in EXAMPLE.glob("*.env.example")}

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kubectl apply -k` would send, with the example's secret files copied as its first lines say."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, and nothing else here renders a kustomization")
    folder = tmp_path_factory.mktemp("deploy")
    shutil.copytree(K8S, folder / "k8s")
    overlay = folder / "k8s" / "overlays" / "example"
    for name, text in SECRETS.items():
        (overlay / name.removesuffix(".example")).write_text(text)
    done = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "rendered.yaml").write_text(done.stdout)
    return folder / "rendered.yaml"


@pytest.fixture(scope="session")
def manifests(rendered: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(rendered.read_text()))


def workloads(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Everything with containers: its name, its pod, its one container."""
    found = [m for m in manifests if "template" in m.get("spec", {})]
    assert found
    for manifest in found:
        pod = manifest["spec"]["template"]["spec"]
        containers = pod["containers"] + pod.get("initContainers", [])
        assert len(containers) == 1, "a second container would go unchecked"
        yield manifest["metadata"]["name"], pod, containers[0]


def command(container: Manifest) -> list[list[str]]:
    """The `fte` commands of a container."""
    if "command" not in container:
        return [container["args"]]
    assert container["command"] == ["sh", "-ec"]
    return [words.split() for words in re.findall(r"fte ([^;]+)", container["args"][0])]


def environment(manifests: list[Manifest], container: Manifest) -> set[str]:
    """The names of all variables that a container gets."""
    data = {
        (m["kind"], m["metadata"]["name"]): set(m.get("data") or {})
        for m in manifests
        if m["kind"] in {"ConfigMap", "Secret"}
    }
    names = {variable["name"] for variable in container.get("env", [])}
    for source in container["envFrom"]:
        reference, target = next(iter(source.items()))
        names |= data[{"configMapRef": "ConfigMap", "secretRef": "Secret"}[reference], target["name"]]
    return names


def test_every_manifest_is_valid_and_has_no_unknown_field(validate: Validate, rendered: Path):
    assert "WARN" not in validate("kubernetes-validate", "--strict", rendered)


def test_the_validator_sees_a_mistake(validate: Validate, rendered: Path, tmp_path: Path):
    (tmp_path / "wrong.yaml").write_text(rendered.read_text().replace("replicas: 2", "replikas: 2", 1))
    with pytest.raises(AssertionError, match="replikas"):
        validate("kubernetes-validate", "--strict", tmp_path / "wrong.yaml")


def test_the_base_as_written_is_valid_without_kubectl(validate: Validate):
    files = [path for path in sorted((K8S / "base").glob("*.yaml")) if path.name != "kustomization.yaml"]
    # The patch is no whole object: it is valid only where it has been laid over one.
    validate("kubernetes-validate", *[path for path in files if path.name != "hardened.yaml"])


def test_every_pod_is_denied_what_it_does_not_need(manifests: list[Manifest]):
    for name, pod, container in workloads(manifests):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], name
        assert [set(volume) for volume in pod["volumes"]] == [{"name", "emptyDir"}], name


def test_every_pod_says_what_it_takes(manifests: list[Manifest]):
    for name, _, container in workloads(manifests):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name


def test_every_pod_knows_only_settings_of_the_product(manifests: list[Manifest]):
    for name, _, container in workloads(manifests):
        assert environment(manifests, container) - env_names() == set(), name


def test_every_part_is_told_what_it_needs_and_runs_what_exists(manifests: list[Manifest]):
    for name, _, container in workloads(manifests):
        assert {name} & set(NEEDS), name
        assert NEEDS[name] - environment(manifests, container) == set(), name
        for words in command(container):
            assert_command_exists(words)


def test_a_secret_goes_only_to_the_parts_that_use_it(manifests: list[Manifest]):
    for name, _, container in workloads(manifests):
        known = environment(manifests, container)
        assert {secret for secret, holders in HOLDERS.items() if secret in known and name not in holders} == set(), name


def test_every_role_has_a_deployment_of_its_name(manifests: list[Manifest]):
    played = {name: roles_of(command(container)[0]) for name, _, container in workloads(manifests)}
    assert {name: roles for name, roles in played.items() if name in ROLES} == {role: {role} for role in ROLES}


def test_a_pod_is_given_time_to_finish(manifests: list[Manifest]):
    grace = {name: pod.get("terminationGracePeriodSeconds", 30) for name, pod, _ in workloads(manifests)}
    lease_s = default_of("FTE_TURN_LEASE_S")
    assert isinstance(lease_s, float | int)
    assert grace["agent"] > lease_s
    assert all(grace[role] >= 60 for role in ROLES), "the bus drains for 25 s, and takes up to 10 s to say goodbye"


def test_the_probes_ask_what_the_api_answers(manifests: list[Manifest]):
    container = next(container for name, _, container in workloads(manifests) if name == "api")
    asked = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert asked == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    assert set(asked.values()) <= {getattr(route, "path", None) for route in router.routes}


def test_services_find_their_pods(manifests: list[Manifest]):
    labels = [m["spec"]["template"]["metadata"]["labels"] for m in manifests if m["kind"] == "Deployment"]
    for service in (m for m in manifests if m["kind"] == "Service"):
        wanted = service["spec"]["selector"].items()
        assert [pod["app.kubernetes.io/component"] for pod in labels if wanted <= pod.items()] == ["api"]


def test_the_namespace_enforces_the_restricted_standard(manifests: list[Manifest]):
    namespace = next(m for m in manifests if m["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {m["metadata"]["namespace"] for m in manifests if m["kind"] != "Namespace"} == {
        namespace["metadata"]["name"]
    }


def test_no_secret_is_committed():
    listed = subprocess.run(["git", "ls-files", "k8s"], cwd=K8S.parent, capture_output=True, text=True, check=False)
    assert [path for path in listed.stdout.split() if path.endswith(".env")] == []
    given = {
        name: value for text in SECRETS.values() for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
    }
    assert set(given) <= env_names()
    assert {name for name, value in given.items() if value} == set()
    assert secret_names() <= set(given)
