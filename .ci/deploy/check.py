#!/usr/bin/env python3
"""Checks the files of docs/deploy: each is one that somebody copies, and nothing else would notice a mistake in it.

    .ci/deploy/check.py PRISM      PRISM is the built binary

- A unit passes `systemd-analyze verify`, and exposes no more than LIMIT by `systemd-analyze security`.
- A manifest holds no key twice, is what the schemas of Kubernetes allow, unknown fields refused, and fits together: names,
  ports, probes, selectors, volumes.
- A configuration, also one in a ConfigMap, passes `prism check-config`.
- A service config for clients holds no key twice; that it agrees with the schema is for the tests of prism-proxy, and that gRPC
  accepts it for .ci/foreign.
- The SQL of the roles runs on a throwaway cluster, and leaves the gateway's role with the rights it needs and no more.

What a machine lacks the tools for is said, at the end and by name; nothing else is left out.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from throwaway_postgres import Postgres, programs  # noqa: E402 (the path comes first)

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "docs/deploy"
# Kubernetes versions with schemas of their own in the package; the pods use preStop.sleep, which is older than all of them.
KUBERNETES = ["1.34", "1.37"]
# Of 10, as `systemd-analyze security` counts: what serves the network and holds data should expose little.
LIMIT = 1.5
LABEL = "app.kubernetes.io/name"


class OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def run(command, **more):
    """Runs a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check_config(prism, path):
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PRISM_", "DATABASE_URL"))}
    run([prism, "check-config", "--config", path], env=keep | {"ORDERS_TOKEN": "a-token-for-the-check"})


def unit(prism, path):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        text = path.read_text(encoding="utf-8")
        assert "/usr/local/bin/prism " in text, f"{path.name} starts another program"
        copy.write_text(text.replace("/usr/local/bin/prism ", f"{prism} "), encoding="utf-8")
        said = run(["systemd-analyze", "verify", "--man=no", copy])
        assert not said, f"{path.name}: {said}"
        run(["systemd-analyze", "security", "--offline=yes", f"--threshold={int(LIMIT * 10)}", copy])


def manifests(prism, path):
    documents = [document for document in yaml.load_all(path.read_text(encoding="utf-8"), OnceLoader) if document]
    for document in documents:
        for version in KUBERNETES:
            kubernetes_validate.validate(document, version, strict=True)
    by_kind = {}
    for document in documents:
        by_kind.setdefault(document["kind"], []).append(document)
    (workload,) = by_kind.get("Deployment", []) + by_kind.get("StatefulSet", [])
    pod, labels = workload["spec"]["template"]["spec"], workload["spec"]["template"]["metadata"]["labels"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    # The selectors choose the pods, and the Service leads to a port of theirs.
    assert workload["spec"]["selector"]["matchLabels"] == labels, "the workload does not select its own pods"
    (service,) = by_kind["Service"]
    assert service["spec"]["selector"] == labels, "the Service selects other pods"
    for port in service["spec"]["ports"]:
        assert port["targetPort"] in ports, f"the Service leads to a port {port['targetPort']}, which no pod has"
    for budget in by_kind.get("PodDisruptionBudget", []):
        assert budget["spec"]["selector"]["matchLabels"] == labels, "the budget counts other pods"
    # Probes ask the port that is served; only the health of the whole server decides about a pod's life.
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        (how,) = [container[name][kind] for kind in ("grpc", "tcpSocket") if kind in container[name]]
        assert how["port"] in ports.values(), f"{name} asks another port"
    assert "tcpSocket" in container["livenessProbe"], "a database that is away must not restart the gateways"
    # Everything that is mounted is there, and what is configured is a configuration.
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = {volume["name"] for volume in pod["volumes"]} | set(claims)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == volumes, f"mounted are {sorted(mounts)}, and there are {sorted(volumes)}"
    (config_map,) = by_kind["ConfigMap"]
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"], "another ConfigMap is mounted"
    ((name, text),) = config_map["data"].items()
    assert container["args"] == ["serve", "--config", f"{mounts['config']}/{name}"], "another file is served"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text, encoding="utf-8")
        check_config(prism, Path(folder) / name)
    listen = yaml.safe_load(text)["server"]["listen"]
    assert listen == f"0.0.0.0:{ports['grpc']}", f"it listens on {listen}"
    grace = pod["terminationGracePeriodSeconds"]
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert grace > pause + 10, "the pod is killed before server.drain_timeout is over"


def service_config(path):
    def once(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"{path.name}: a key stands twice in {keys}"
        return dict(pairs)

    assert json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)["methodConfig"]


def roles(path):
    """Runs the SQL as a superuser on a cluster of its own, and then asks as the roles that it made."""
    with Postgres() as server:
        psql = [server.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
        environment = os.environ | server.environment()
        run([*psql, "-d", "postgres", "-f", path], env=environment)
        migrations = sorted((ROOT / "migrations/postgres").glob("*/*.sql"))
        assert migrations, "there are no migrations"
        for migration in migrations:
            run([*psql, "-U", "prism_owner", "-d", "prism", "-f", migration], env=environment)
        ask = [*psql, "-U", "prism", "-d", "prism", "-c"]
        for allowed in (
            "SELECT nextval('prism_versions')",
            "SELECT count(*) FROM prism_items",
            "SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock_shared(2)",
            "DELETE FROM prism_items; UPDATE prism_items SET token = 0",
        ):
            run([*ask, allowed], env=environment)
        for refused in ("CREATE TABLE t (x int)", "DROP TABLE prism_items", "TRUNCATE prism_items"):
            done = subprocess.run([*ask, refused], capture_output=True, text=True, check=False, env=environment)
            denied = "permission denied" in done.stderr or "must be owner" in done.stderr
            assert done.returncode and denied, f"the role prism may do {refused}: {done.stderr}"


def main():
    prism = Path(sys.argv[1]).resolve()
    lacking = []
    for path in sorted(DEPLOY.iterdir()):
        if path.suffix == ".service":
            if not shutil.which("systemd-analyze"):
                lacking.append(f"{path.name}: systemd-analyze is not here")
                continue
            unit(prism, path)
        elif path.name.startswith("kubernetes-") and path.suffix == ".yaml":
            manifests(prism, path)
        elif path.suffix == ".yaml":
            check_config(prism, path)
        elif path.suffix == ".json":
            service_config(path)
        elif path.suffix == ".sql":
            if not programs():
                lacking.append(f"{path.name}: there are no programs of PostgreSQL here")
                continue
            roles(path)
        else:
            raise SystemExit(f"{path.name}: how to check it is not known")
        print(f"{path.relative_to(ROOT)}: as it should be")
    print(f"{len(lacking)} not checked on this machine{':' if lacking else ''}")
    for line in lacking:
        print(f"  {line}")


if __name__ == "__main__":
    main()
