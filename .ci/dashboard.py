#!/usr/bin/env python3
"""Checks the dashboard on real data, and draws its plots of a load with faults.

    .ci/dashboard.py PRISM PRISM_BENCH [PICTURE]

A gateway with a Postgres and a SQLite backend is scraped by Prometheus (from PATH) while a steady load runs and three faults come
one after the other: a namespace that floods, a database that is stopped, and more calls at once than the gateway admits. Each query
of each panel of docs/deploy/grafana-dashboard.json must then return data. With PICTURE (matplotlib is required) the plots are drawn.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from throwaway_postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "docs/deploy/grafana-dashboard.json"
ALERTS = ROOT / "docs/deploy/prometheus-alerts.yaml"
# Calls that may be executed at once: few, so that an overload is reached by a small machine.
SLOTS = 96
CALM, FLOOD, OUTAGE, RECOVERY, OVERLOAD = 25, 25, 15, 20, 25
# The panels of the picture, by title.
SHOWN = ["Calls by status", "Latency of calls: P50, P99", "Calls by namespace", "Calls shed", "Backends serving", "Waiting requests"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return None


class Story:
    """The gateway, its databases, Prometheus and the loads; all end with the block."""

    def __init__(self, prism, bench, folder, postgres):
        self.prism, self.bench, self.folder, self.postgres = prism, bench, folder, postgres
        self.grpc, self.admin, self.prometheus = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.processes = []

    def start(self, *command):
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            process = subprocess.Popen([str(part) for part in command], cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def __enter__(self):
        url = f"postgres://postgres@127.0.0.1:{self.postgres.port}/postgres"
        (self.folder / "prism.yaml").write_text(
            f"""server: {{listen: "{self.grpc}", max_in_flight: {SLOTS}}}
admin: {{listen: "{self.admin}"}}
logging: {{level: error}}
backends:
  main: {{type: postgres, url: "{url}"}}
  local: {{type: sqlite, path: local.db, sweep_interval: 1s}}
namespaces:
  default_backend: main
  rules: [{{match: local, backend: local, default_ttl: 5s}}]
""",
            encoding="utf-8",
        )
        shutil.copy(ALERTS, self.folder / "prometheus-alerts.yaml")
        (self.folder / "prometheus.yaml").write_text(
            f"""global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [prometheus-alerts.yaml]
scrape_configs: [{{job_name: prism, static_configs: [{{targets: ["{self.admin}"]}}]}}]
""",
            encoding="utf-8",
        )
        self.start(self.prism, "serve", "--config", "prism.yaml")
        until("the gateway is ready", lambda: get(f"http://{self.admin}/readyz") is not None)
        self.start(
            "prometheus",
            "--config.file=prometheus.yaml",
            f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address={self.prometheus}",
        )
        until("Prometheus has the metrics", lambda: self.query("prism_ready"))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def query(self, expression, **times):
        path = "query_range" if times else "query"
        arguments = urllib.parse.urlencode({"query": expression, **times})
        answer = get(f"http://{self.prometheus}/api/v1/{path}?{arguments}")
        return json.loads(answer)["data"]["result"] if answer else []

    def load(self, seconds, *arguments):
        endpoint = ("--endpoint", f"http://{self.grpc}", "--seconds", seconds, "--warm-up", 0)
        return self.start(self.bench, "load", *endpoint, *arguments)

    def lines(self, namespace, count):
        """A file of records for an import."""
        path = self.folder / f"{namespace}.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            for number in range(count):
                file.write(json.dumps({"id": f"r{number}", "items": [{"key": "k", "value": "v" * 100}]}) + "\n")
        return path

    def importing(self, namespace, path):
        return self.start(self.prism, "import", namespace, path, "--endpoint", f"http://{self.grpc}")

    def run(self):
        """Returns the moments at which the parts begin and the last ends, with their names."""
        flood, local = self.lines("noisy", 2_000_000), self.lines("local", 20_000)
        total = CALM + FLOOD + OUTAGE + RECOVERY + OVERLOAD
        self.load(total, "--mix", "a", "--rate", 1_000, "--records", 1_000)
        began = [(time.time(), "calm")]
        self.importing("local", local)
        time.sleep(CALM)
        began.append((time.time(), "flood"))
        noisy = self.importing("noisy", flood)
        time.sleep(FLOOD)
        noisy.terminate()
        began.append((time.time(), "outage"))
        self.postgres.run("pg_ctl", "-m", "immediate", "-w", "stop")
        time.sleep(OUTAGE)
        self.postgres.start()
        began.append((time.time(), "recovery"))
        time.sleep(RECOVERY)
        began.append((time.time(), "overload"))
        self.load(OVERLOAD, "--mix", "put", "--records", 1_000, "--connections", 8, "--in-flight", 64)
        time.sleep(OVERLOAD)
        began.append((time.time(), ""))
        return began


def expression(text):
    """A query of the dashboard, with the values of its variables."""
    return text.replace("$__rate_interval", "5s").replace("$job", ".+")


def label(text, metric):
    for name, value in metric.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def panels(story, began):
    """The panels with their series; a query without data is an error."""
    times = {"start": began[0][0], "end": began[-1][0], "step": 1}
    found, empty = [], []
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        series = []
        for target in panel["targets"]:
            data = story.query(expression(target["expr"]), **times)
            if not data:
                empty.append(f"{panel['title']}: {target['expr']}")
            series += [(label(target["legendFormat"], one["metric"]), one["values"]) for one in data]
        found.append((panel, series))
    if empty:
        raise SystemExit("queries of the dashboard without data:\n  " + "\n  ".join(empty))
    return found


def draw(found, began, picture):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [entry for title in SHOWN for entry in found if entry[0]["title"] == title]
    figure, axes = pyplot.subplots(3, 2, figsize=(12, 11), layout="constrained")
    start = began[0][0]
    for (panel, series), plot in zip(shown, axes.flat, strict=True):
        for name, values in series:
            plot.plot([float(at) - start for at, _ in values], [float(value) for _, value in values], label=name, linewidth=1.3)
        for at, part in began[:-1]:
            plot.axvline(at - start, color="0.6", linewidth=0.8, linestyle=":")
            plot.text(at - start + 0.7, 0.99, part, transform=plot.get_xaxis_transform(), va="top", fontsize=7, color="0.35")
        unit = {"ops": "per second", "s": "seconds"}.get(panel["fieldConfig"]["defaults"]["unit"], "")
        plot.set_title(panel["title"], fontsize=10, loc="left")
        plot.set_ylabel(unit, fontsize=8)
        if panel["title"].startswith("Latency"):
            plot.set_yscale("log")
        else:
            plot.set_ylim(bottom=0, top=plot.get_ylim()[1] * 1.1)
        plot.tick_params(labelsize=8)
        used = [line for line in plot.get_lines() if len(line.get_xdata()) > 2 and max(line.get_ydata()) > 0]
        plot.legend(handles=used, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4, frameon=False)
    figure.savefig(picture, dpi=85)


def alerts(story):
    """The alerts that were pending or firing."""
    fired = story.query("count_over_time(ALERTS[5m])")
    return sorted({alert["metric"]["alertname"] for alert in fired})


def main():
    prism, bench = (Path(argument).resolve() for argument in sys.argv[1:3])
    picture = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(prefix="prism-dashboard-") as folder, Postgres() as postgres:
        with Story(prism, bench, Path(folder), postgres) as story:
            began = story.run()
            found = panels(story, began)
            print(f"{len(found)} panels have data; alerts that became pending: {', '.join(alerts(story))}")
            if picture:
                draw(found, began, picture)


if __name__ == "__main__":
    main()
