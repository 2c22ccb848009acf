#!/usr/bin/env python3
"""Checks the files in docs/deploy, which are for copying and not covered by other tests.

    .ci/deploy/check.py PRISM      PRISM is the built binary

- Units pass `systemd-analyze verify`, with an exposure of at most LIMIT in `systemd-analyze security`.
- Manifests have no duplicate keys, match the Kubernetes schemas without unknown fields, and are consistent: names, ports,
  probes, selectors, volumes.
- Configurations, also in a ConfigMap, pass `prism check-config`.
- Alerts and configurations of Prometheus pass promtool, where it is installed. Dashboards have no duplicate keys; the tests of
  prism-proxy compare their queries, and those of the alerts, with the metrics.
- Service configs for clients have no duplicate keys. The tests of prism-proxy compare them with the schema; .ci/foreign
  checks that gRPC accepts them.
- The SQL of the roles runs on a throwaway cluster, and grants the gateway's role exactly the required rights.

Files that cannot be checked for lack of tools are listed at the end; nothing else is skipped.
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
# Kubernetes versions whose schemas the package contains; preStop.sleep, used by the pods, is older than all of them.
KUBERNETES = ["1.34", "1.37"]
# Exposure from 0 to 10 in `systemd-analyze security`: low for a network service with data.
LIMIT = 1.5
LABEL = "app.kubernetes.io/name"


class OnceLoader(yaml.SafeLoader):
    """Rejects duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key '{key}'", node.start_mark)
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
        output = run(["systemd-analyze", "verify", "--man=no", copy])
        assert not output, f"{path.name}: {output}"
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
    # The selectors match the pods, and the Service targets one of their ports.
    assert workload["spec"]["selector"]["matchLabels"] == labels, "the workload does not select its own pods"
    (service,) = by_kind["Service"]
    assert service["spec"]["selector"] == labels, "the Service selects other pods"
    for port in service["spec"]["ports"]:
        assert port["targetPort"] in ports, f"the Service targets the port {port['targetPort']}, which no pod has"
    for budget in by_kind.get("PodDisruptionBudget", []):
        assert budget["spec"]["selector"]["matchLabels"] == labels, "the budget selects other pods"
    # Probes use the served port; the liveness probe must not depend on the database.
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        (probe,) = [container[name][kind] for kind in ("grpc", "tcpSocket") if kind in container[name]]
        assert probe["port"] in ports.values(), f"{name} uses another port"
    assert "tcpSocket" in container["livenessProbe"], "an unavailable database must not restart the gateways"
    # Mounts match volumes, and the ConfigMap contains a valid configuration.
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = {volume["name"] for volume in pod["volumes"]} | set(claims)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == volumes, f"mounts {sorted(mounts)} do not match volumes {sorted(volumes)}"
    (config_map,) = by_kind["ConfigMap"]
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"], "another ConfigMap is mounted"
    ((name, text),) = config_map["data"].items()
    assert container["args"] == ["serve", "--config", f"{mounts['config']}/{name}"], "another file is served"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text, encoding="utf-8")
        check_config(prism, Path(folder) / name)
    listen = yaml.safe_load(text)["server"]["listen"]
    assert listen == f"0.0.0.0:{ports['grpc']}", f"wrong listen address {listen}"
    grace = pod["terminationGracePeriodSeconds"]
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert grace > pause + 10, "the pod is killed before server.drain_timeout is over"


def unique(path):
    """JSON without duplicate keys."""

    def once(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"{path.name}: duplicate key in {keys}"
        return dict(pairs)

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)


def roles(path):
    """Runs the SQL as superuser on a throwaway cluster, then tests the rights of the created roles."""
    with Postgres() as server:
        psql = [server.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
        environment = os.environ | server.environment()
        run([*psql, "-d", "postgres", "-f", path], env=environment)
        migrations = sorted((ROOT / "migrations/postgres").glob("*/*.sql"))
        assert migrations, "no migrations found"
        for migration in migrations:
            run([*psql, "-U", "prism_owner", "-d", "prism", "-f", migration], env=environment)
        query = [*psql, "-U", "prism", "-d", "prism", "-c"]
        for allowed in (
            "SELECT nextval('prism_versions')",
            "SELECT count(*) FROM prism_items",
            "SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock_shared(2)",
            "DELETE FROM prism_items; UPDATE prism_items SET token = 0",
        ):
            run([*query, allowed], env=environment)
        for refused in ("CREATE TABLE t (x int)", "DROP TABLE prism_items", "TRUNCATE prism_items"):
            done = subprocess.run([*query, refused], capture_output=True, text=True, check=False, env=environment)
            denied = "permission denied" in done.stderr or "must be owner" in done.stderr
            assert done.returncode and denied, f"the role prism may do {refused}: {done.stderr}"


def main():
    prism = Path(sys.argv[1]).resolve()
    unchecked = []
    for path in sorted(DEPLOY.iterdir()):
        if path.suffix == ".service":
            if not shutil.which("systemd-analyze"):
                unchecked.append(f"{path.name}: systemd-analyze is not installed")
                continue
            unit(prism, path)
        elif path.name.startswith("kubernetes-") and path.suffix == ".yaml":
            manifests(prism, path)
        elif path.name.startswith("prometheus"):
            if not shutil.which("promtool"):
                unchecked.append(f"{path.name}: promtool is not installed")
                continue
            run(["promtool", "check", "rules" if "alerts" in path.name else "config", path])
        elif path.suffix == ".yaml":
            check_config(prism, path)
        elif path.name.startswith("grafana-"):
            # The tests of prism-proxy compare its queries with the metrics.
            assert unique(path)["panels"]
        elif path.suffix == ".json":
            assert unique(path)["methodConfig"]
        elif path.suffix == ".sql":
            if not programs():
                unchecked.append(f"{path.name}: PostgreSQL's binaries are not installed")
                continue
            roles(path)
        else:
            raise SystemExit(f"{path.name}: unknown kind of file")
        print(f"{path.relative_to(ROOT)}: OK")
    print(f"{len(unchecked)} not checked on this machine{':' if unchecked else ''}")
    for line in unchecked:
        print(f"  {line}")


if __name__ == "__main__":
    main()
