"""What the measurements under load share: nginx with fixed answers, wrk that asks, and what a process costs."""

import base64
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("nginx", "wrk", "libluajit-5.1-2", "libluajit-5.1-common")
CONNECTIONS = 32  # that wrk keeps
TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {folder}/{name}.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off; default_type application/json; keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  proxy_buffers 64 16k; proxy_busy_buffers_size 64k; keepalive_timeout 600;
  {servers}
}}
"""


def tools():
    """nginx and wrk, and what they are started with."""
    found = {name: shutil.which(name) or shutil.which(name, path="/usr/sbin") for name in ("nginx", "wrk")}
    environment = dict(os.environ)
    if not all(found.values()):
        cache = Path(os.environ.get("IRONGATE_CACHE") or Path.home() / ".cache" / "irongate") / "bench-tools"
        if not (cache / "complete").exists():
            cache.mkdir(parents=True, exist_ok=True)
            subprocess.run(["apt-get", "download", *PACKAGES], cwd=cache, check=True, capture_output=True)
            for archive in cache.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", archive, cache / "root"], check=True)
            (cache / "complete").touch()
        found = {"nginx": cache / "root/usr/sbin/nginx", "wrk": cache / "root/usr/bin/wrk"}
        libraries = next((cache / "root/usr/lib").glob("*-linux-gnu"))
        environment["LD_LIBRARY_PATH"] = str(libraries)
    return found, environment


class Load:
    """nginx and wrk as they were found, in a folder for their files."""

    def __init__(self, folder):
        self.folder = folder
        self.found, self.environment = tools()

    def start_nginx(self, name, servers):
        """An nginx of one process."""
        file = self.folder / f"{name}.conf"
        file.write_text(NGINX.format(folder=self.folder, name=name, servers=servers))
        return Process([self.found["nginx"], "-e", "stderr", "-c", file], env=self.environment, stderr=subprocess.DEVNULL)

    def upstream(self, number, sizes):
        """An nginx that answers as Ironic would: a node for `limit=1`, or lists of so many nodes for 2, 3, …"""
        answers = self.folder / "answers"
        answers.mkdir()
        places = ""
        for index, count in enumerate(sizes):
            content = node(0) if count == 1 else {"nodes": [node(number) for number in range(count)]}
            (answers / f"{index}.json").write_text(json.dumps(content))
            places += f'if ($arg_limit = "{index + 1}") {{ rewrite ^ /{index}.json break; }}\n'
        headers = "\n".join(f"add_header X-OpenStack-Ironic-API-{name} {value};" for name, value in
                            (("Version", "1.80"), ("Minimum-Version", "1.1"), ("Maximum-Version", "1.115")))
        return self.start_nginx("upstream", (
            f"server {{ listen 127.0.0.1:{number}; root {answers}; etag off; {headers}\n"
            f"location = /v1 {{ return 200 '{{}}'; }}\n location / {{ {places} }} }}"))

    def wrk(self, url, credential, seconds):
        """What wrk tells of asking one URL over kept connections."""
        told = subprocess.run(
            [self.found["wrk"], "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Authorization: {credential}",
             "-H", "X-OpenStack-Ironic-API-Version: 1.80", url],
            env=self.environment, capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in told and "Socket errors" not in told, told
        return Told(int(re.search(r"(\d+) requests in", told)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]))


class Told(NamedTuple):
    """What wrk counted."""

    requests: int
    per_second: float


def users(binary, folder):
    """Development certificates and an htpasswd file with `admin`; the credential."""
    subprocess.run([binary, "certs", "dev", "--directory", folder], check=True, capture_output=True)
    password = secrets.token_hex(8)
    hashed = subprocess.run([binary, "htpasswd", "admin", "--cost", "4"], input=password, capture_output=True, text=True, check=True)
    (folder / "htpasswd").write_text(hashed.stdout)
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


def wait(number):
    """Until somebody listens."""
    for _ in range(300):
        try:
            return socket.create_connection(("127.0.0.1", number), 1).close()
        except OSError:
            time.sleep(0.1)
    sys.exit("a program under test does not listen")


def port():
    """A port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def node(number):
    """A node as a list shows it, with a secret in it."""
    return {"uuid": f"1be26c0b-03f2-4d2e-ae87-{number:012}", "name": f"node-{number}", "power_state": "power on",
            "provision_state": "active", "maintenance": False, "instance_uuid": None,
            "driver_info": {"redfish_address": "https://bmc.example", "redfish_password": secrets.token_hex(8)},
            "links": [{"href": f"http://127.0.0.1/v1/nodes/1be26c0b-03f2-4d2e-ae87-{number:012}", "rel": "self"}]}


class Process:
    """A program with what it costs."""

    def __init__(self, command, **more):
        self.child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, **more)

    def cpu(self):
        """Seconds of all its threads, system included."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self):
        """Bytes of memory."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.child.pid}/status").read_text())[1]) * 1024

    def stop(self):
        """End it."""
        self.child.terminate()
        self.child.wait(30)
