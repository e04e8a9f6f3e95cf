"""deploy/kubernetes: rendered, and held together: no cluster is asked."""

import base64
import re
import shutil
import subprocess

import pytest
import yaml
from support.daemons import REPOSITORY, TOKEN, program_path
from support.process import run

FOLDER = REPOSITORY / "deploy" / "kubernetes"
# apiVersion of each kind, as Kubernetes 1.25 and later have them.
VERSIONS = {
    "Namespace": "v1", "Service": "v1", "Secret": "v1", "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
# The members that are used here, of each type that the API's reference has.
KNOWN = {
    "container": {"name", "image", "env", "ports", "livenessProbe", "readinessProbe",
                  "lifecycle", "resources", "securityContext", "volumeMounts"},
    "pod": {"automountServiceAccountToken", "terminationGracePeriodSeconds", "securityContext",
            "topologySpreadConstraints", "containers", "volumes"},
    "deployment": {"replicas", "selector", "strategy", "template"},
    "service": {"clusterIP", "selector", "ports"},
    "policy": {"podSelector", "policyTypes", "ingress", "egress"},
    "peer": {"podSelector", "namespaceSelector"},
    "autoscaler": {"scaleTargetRef", "minReplicas", "maxReplicas", "metrics"},
    "budget": {"minAvailable", "selector"},
}
TIERS = {"frontend": (10001, 10002), "backend": (10010, 10012)}
NAMESPACE = "userli-bridge"


def files():
    """Every object of the files, as they are."""
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return [item for name in kustomization["resources"]
            for item in yaml.safe_load_all((FOLDER / name).read_text())]


@pytest.fixture(scope="module")
def objects():
    """{(kind, name): object}."""
    found = {(item["kind"], item["metadata"]["name"]): item for item in files()}
    assert len(found) == len(files()), "a name twice"
    return found


def pod(objects, tier):
    return objects["Deployment", tier]["spec"]["template"]


def container(objects, tier):
    (only,) = pod(objects, tier)["spec"]["containers"]
    return only


def env(objects, tier):
    return {e["name"]: e.get("value") for e in container(objects, tier)["env"]}


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kustomize_renders_all_of_it(objects):
    text = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True,
                          check=True).stdout
    rendered = list(yaml.safe_load_all(text))
    kinds = [item["kind"] for item in rendered]
    assert sorted(kinds) == sorted([kind for kind, _ in objects] + ["Secret"])
    for item in rendered:
        assert item["kind"] == "Namespace" or item["metadata"]["namespace"] == NAMESPACE
    secret = next(item for item in rendered if item["kind"] == "Secret")
    backend = next(i for i in rendered
                   if (i["kind"], i["metadata"]["name"]) == ("Deployment", "backend"))
    (volume,) = backend["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"] != "userli-token"
    for item in rendered:
        if item["kind"] == "Deployment":
            image = item["spec"]["template"]["spec"]["containers"][0]["image"]
            assert re.fullmatch(r"userli-bridge/\w+:\d+\.\d+\.\d+", image)
    assert TOKEN not in base64.b64decode(secret["data"]["USERLI_TOKEN"]).decode()


def test_every_object_is_of_a_version_that_is_served(objects):
    for (kind, _), item in objects.items():
        assert item["apiVersion"] == VERSIONS[kind]


def test_no_member_is_misspelt(objects):
    def check(what, value):
        assert set(value) <= KNOWN[what], what

    for (kind, _), item in objects.items():
        spec = item.get("spec")
        if kind == "Deployment":
            check("deployment", spec)
            check("pod", spec["template"]["spec"])
            check("container", spec["template"]["spec"]["containers"][0])
        elif kind == "Service":
            check("service", spec)
        elif kind == "NetworkPolicy":
            check("policy", spec)
            for rule in spec.get("ingress", []) + spec.get("egress", []):
                for peer in rule.get("from", []) + rule.get("to", []):
                    check("peer", peer)
        elif kind == "HorizontalPodAutoscaler":
            check("autoscaler", spec)
        elif kind == "PodDisruptionBudget":
            check("budget", spec)


@pytest.mark.parametrize("tier", TIERS)
def test_the_probes_are_the_replaced_adapters(objects, tier):
    port = TIERS[tier][1]
    probed = container(objects, tier)
    assert probed["livenessProbe"] == {"httpGet": {"path": "/health", "port": port}}
    assert probed["readinessProbe"] == {"httpGet": {"path": "/ready", "port": port}}


@pytest.mark.parametrize("tier", TIERS)
def test_everything_selects_the_pods_of_its_tier(objects, tier):
    labels = pod(objects, tier)["metadata"]["labels"]
    for kind, selector in (
        ("Deployment", lambda spec: spec["selector"]["matchLabels"]),
        ("Service", lambda spec: spec["selector"]),
        ("PodDisruptionBudget", lambda spec: spec["selector"]["matchLabels"]),
        ("NetworkPolicy", lambda spec: spec["podSelector"]["matchLabels"]),
    ):
        chosen = selector(objects[kind, tier]["spec"])
        assert chosen and chosen.items() <= labels.items(), kind
        other = pod(objects, "backend" if tier == "frontend" else "frontend")["metadata"]["labels"]
        assert not chosen.items() <= other.items(), kind


@pytest.mark.parametrize("tier", TIERS)
def test_a_pod_may_do_nothing_and_is_nobody(objects, tier):
    spec, its = pod(objects, tier)["spec"], container(objects, tier)["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert its == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                   "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("tier", TIERS)
def test_a_pod_has_time_to_drain(objects, tier):
    command = container(objects, tier)["lifecycle"]["preStop"]["exec"]["command"]
    assert command[0] == "sleep"
    _, text, _ = run([program_path(f"userli-bridge-{tier}"), "--help"])
    drain_s = int(re.search(r"SHUTDOWN_TIMEOUT +(\d+)s", text)[1])
    grace_s = pod(objects, tier)["spec"]["terminationGracePeriodSeconds"]
    assert grace_s > int(command[1]) + drain_s + 2


@pytest.mark.parametrize("tier", TIERS)
def test_the_programs_take_their_settings(objects, tier, tmp_path):
    settings = {n: v for n, v in env(objects, tier).items() if v is not None}
    if tier == "backend":
        assert settings["USERLI_TOKEN_FILE"].startswith(
            container(objects, tier)["volumeMounts"][0]["mountPath"])
        (tmp_path / "token").write_text("x" * 32)
        (tmp_path / "token").chmod(0o400)
        settings["USERLI_TOKEN_FILE"] = str(tmp_path / "token")
    status, _, err = run([program_path(f"userli-bridge-{tier}"), "--check-config"], env=settings)
    assert (status, err) == (0, "")


def test_frontends_find_backends_by_the_services_srv_record(objects):
    service = objects["Service", "backend"]["spec"]
    (port,) = service["ports"]
    assert service["clusterIP"] == "None"
    # The frontend asks for _userli-bridge._tcp.NAME.
    assert port["name"] == "userli-bridge" and len(port["name"]) <= 15
    assert env(objects, "frontend")["BACKEND_URLS"] == (
        f"srv+tcp://backend.{NAMESPACE}.svc.cluster.local")
    (namespace,) = [name for kind, name in objects if kind == "Namespace"]
    assert namespace == NAMESPACE


@pytest.mark.parametrize("tier", TIERS)
def test_a_service_leads_to_a_port_that_is_served(objects, tier):
    (port,) = objects["Service", tier]["spec"]["ports"]
    served = {p["name"]: p["containerPort"] for p in container(objects, tier)["ports"]}
    assert served[port["targetPort"]] == port["port"] == TIERS[tier][0]
    assert sorted(served.values()) == sorted(TIERS[tier])


def test_who_is_let_in_is_whom_it_concerns(objects):
    """Nobody, but for what the other policies say."""
    nobody = objects["NetworkPolicy", "nobody"]["spec"]
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    backend = objects["NetworkPolicy", "backend"]["spec"]
    for rule in backend["ingress"]:
        if rule["ports"] == [{"port": 10010}]:
            (peer,) = rule["from"]
            chosen = peer["podSelector"]["matchLabels"]
            assert set(peer) == {"podSelector"}, "of this namespace"
            assert chosen.items() <= pod(objects, "frontend")["metadata"]["labels"].items()
    ports = sorted(p["port"] for rule in backend["ingress"] for p in rule["ports"])
    assert ports == sorted(TIERS["backend"])
    frontend = objects["NetworkPolicy", "frontend"]["spec"]
    ports = sorted(p["port"] for rule in frontend["ingress"] for p in rule["ports"])
    assert ports == sorted(TIERS["frontend"])
    assert [p["port"] for r in frontend["egress"] for p in r["ports"]] == [10010]


def test_the_autoscaler_is_the_backends_and_decides_alone(objects):
    spec = objects["HorizontalPodAutoscaler", "backend"]["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment",
                                      "name": "backend"}
    assert 1 < spec["minReplicas"] < spec["maxReplicas"]
    assert "replicas" not in objects["Deployment", "backend"]["spec"]
    (metric,) = spec["metrics"]
    wanted = container(objects, "backend")["resources"]["requests"]
    assert metric["resource"]["name"] in wanted, "utilisation is of what is requested"
