#!/usr/bin/env python3
"""Other receivers of hooks beside the gateway: the same bodies, on one core, in turns.

Each is configured as its documentation says for hooks with a password, does the least that it can,
and gets as many connections as suit it best. `loadtest drive` makes the load. What each stored is
counted afterwards; what is not installed is not measured. Needs nothing but the standard library.
"""

import argparse
import base64
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CONNECTIONS = [1, 8, 64, 256]
USER, PASSWORD = "loadtest", "a-password-of-the-loadtest"
OPERATOR = "operator-token-of-the-loadtest"
PACKAGES = "buildbot buildbot-www flask gunicorn"
INSTALL = f"apt-get install webhook; python3 -m venv VENV && VENV/bin/pip install {PACKAGES}"

# What somebody writes who needs a receiver soon; gunicorn runs it with one process and threads.
FLASK = '''
import os, sqlite3, threading
from flask import Flask, request
app, local = Flask(__name__), threading.local()
def database():
    if not hasattr(local, "db"):
        local.db = sqlite3.connect(os.environ["RECEIVER_DATABASE"], timeout=30)
        local.db.execute("PRAGMA journal_mode = WAL")
        local.db.execute("PRAGMA synchronous = FULL")
    return local.db
with database() as db:
    db.execute("CREATE TABLE IF NOT EXISTS delivery (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
@app.get("/")
def index():
    return "OK"
@app.post("/hook")
def hook():
    given = request.authorization
    if given is None or f"{given.username}:{given.password}" != os.environ["RECEIVER_PASSWORD"]:
        return "", 401
    with database() as db:
        db.execute("INSERT INTO delivery (body) VALUES (?)", (request.get_data(),))
    return "", 202
'''

# A master that only takes changes from a hook. Buildbot has no dialect for Azure DevOps, so this is
# one as its documentation describes it. The scheduler's project never has a change.
BUILDBOT = '''
import json, os
from buildbot.plugins import schedulers, util, worker
from buildbot.www.hooks.base import BaseHookHandler
from twisted.cred import strcred
class AzureDevOps(BaseHookHandler):
    def getChanges(self, request):
        event = json.load(request.content)
        resource, text = event["resource"], event["message"]["text"][:80]
        found = resource.get("repository") or resource.get("pullRequest", {}).get("repository")
        return [{"author": text, "comments": text, "files": [], "project": "loadtest",
                 "repository": (found or {}).get("name", ""), "revision": event["id"]}], "git"
c = BuildmasterConfig = {
    "buildbotNetUsageData": None,
    "buildbotURL": os.environ["RECEIVER_URL"],
    "db": {"db_url": "sqlite:///state.sqlite"},
    "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
    "workers": [worker.Worker("nobody", "unused")],
    "builders": [
        util.BuilderConfig(name="none", workernames=["nobody"], factory=util.BuildFactory())],
    "schedulers": [schedulers.AnyBranchScheduler(name="none", builderNames=["none"],
        change_filter=util.ChangeFilter(project="another"))],
    "www": {"port": os.environ["RECEIVER_PORT"],
        "change_hook_dialects": {"base": {"custom_class": AzureDevOps}},
        "change_hook_auth": [strcred.makeChecker("file:" + os.environ["RECEIVER_PASSWORDS"])]},
}
'''


class Receiver:
    """A program with a hook; a subclass starts it and counts what it kept."""

    alive = "/"

    def __init__(self, options, folder):
        self.folder = folder / self.name
        self.program = self.find(options)
        self.authorization = basic(USER, PASSWORD)
        self.connections, self.next, self.rounds = 1, 0, []
        self.acknowledged = self.failed = 0

    def version(self):
        """What it prints of itself, shortened to the number; none where it is not installed."""
        argument = "-version" if self.name == "webhook" else "--version"
        try:
            output = subprocess.run([self.program, argument], capture_output=True, text=True)
        except OSError:
            return None
        number = re.search(r"\d[\w.+-]*", output.stdout)
        return number.group() if number and output.returncode == 0 else None

    def start(self, options):
        self.folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command, environment = self.configure()
        log = open(self.folder / "receiver.log", "w")
        self.process = subprocess.Popen(
            [*options.pin, *map(str, command)],
            env={**os.environ, **environment}, stdout=log, stderr=log,
        )
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                end = Path(log.name).read_text()[-500:]
                raise SystemExit(f"{self.name} did not start; the end of its log: {end}")
            time.sleep(0.05)
        self.process.send_signal(signal.SIGSTOP)

    def answers(self):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.alive}", timeout=5).close()
            return True
        except OSError:
            return False

    def drive(self, options, *arguments):
        """Loads it with `loadtest drive`; the JSON that this prints."""
        command = [options.loadtest, "drive", "--address", f"127.0.0.1:{self.port}"]
        command += ["--path", self.path, "--authorization", self.authorization]
        command += ["--process", self.process.pid, "--first", self.next, *arguments]
        output = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True)
        return json.loads(output.stdout)

    def load(self, options, connections, seconds):
        """All others are paused, and what this one does afterwards is waited for."""
        self.process.send_signal(signal.SIGCONT)
        driven = self.drive(options, "--connections", connections, "--seconds", seconds)
        self.next = driven["next"]
        self.acknowledged += driven["acknowledged"]
        self.failed += sum(driven["measured"]["counts"].values())
        self.settle()
        self.process.send_signal(signal.SIGSTOP)
        return driven["measured"]["figures"]

    def find_connections(self, options):
        most = 0.0
        for connections in CONNECTIONS:
            rate = self.load(options, connections, 1)["accepts_per_second"]
            if rate <= most:
                break
            most, self.connections = rate, connections

    def settle(self):
        """What it kept, when that has not changed for a while."""
        kept, since, deadline = self.kept(), time.monotonic(), time.monotonic() + 30
        while time.monotonic() - since < 0.7 and time.monotonic() < deadline:
            time.sleep(0.14)
            now = self.kept()
            if now != kept:
                kept, since = now, time.monotonic()
        return kept

    def finish(self, options):
        """What it kept, and what it keeps more when one of the first deliveries comes twice."""
        self.process.send_signal(signal.SIGCONT)
        self.kept_in_all = self.settle()
        self.drive(options, "--repeat", 2)
        self.kept_of_duplicates = self.settle() - self.kept_in_all
        self.process.terminate()
        self.process.wait(60)

    def is_kept(self):
        return self.acknowledged <= self.kept_in_all <= self.acknowledged + self.failed


class Gateway(Receiver):
    name, promise, alive = "azdo-gateway", "on disk (fsync) before it answers", "/livez"

    def find(self, options):
        return options.gateway

    def configure(self):
        config = self.folder / "gateway.toml"
        config.write_text(
            f'[server]\nlisten = "127.0.0.1:{self.port}"\n'
            f'public_url = "http://127.0.0.1:{self.port}"\n'
            f'[storage]\nurl = "sqlite:{self.folder}/gateway.db"\n'
            '[secrets]\nroot_key = { env = "ROOT_KEY" }\n[[api_token]]\nname = "loadtest"\n'
            'role = "operator"\ntoken = { env = "OPERATOR_TOKEN" }\n[[organization]]\n'
            'name = "contoso"\nazure_devops_url = "http://127.0.0.1:9/contoso"\nhooks = false\n'
            'catch_up = "off"\n[organization.credential]\nkind = "pat"\ntoken = { env = "PAT" }\n'
        )
        environment = {"AZDO_GATEWAY_CONFIG": str(config), "OPERATOR_TOKEN": OPERATOR}
        environment |= {"PAT": "not-a-token-and-never-sent", "ROOT_KEY": ""}

        def keygen(*words):
            command = [self.program, "keygen", *words]
            return subprocess.check_output(command, env={**os.environ, **environment}, text=True)

        environment["ROOT_KEY"] = keygen().strip()
        hook = json.loads(keygen("--json", "--any-project", "--hook", "contoso/loadtest"))
        self.path = "/" + hook["url"].split("/", 3)[3]
        self.authorization = basic(hook["user"], hook["password"])
        return [self.program, "serve"], environment

    def settle(self):
        undecided = 'azdo_gateway_backlog{stage="undecided"} '
        while any(line.startswith(undecided) and float(line.split()[-1]) > 0
                  for line in self.get("/metrics").splitlines()):
            time.sleep(0.25)
        return self.kept()

    def kept(self):
        newest = json.loads(self.get("/v1/deliveries?limit=1"))["items"]
        return int(newest[0]["id"]) if newest else 0

    def get(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("authorization", f"Bearer {OPERATOR}")
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()


class Webhook(Receiver):
    name, promise = "webhook", "nothing is stored; a command is started after the answer"
    path = "/hooks/loadtest"

    def find(self, options):
        return options.webhook

    def configure(self):
        # The cheapest command that leaves a trace: it makes one empty file.
        made, words = self.folder / "made", ["-q", "-p", str(self.folder / "made")]
        made.mkdir()
        header = {"source": "header", "name": "Authorization"}
        match = {"type": "value", "value": self.authorization, "parameter": header}
        hooks = self.folder / "hooks.json"
        hooks.write_text(json.dumps([{
            "id": "loadtest",
            "execute-command": "/usr/bin/mktemp",
            "pass-arguments-to-command": [{"source": "string", "name": word} for word in words],
            "success-http-response-code": 202,
            "trigger-rule": {"match": match},
        }]))
        return [self.program, "-hooks", hooks, "-ip", "127.0.0.1", "-port", self.port], {}

    def kept(self):
        return len(os.listdir(self.folder / "made"))


class Buildbot(Receiver):
    name, promise = "buildbot", "a change committed to SQLite (WAL, fsync) before it answers"
    path = "/change_hook/base"

    def find(self, options):
        return options.venv / "bin/buildbot"

    def configure(self):
        master, passwords = self.folder / "master", self.folder / "passwords"
        subprocess.run([self.program, "create-master", master], check=True, capture_output=True)
        (master / "master.cfg").write_text(BUILDBOT)
        passwords.write_text(f"{USER}:{PASSWORD}\n")
        return [self.program, "start", "--nodaemon", master], {
            "RECEIVER_URL": f"http://127.0.0.1:{self.port}/",
            "RECEIVER_PORT": f"tcp:{self.port}:interface=127.0.0.1",
            "RECEIVER_PASSWORDS": str(passwords),
        }

    def kept(self):
        return rows(self.folder / "master/state.sqlite", "changes")


class Flask(Receiver):
    name, promise = "flask-sqlite", "a row committed to SQLite (WAL, fsync) before it answers"
    path = "/hook"

    def find(self, options):
        return options.venv / "bin/gunicorn"

    def configure(self):
        (self.folder / "receiver.py").write_text(FLASK)
        command = [self.program, "--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread"]
        command += ["--workers", "1", "--threads", "8", "--keep-alive", "75"]
        command += ["--log-level", "warning", "--chdir", self.folder, "receiver:app"]
        database = str(self.folder / "receiver.db")
        return command, {"RECEIVER_DATABASE": database, "RECEIVER_PASSWORD": f"{USER}:{PASSWORD}"}

    def kept(self):
        return rows(self.folder / "receiver.db", "delivery")


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def rows(path, table):
    """Counts in the database of a receiver that runs."""
    with sqlite3.connect(path, timeout=30) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def summary(one, ours):
    """Medians over the rounds, and what was kept."""
    def median(figure):
        return statistics.median(load[figure] for load in one.rounds)

    rate = "accepts_per_second"
    ratios = [load[rate] / base[rate] for load, base in zip(one.rounds, ours.rounds)]
    return {
        "receiver": one.name,
        "version": one.version(),
        "in flight": one.connections,
        "answered/s": round(median(rate)),
        "x ours": f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})",
        "p50 ms": round(median("p50_ms"), 2),
        "p99 ms": round(median("p99_ms"), 2),
        "us/answer": round(median("server_us_per_accept")),
        "acknowledged": one.acknowledged,
        "failed": one.failed,
        "kept": f"{one.kept_in_all}{'' if one.is_kept() else ' (NOT what was acknowledged)'}",
        "duplicates kept": one.kept_of_duplicates,
        "promise": one.promise,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    release = Path(__file__).resolve().parent.parent / "target/release"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--seconds", type=int, default=4, help="of load in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write everything that was measured there")
    parser.add_argument("--gateway", type=Path, default=release / "azdo-gateway")
    parser.add_argument("--loadtest", type=Path, default=release / "loadtest")
    parser.add_argument("--webhook", default="webhook", help="the binary of adnanh's webhook")
    parser.add_argument("--venv", type=Path, default=cache / "azdo-gateway-loadtest/venv",
                        help=f"a virtual environment with {PACKAGES}")
    parser.add_argument("--folder", help="decides which disk is measured")
    options = parser.parse_args()
    is_pinned = (os.cpu_count() or 1) > 1 and shutil.which("taskset")
    options.pin = ["taskset", "-c", "0"] if is_pinned else []
    with tempfile.TemporaryDirectory(prefix="loadtest-", dir=options.folder) as folder:
        receivers = [kind(options, Path(folder)) for kind in (Gateway, Webhook, Buildbot, Flask)]
        for receiver in receivers:
            if not receiver.version():
                print(f"not measured: {receiver.name} is not installed; `{INSTALL}` does it")
        receivers = [receiver for receiver in receivers if receiver.version()]
        try:
            for receiver in receivers:
                receiver.start(options)
            for receiver in receivers:
                receiver.find_connections(options)
            for number in range(options.rounds):
                # Each is first, second and last in turn.
                first = number % len(receivers)
                for one in receivers[first:] + receivers[:first]:
                    one.rounds.append(one.load(options, one.connections, options.seconds))
                    rate = one.rounds[-1]["accepts_per_second"]
                    print(f"round {number + 1}: {one.name} answers {rate:.0f}/s")
            for receiver in receivers:
                receiver.finish(options)
        finally:
            for receiver in receivers:
                if hasattr(receiver, "process"):
                    receiver.process.kill()
        ours, results = receivers[0], [summary(one, receivers[0]) for one in receivers]
        for result in results:
            print("\n" + ", ".join(f"{key} {value}" for key, value in result.items()))
        if options.json:
            rounds = [{"rounds": one.rounds} for one in receivers]
            document = [result | more for result, more in zip(results, rounds)]
            options.json.write_text(json.dumps(document, indent=2))
        return 0 if ours.is_kept() and ours.kept_of_duplicates == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
