"""The Kubernetes manifests: before Kubernetes' own schemas (the package kubernetes-validate), and against settings and image."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from teslafast.config import Settings

from tests.deploy.support.dockerfile import instructions
from tests.support import ROOT
from tests.support.peers import SECRET

FILES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
OBJECTS: list[dict[str, Any]] = [one for file in FILES for one in yaml.safe_load_all(file.read_text())]
VERSIONS = ("1.30", "1.34", kubernetes_validate.latest_version())


def objects(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] == kind]


@pytest.fixture
def deployment() -> dict[str, Any]:
    [found] = objects("Deployment")
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.fixture
def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["template"]["spec"]
    return spec


@pytest.fixture
def settings() -> Settings:
    [config] = objects("ConfigMap")
    assert all(isinstance(value, str) for value in config["data"].values())
    return Settings.from_env(config["data"] | {"JWT_SECRET": SECRET})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_kubernetes_schema_takes_it_and_knows_every_member(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_there_is_one_server_and_the_new_one_waits_for_the_old(deployment: dict[str, Any]) -> None:
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    [claim] = objects("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_a_drain_has_its_time_and_no_probe_ends_it(pod: dict[str, Any], settings: Settings) -> None:
    assert pod["terminationGracePeriodSeconds"] > settings.drain_seconds
    [container] = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/health"
    assert "tcpSocket" in container["livenessProbe"]


def test_ports_and_files_are_where_the_settings_say(pod: dict[str, Any], settings: Settings) -> None:
    [container] = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"dashboards": settings.port, "vehicles": settings.vehicle_port}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    for path in (settings.cert_path, settings.key_path, settings.ca_path, settings.journal_path):
        assert path is not None
        assert str(path.parent) in mounts
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_vehicles_reach_it_by_tcp_and_dashboards_only_inside(deployment: dict[str, Any]) -> None:
    labels = deployment["template"]["metadata"]["labels"]
    services = {one["metadata"]["name"]: one["spec"] for one in objects("Service")}
    vehicles, dashboards = services["teslafast-vehicles"], services["teslafast-dashboards"]
    assert (vehicles["type"], vehicles["ports"][0]["targetPort"], vehicles["ports"][0]["port"]) == (
        "LoadBalancer",
        "vehicles",
        443,
    )
    assert "type" not in dashboards
    assert dashboards["ports"][0]["targetPort"] == "dashboards"
    assert all(service["selector"].items() <= labels.items() for service in services.values())


def test_it_runs_as_the_images_user_on_a_read_only_root(pod: dict[str, Any]) -> None:
    [user] = [rest for word, rest in instructions((ROOT / "Dockerfile").read_text()) if word == "USER"]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user
    [container] = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_names_that_refer_to_each_other_exist_and_no_secret_is_in_the_file(pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    text = "".join(file.read_text() for file in FILES)
    for source in container["envFrom"]:
        name = source.get("configMapRef", source.get("secretRef"))["name"]
        assert name in {one["metadata"]["name"] for one in objects("ConfigMap")} or f"secret generic {name}" in text
    assert objects("Secret") == []
    assert not re.search(r"JWT_SECRET: *\S", text)
    assert {one["metadata"]["namespace"] for one in OBJECTS} == {"teslafast"}
