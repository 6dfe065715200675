# SPDX-License-Identifier: MIT
"""What deploy/kubernetes/ describes is what Kubernetes and hearkend take."""

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import programs
import pytest
import yaml
from programs import HEARKEND, REPOSITORY

FOLDER = REPOSITORY / "deploy" / "kubernetes"
VERSIONS = ("1.31", "1.34", "1.37")


def resources() -> list[dict[str, Any]]:
    files = sorted(FOLDER.glob("*.yaml"))
    assert len(files) == 2, files
    return [found for file in files for found in yaml.safe_load_all(file.read_text())]


def resource(kind: str) -> dict[str, Any]:
    (found,) = [found for found in resources() if found["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    template: dict[str, Any] = resource("Deployment")["spec"]["template"]["spec"]
    return template


@pytest.mark.parametrize("version", VERSIONS)
def test_schema(version: str) -> None:
    for found in resources():
        kubernetes_validate.validate(found, version, strict=True)


def test_what_is_wrong_is_found() -> None:
    wrong = copy.deepcopy(resource("Deployment"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_configuration(tmp_path: Path) -> None:
    file = tmp_path / "hearkend.conf"
    file.write_text(resource("ConfigMap")["data"]["hearkend.conf"])
    result = programs.run("--check-config", "--config", file, folder=tmp_path, program=HEARKEND)
    assert result.returncode == 0, result.stderr.decode()


def test_time_to_stop() -> None:
    """Long enough for all that happens then."""
    lines = resource("ConfigMap")["data"]["hearkend.conf"].splitlines()
    values = dict(line.split(" = ") for line in lines if " = " in line)
    (container,) = pod()["containers"]
    stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    stop += float(values["lame_duck_seconds"]) + float(values["drain_seconds"]) + 5
    assert stop < pod()["terminationGracePeriodSeconds"]


def test_names_of_ports() -> None:
    (container,) = pod()["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    text = resource("ConfigMap")["data"]["hearkend.conf"]
    assert all(f":{port}\n" in text for port in ports.values())
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[kind]["httpGet"]["port"] == "http"
        assert container[kind]["httpGet"]["path"] in ("/health/live", "/health/ready")
    for service in [found for found in resources() if found["kind"] == "Service"]:
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
