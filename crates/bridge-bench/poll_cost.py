"""What polling an unchanged Odoo costs: calls, bytes and processor time a minute.

usage: poll_cost.py ODOO_URL DATABASE LOGIN PASSWORD SQL_URL BRIDGECORE [--models 200] [--rows 5000] [--minutes 5]

ODOO_URL is a running Odoo on this machine that can be spared, SQL_URL its database as a role that may write its tables.
Models named `x_bench_…` are made and filled. Then BridgeCore polls every model over the API, through a proxy that counts
bytes, and what Odoo's and PostgreSQL's processes spend is read from /proc. The first minutes, in which everything is
looked at for the first time, are told apart from the minutes after.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
import xmlrpc.client

TICKS = os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("odoo_url", "database", "login", "password", "sql_url", "bridgecore"):
        parser.add_argument(name)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=5)
    return parser.parse_args()


def fill(given):
    """Makes the models over the API and their rows by SQL."""
    common = xmlrpc.client.ServerProxy(f"{given.odoo_url}/xmlrpc/2/common")
    user = common.authenticate(given.database, given.login, given.password, {})
    objects = xmlrpc.client.ServerProxy(f"{given.odoo_url}/xmlrpc/2/object", allow_none=True)

    def call(model, method, *args, **kwargs):
        return objects.execute_kw(given.database, user, given.password, model, method, list(args), kwargs)

    names = [f"x_bench_{number:03}" for number in range(given.models)]
    there = {found["model"] for found in call("ir.model", "search_read", [["model", "in", names]], fields=["model"])}
    missing = [name for name in names if name not in there]
    for start in range(0, len(missing), 20):
        some = missing[start : start + 20]
        made = call("ir.model", "create", [{"name": name, "model": name} for name in some])
        rights = [
            {"name": f"bench {number}", "model_id": number, "perm_read": True, "perm_write": True}
            for number in made
        ]
        call("ir.model.access", "create", rights)
    sql = "\n".join(
        f"INSERT INTO {name} (x_name, create_uid, write_uid, create_date, write_date) "
        f"SELECT 'record ' || n, 2, 2, now() - interval '3 days', now() - interval '2 days' + n * interval '1 s' "
        f"FROM generate_series(1, {given.rows}) AS n WHERE NOT EXISTS (SELECT FROM {name}); ANALYZE {name};"
        for name in names
    )
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", given.sql_url], input=sql, text=True, check=True)


class Proxy:
    """Counts what goes to Odoo and comes from it."""

    def __init__(self, target):
        self.target = target
        self.to_odoo = self.from_odoo = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.target)
            threading.Thread(target=self.copy, args=(client, server, "to_odoo"), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, "from_odoo"), daemon=True).start()

    def copy(self, source, sink, counter):
        try:
            while data := source.recv(65536):
                setattr(self, counter, getattr(self, counter) + len(data))
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def listener_of(port):
    """The process that listens on a port."""
    found = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"pid=(\d+)", found).group(1))


def processor_seconds(parent):
    """What a process and its children have spent so far, ended children included."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        number, rest = int(text.split(" ", 1)[0]), text.rsplit(")", 1)[1].split()
        if number == parent or int(rest[1]) == parent:
            total += int(rest[11]) + int(rest[12])
        if number == parent:
            total += int(rest[13]) + int(rest[14])
    return total / TICKS


class Service:
    """BridgeCore with a store of its own."""

    def __init__(self, bridgecore, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        config = folder / "bridgecore.toml"
        config.write_text(
            f'[server]\nlisten = "{self.url[7:]}"\n[store]\nurl = "sqlite://{folder}/bridgecore.db"\n'
            '[security]\nsecret_key = "0123456789abcdef0123456789abcdef"\n'
            'encryption_keys = ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]\nfirst_admin_password = "poll-cost-9"\n'
        )
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen([bridgecore, "serve", "--config", config], stdout=self.log, stderr=self.log)
        self.token = None
        for _ in range(100):
            try:
                self.ask("/health/ready")
                break
            except OSError:
                time.sleep(0.1)
        self.token = self.ask("/api/v1/auth/login", {"username": "admin", "password": "poll-cost-9"})["access_token"]

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None)
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request) as answer:
            text = answer.read().decode()
            return json.loads(text) if text.startswith("{") else text


def main():
    given = arguments()
    fill(given)
    host, port = given.odoo_url.split("://")[1].split(":")
    sql_port = int(re.search(r":(\d+)/", given.sql_url).group(1))
    odoo, postgres = listener_of(port), listener_of(sql_port)
    proxy = Proxy((host, int(port)))
    folder = tempfile.TemporaryDirectory()
    service = Service(given.bridgecore, pathlib.Path(folder.name))
    connection = {
        "url": f"http://127.0.0.1:{proxy.port}",
        "database": given.database,
        "username": given.login,
        "password": given.password,
    }
    system = {"system_id": "odoo", "system_type": "odoo", "name": "Odoo", "connection_config": connection}
    service.ask("/api/v1/systems", system)

    def state():
        poll = service.ask("/api/v1/systems/odoo/status")["poll"] or {}
        spent = (processor_seconds(odoo), processor_seconds(postgres), processor_seconds(service.process.pid))
        moving = service.ask("/api/v1/systems/odoo/detection")["moving"]
        return time.monotonic(), poll, moving, proxy.to_odoo, proxy.from_odoo, spent

    def tell(what, before, after):
        minutes = (after[0] - before[0]) / 60
        calls = after[1].get("calls", 0) - before[1].get("calls", 0)
        up, down = after[3] - before[3], after[4] - before[4]
        spent = [later - earlier for earlier, later in zip(before[5], after[5])]
        print(
            f"| {what} | {minutes:.1f} | {after[1].get('models')} | {calls / minutes:.0f} | {up / minutes / 1000:.1f} | "
            f"{down / minutes / 1000:.1f} | {spent[0] / minutes:.2f} | {spent[1] / minutes:.2f} | {spent[2] / minutes:.2f} |",
            flush=True,
        )

    print("| | minutes | models | calls/min | kB/min to Odoo | kB/min back | s/min Odoo | s/min PostgreSQL | s/min BridgeCore |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    first = before = state()
    quiet = None
    while True:
        time.sleep(30)
        after = state()
        tell("", before, after)
        adopted = after[1].get("models", 0) >= given.models and after[1].get("behind_seconds", 1) == 0 and not after[2]
        if quiet is None and adopted:
            tell("**first looks**", first, after)
            quiet = after
        elif quiet is not None and after[0] - quiet[0] >= given.minutes * 60:
            tell("**then**", quiet, after)
            break
        before = after
    service.process.terminate()
    service.process.wait()


main()
