"""engine - a container engine, images of ours, and one compose project.

Images are built on debian:12-slim where that can be pulled, otherwise on a
root made with debootstrap and kept in the engine under a tag of its contents.
All that a test makes bears its project's name and is removed by it.
"""

import functools
import json
import os
import shutil
import subprocess
import time

from support import debian
from support.daemons import REPOSITORY
from support.prometheus import Exposition
from support.wait import PATIENCE, wait_until
from support.web import fetch

BASE = "debian:12-slim"
PULL_TIMEOUT = 60  # seconds
BUILD_TIMEOUT = 1500
COMPOSE_FILE = REPOSITORY / "deploy" / "compose.yml"
TARGETS = ("frontend", "backend", "bridge", "sandbox", "postfix")
VERSION = "tests"


def docker(*arguments, check=True, timeout=120, stdin=b""):
    """docker …: its standard output, without the last newline."""
    result = subprocess.run(
        ["docker", *map(str, arguments)], input=stdin, capture_output=True,
        timeout=timeout, check=False, env={**os.environ, "DOCKER_BUILDKIT": _buildkit()},
    )
    out = result.stdout.decode("utf-8", "replace").rstrip("\n")
    if check and result.returncode != 0:
        text = (out + result.stderr.decode("utf-8", "replace"))[-6000:]
        raise AssertionError(f"docker {' '.join(map(str, arguments))}\n{text}")
    return out


@functools.cache
def _buildkit():
    found = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)
    return "1" if found.returncode == 0 else "0"


@functools.cache
def compose_command():
    """docker compose, or docker-compose, or None."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run(
            [*command, "version"], capture_output=True, check=False
        ).returncode == 0:
            return command
    return None


@functools.cache
def why_not():
    """Why there is nothing to test here, or None."""
    if not shutil.which("docker"):
        return "docker is not installed"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no container engine answers"
    if compose_command() is None:
        return "neither docker compose nor docker-compose is there"
    return None


def has_image(name):
    return docker("images", "-q", name) != ""


@functools.cache
def base_image():
    """What to build upon."""
    if has_image(BASE):
        return BASE
    imported = f"userli-bridge-base:{debian.recipe_tag()}"
    if has_image(imported):
        return imported
    try:
        docker("pull", BASE, timeout=PULL_TIMEOUT)
        return BASE
    except (AssertionError, subprocess.TimeoutExpired):
        reason = debian.why_not()
        assert reason is None, f"{BASE} cannot be pulled, and {reason}"
    docker("import", debian.packed_root(), imported, timeout=BUILD_TIMEOUT)
    return imported


def build(target, version=VERSION, revision="0123456789ab"):
    """The image of a target of deploy/Dockerfile, as compose.yml names it."""
    name = f"userli-bridge/{target}:{version}"
    docker(
        "build", "--network", "host", "-f", REPOSITORY / "deploy/Dockerfile", "--target", target,
        "--build-arg", f"BASE={base_image()}", "--build-arg", f"VERSION={version}",
        "--build-arg", f"REVISION={revision}", "-t", name, REPOSITORY, timeout=BUILD_TIMEOUT,
    )
    return name


def inspect(name):
    return json.loads(docker("inspect", name))[0]


class Container:
    """A running container, by its id."""

    def __init__(self, ident):
        self.id = ident

    def __repr__(self):
        return self.id[:12]

    def address(self, network):
        """Its address in a network, which this host reaches."""
        networks = inspect(self.id)["NetworkSettings"]["Networks"]
        return networks[network]["IPAddress"]

    def execute(self, *command, check=True):
        return docker("exec", self.id, *command, check=check)

    def state(self):
        return inspect(self.id)["State"]

    def logs(self):
        result = subprocess.run(["docker", "logs", self.id], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, check=False)
        return result.stdout.decode("utf-8", "replace")

    def wait_ended(self):
        """Its exit status."""
        wait_until(lambda: not self.state()["Running"], what=f"{self} ends")
        return self.state()["ExitCode"]


class Project:
    """compose.yml with a profile, under a name of its own."""

    def __init__(self, profile):
        self.name = f"ubtest{os.getpid()}"
        self.profile = profile
        self.settings = {
            "VERSION": VERSION,
            "POSTFIX_RECIPIENT_DELIMITER": "+",
            # Ports of the host's choice: the usual may be taken.
            "SOCKETMAP_PUBLISH": "127.0.0.1:",
            "METRICS_PUBLISH": "127.0.0.1:",
        }

    def compose(self, *arguments, timeout=300):
        command = [*compose_command(), "--project-name", self.name, "--profile", self.profile,
                   "--file", COMPOSE_FILE, *arguments]
        result = subprocess.run(
            [str(word) for word in command], env={**os.environ, **self.settings},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=COMPOSE_FILE.parent, text=True, errors="replace", timeout=timeout, check=False,
        )
        assert result.returncode == 0, f"compose {arguments}\n{result.stdout[-6000:]}"
        return result.stdout

    def containers(self, service):
        """Those of a service that run."""
        return [Container(i) for i in docker(
            "ps", "-q", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}",
            "--filter", f"label=com.docker.compose.service={service}").split()]

    def one(self, service):
        found = self.containers(service)
        assert len(found) == 1, f"{service}: {found}"
        return found[0]

    def network(self, name):
        return f"{self.name}_{name}"

    def scale(self, service, count):
        """Containers of a service more or fewer, the others left as they are."""
        self.compose("up", "-d", "--no-recreate", "--no-deps", "--no-build",
                     "--scale", f"{service}={count}", service)
        wait_until(lambda: len(self.containers(service)) == count, what=f"{count} of {service}")

    def metrics(self, container, port):
        where = f"http://{container.address(self.network('metrics'))}:{port}/metrics"
        response = fetch(where)
        assert response.status == 200, response
        return Exposition(response.body)

    def down(self):
        """Seconds that it took."""
        began = time.monotonic()
        self.compose("down", "--volumes", "--timeout", "30")
        return time.monotonic() - began

    def wait_healthy(self, *services):
        for service in services:
            for container in self.containers(service):
                wait_until(lambda c=container: c.state()["Health"]["Status"] == "healthy",
                           2 * PATIENCE, f"{service} is healthy")
