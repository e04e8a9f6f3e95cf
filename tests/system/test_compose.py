"""deploy/compose.yml, Dockerfile and monitoring, as far as that goes without an engine."""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from support.daemons import REPOSITORY, TOKEN

DEPLOY = REPOSITORY / "deploy"
OURS = ("frontend", "frontend2", "backend", "sandbox")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yml").read_text())


@pytest.fixture(scope="module")
def services(compose):
    return compose["services"]


def in_profile(services, profile):
    return {name for name, s in services.items() if profile in s.get("profiles", [profile])}


def test_without_a_profile_it_is_the_replaced_projects(services):
    assert (DEPLOY / ".env").read_text() == "COMPOSE_PROFILES=userli\n"
    assert in_profile(services, "userli") == {
        "frontend", "backend", "userli", "mariadb", "redis", "postfix", "mailcatcher"}


def test_the_demo_pulls_nothing(services):
    for name in in_profile(services, "demo"):
        assert "build" in services[name] and services[name]["image"].startswith("userli-bridge/")


def test_every_target_that_is_built_is_in_the_dockerfile(services):
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", (DEPLOY / "Dockerfile").read_text(), re.M))
    assert {s["build"]["target"] for s in services.values() if "build" in s} <= targets
    assert {"frontend", "backend", "bridge", "sandbox"} <= targets


@pytest.mark.parametrize("name", OURS)
def test_ours_are_hardened_and_given_time(services, name):
    service = services[name]
    assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["stop_grace_period"].strip("s")) > 10


def test_backends_can_be_as_many_as_one_likes(services):
    assert not {"container_name", "hostname", "ports"} & set(services["backend"])


def test_networks_let_only_those_meet_who_should(services):
    def members(network):
        return {name for name, s in services.items() if network in s.get("networks", [])}

    assert members("rpc") == {"frontend", "frontend2", "backend"}
    assert members("userli") == {"backend", "userli", "sandbox"}
    assert members("data") == {"userli", "mariadb", "redis"}
    assert members("metrics") == {"frontend", "frontend2", "backend", "prometheus", "grafana"}
    assert services["frontend"]["networks"]["mail"] == {"aliases": ["adapter"]}


def test_who_waits_for_whom_waits_for_its_health(services):
    for name, service in services.items():
        dependencies = service.get("depends_on") or {}
        for other, how in dependencies.items():
            assert how == {"condition": "service_healthy"}, name
            assert "test" in services[other]["healthcheck"], other
            profiles = services[other].get("profiles", service.get("profiles"))
            assert profiles == service.get("profiles"), "it runs whenever its user does"
    assert {"mariadb", "redis"} == set(services["userli"]["depends_on"])


def test_ports_are_this_hosts_alone(services):
    for service in services.values():
        for port in service.get("ports", []):
            assert re.match(r"127\.0\.0\.1:|\$\{\w+:-127\.0\.0\.1:", port), port


def test_the_token_is_a_secret_and_that_of_the_fixtures(compose, services):
    assert compose["secrets"]["userli_token"]["file"] == "${USERLI_TOKEN_FILE:-./userli_token}"
    assert (DEPLOY / "userli_token").read_text() == TOKEN + "\n"
    assert TOKEN not in (DEPLOY / "compose.yml").read_text()
    assert [name for name, s in services.items() if "secrets" in s] == ["backend"]


@pytest.mark.parametrize("profile", ["userli", "demo", "monitoring"])
def test_compose_takes_the_file(profile):
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed")
    result = subprocess.run(
        ["docker-compose", "--profile", profile, "-f", DEPLOY / "compose.yml", "config", "--quiet"],
        capture_output=True, text=True, check=False,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ})
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_takes_prometheus_configuration(services, tmp_path):
    """With the files where the container has them."""
    for mount in services["prometheus"]["volumes"]:
        source, target, _ = mount.split(":")
        shutil.copy(DEPLOY / source, tmp_path / target.rpartition("/")[2])
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"],
                   stdout=subprocess.DEVNULL, check=True)


def test_prometheus_asks_every_tier_at_its_port(services):
    config = yaml.safe_load((DEPLOY / "docker/prometheus.yml").read_text())
    asked = {name: sd["port"] for job in config["scrape_configs"] for sd in job["dns_sd_configs"]
             for name in sd["names"]}
    assert asked == {"frontend": 10002, "frontend2": 10002, "backend": 10012}
    assert set(asked) <= set(services)
    # As the rules and the dashboard know them.
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    other = yaml.safe_load((DEPLOY / "monitoring/scrape.yml").read_text())
    assert jobs == [job["job_name"] for job in other["scrape_configs"]]


def test_grafana_finds_its_data_and_the_dashboard(services):
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    assert all((DEPLOY / source).exists() for source in mounts)
    grafana = DEPLOY / "docker/grafana"
    (source,) = yaml.safe_load((grafana / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090" and source["isDefault"]
    (provider,) = yaml.safe_load(
        (grafana / "dashboards/userli-bridge.yml").read_text())["providers"]
    folders = {target.rpartition("/")[0] for target in mounts.values()}
    assert provider["options"]["path"] in folders


def test_everything_is_of_the_same_version():
    (version,) = re.findall(r"^project\(\S+ VERSION ([\d.]+)",
                            (REPOSITORY / "CMakeLists.txt").read_text(), re.M)
    for name, pattern in (
        ("Dockerfile", r"^ARG VERSION=(\S+)"),
        ("compose.yml", r"\$\{VERSION:-([\d.]+)\}"),
        ("kubernetes/kustomization.yaml", r"newTag: (\S+)"),
        ("debian/changelog", r"^userli-bridge \(([^)]+)\)"),
    ):
        found = re.findall(pattern, (DEPLOY / name).read_text(), re.M)
        assert set(found) == {version}, name


def test_what_cmake_reads_is_in_the_images_context():
    """fuzz targets are built elsewhere only."""
    wanted = {line.lstrip("!") for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
              if line.startswith("!")}
    for folder in ("", "tests/"):
        text = (REPOSITORY / folder / "CMakeLists.txt").read_text()
        for name in re.findall(r"add_subdirectory\((\S+)\)", text):
            path = folder + name
            assert path in {"tests", "tests/fuzz"} or path in wanted, path
