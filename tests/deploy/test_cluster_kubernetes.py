"""deploy/cluster/kubernetes: the manifests before Kubernetes' own schemas, and the NATS chart's values before nats-server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from teslafast.cluster.access import rights_of
from teslafast.config import Settings
from teslafast.environment import parse_size

from tests.deploy.support.dockerfile import instructions
from tests.deploy.support.nats_files import AN_NKEY, CLUSTER, taken
from tests.support import ROOT
from tests.support.peers import SECRET

TOOL = "nats-server"
FOLDER = CLUSTER / "kubernetes"
TEXT = (FOLDER / "teslafast.yaml").read_text()
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(TEXT))
SINGLE = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "teslafast.yaml").read_text()))
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "nats-values.yaml").read_text())
VERSIONS = ("1.30", "1.34", kubernetes_validate.latest_version())
# What the chart (nats 1.x) knows, as far as we use it.
KNOWN = {
    "": {"config", "container", "podTemplate", "natsBox"},
    "config": {"cluster", "jetstream", "merge"},
    "config.cluster": {"enabled", "replicas"},
    "config.jetstream": {"enabled", "fileStore", "merge"},
    "container": {"image", "merge"},
    "podTemplate": {"topologySpreadConstraints"},
    "natsBox": {"enabled"},
}


def one(kind: str, name: str = "teslafast", among: list[dict[str, Any]] = OBJECTS) -> dict[str, Any]:
    [found] = [item for item in among if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


@pytest.fixture
def pod() -> dict[str, Any]:
    spec: dict[str, Any] = one("Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def settings() -> Settings:
    return Settings.from_env(one("ConfigMap")["data"] | {"JWT_SECRET": SECRET})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_kubernetes_schema_takes_it_and_knows_every_member(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


# ---- the nodes


def test_a_new_node_serves_before_an_old_one_goes() -> None:
    spec = one("Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert one("PodDisruptionBudget")["spec"]["selector"] == spec["selector"]


def test_a_drain_has_its_time_after_the_services_have_let_go(pod: dict[str, Any], settings: Settings) -> None:
    [container] = pod["containers"]
    sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(seconds) + settings.drain_seconds
    probe = container["readinessProbe"]
    assert probe["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/health"
    assert "tcpSocket" in container["livenessProbe"], "503 while NATS is away must not restart the nodes"


def test_what_a_single_server_has_a_node_has_but_for_the_journal(pod: dict[str, Any], settings: Settings) -> None:
    single = one("Deployment", among=SINGLE)["spec"]["template"]["spec"]
    [ours], [its] = pod["containers"], single["containers"]
    for name in ("image", "envFrom", "ports", "livenessProbe", "resources", "securityContext"):
        assert ours[name] == its[name]
    for name in ("runAsUser", "runAsGroup", "runAsNonRoot"):
        assert pod["securityContext"][name] == single["securityContext"][name]
    for name in ("teslafast-vehicles", "teslafast-dashboards"):
        assert one("Service", name) == one("Service", name, SINGLE)
    its_settings = one("ConfigMap", among=SINGLE)["data"]
    ours_settings = one("ConfigMap")["data"]
    assert its_settings.items() - ours_settings.items() == {("JOURNAL_PATH", "/data/teslafast.journal")}
    assert all(name.startswith("CLUSTER_") for name in ours_settings.keys() - its_settings.keys())
    assert settings.production


def test_files_are_where_the_settings_say_and_secrets_are_named(pod: dict[str, Any], settings: Settings) -> None:
    [container] = pod["containers"]
    mounts = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    files = (settings.cert_path, settings.key_path, settings.ca_path, settings.cluster_nkey_path)
    assert {path.parent for path in files if path is not None} == mounts
    named = {volume["secret"]["secretName"] for volume in pod["volumes"]}
    assert all(f"secret generic {name} " in TEXT for name in named)
    assert not re.search(r"JWT_SECRET: *\S", TEXT)
    assert {item["metadata"]["namespace"] for item in OBJECTS} == {"teslafast"}


def test_it_runs_as_the_images_user(pod: dict[str, Any]) -> None:
    [user] = [rest for word, rest in instructions((ROOT / "Dockerfile").read_text()) if word == "USER"]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user


# ---- NATS


def rendered(folder: Path) -> dict[str, Any]:
    """The configuration that the chart makes of the values, as its own tests say (nats-io/k8s, helm/charts/nats/test)."""
    config = VALUES["config"]
    routes = [f"nats://nats-{number}.nats-headless:6222" for number in range(config["cluster"]["replicas"])]
    store = {"store_dir": str(folder / "data"), "max_memory_store": 0}
    store["max_file_store"] = parse_size(config["jetstream"]["fileStore"]["pvc"]["size"].replace("Gi", "GiB"))
    made: dict[str, Any] = {
        "server_name": "nats-0",
        "lame_duck_grace_period": "10s",
        "lame_duck_duration": "30s",
        "pid_file": str(folder / "nats.pid"),
        "port": 4222,
        "http_port": 8222,
        "cluster": {"name": "nats", "port": 6222, "no_advertise": True, "routes": routes},
        "jetstream": store | config["jetstream"]["merge"],
    }
    made |= config["merge"]
    return made


def test_the_chart_knows_every_value() -> None:
    for path, names in KNOWN.items():
        section = VALUES
        for word in filter(None, path.split(".")):
            section = section[word]
        assert section.keys() == names, path or "the top"


def test_nats_server_takes_what_the_chart_makes_of_the_values(tmp_path: Path) -> None:
    (tmp_path / "nats.conf").write_text(json.dumps(rendered(tmp_path)))
    assert taken(tmp_path / "nats.conf"), TOOL
    assert rendered(tmp_path)["jetstream"]["sync_interval"] == "always"


def test_a_node_has_the_rights_that_it_needs_and_no_other() -> None:
    [user] = VALUES["config"]["merge"]["authorization"]["users"]
    assert user["nkey"] == AN_NKEY, "an example, and said so"
    for verb in ("publish", "subscribe"):
        assert set(user["permissions"][verb]) == {right.subject for right in rights_of("TF") if right.verb == verb}


def test_servers_and_nodes_name_each_other(settings: Settings) -> None:
    count = VALUES["config"]["cluster"]["replicas"]
    assert settings.cluster_replicas == count
    assert settings.cluster_url == tuple(f"nats://nats-{number}.nats-headless:4222" for number in range(count))
    assert settings.cluster_monitor_url == tuple(f"http://nats-{number}.nats-headless:8222/varz" for number in range(count))
    size = VALUES["config"]["jetstream"]["fileStore"]["pvc"]["size"]
    assert settings.cluster_max_bytes < parse_size(size.replace("Gi", "GiB"))
    assert "helm install nats nats/nats --namespace teslafast" in TEXT


def test_only_nats_reaches_the_port_for_routes() -> None:
    policy = one("NetworkPolicy", "nats")["spec"]
    among, nodes = policy["ingress"]
    assert among == {"from": [{"podSelector": policy["podSelector"]}]}
    assert nodes["from"] == [{"podSelector": one("Deployment")["spec"]["selector"]}]
    assert {port["port"] for port in nodes["ports"]} == {4222, 8222}


def test_no_two_servers_share_a_machine() -> None:
    spread = VALUES["podTemplate"]["topologySpreadConstraints"]["kubernetes.io/hostname"]
    assert spread == {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
