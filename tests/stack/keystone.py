"""A real Keystone on loopback: fernet or JWS tokens, sqlite, served by gunicorn."""

import grp
import http.client
import json
import os
import pwd
import time
from pathlib import Path

from . import service
from .environment import run

CONFIGURATION = """\
[DEFAULT]
log_file = {state}/keystone.log
use_stderr = false

[cache]
enabled = false

[database]
connection = sqlite:///{state}/keystone.db

[fernet_tokens]
key_repository = {state}/fernet-keys

[credential]
key_repository = {state}/credential-keys

[jwt_tokens]
jws_public_key_repository = {state}/jws-public
jws_private_key_repository = {state}/jws-private

[token]
provider = {provider}

[identity]
# cheap on purpose: these users live as long as a test
password_hash_rounds = 4
{more}"""

GUNICORN = """\
wsgi_app = "keystone.wsgi.api:application"
bind = "127.0.0.1:{port}"
workers = 1
threads = 4
accesslog = None
errorlog = "{state}/gunicorn.log"
control_socket_disable = True
"""


class Keystone:
    """One Keystone with its state in a folder of its own."""

    def __init__(self, environment, state, port):
        self.environment = Path(environment)
        self.state = Path(state).absolute()
        self.port = port
        self.url = f"http://127.0.0.1:{port}/v3"
        self.pid_file = self.state / "keystone.pid"
        self.configuration = self.state / "keystone.conf"
        self.output = self.state / "keystone.out"

    def running(self):
        """The master's pid, if it runs."""
        return service.running(self.pid_file)

    def start(self, password, wait_seconds=60, provider="fernet", more=""):
        """Make what is missing (user `admin` with this password, administrator of the system), start it, wait until it answers."""
        if self.running():
            return False
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        service.stop(self.pid_file)
        self.configuration.write_text(CONFIGURATION.format(state=self.state, provider=provider, more=more))
        if not (self.state / "bootstrapped").exists():
            for kind in ("fernet-keys", "credential-keys", "jws-public", "jws-private"):
                (self.state / kind).mkdir(mode=0o700, exist_ok=True)
            (self.state / "keystone.db").unlink(missing_ok=True)
            self.manage("db_sync")
            owner = ["--keystone-user", pwd.getpwuid(os.getuid()).pw_name, "--keystone-group", grp.getgrgid(os.getgid()).gr_name]
            self.manage("fernet_setup", *owner)
            self.manage("credential_setup", *owner)
            self.manage("create_jws_keypair", "--force", *owner)
            for kind in ("public", "private"):  # it writes to the current folder, not to the repositories
                (self.state / f"{kind}.pem").rename(self.state / f"jws-{kind}" / f"{kind}.pem")
            self.manage("bootstrap", "--bootstrap-region-id", "here", "--bootstrap-public-url", self.url,
                        environment={"OS_BOOTSTRAP_PASSWORD": password})
            (self.state / "bootstrapped").touch()
        (self.state / "gunicorn.py").write_text(GUNICORN.format(state=self.state, port=self.port))
        # Keystone reads the command line as its own: gunicorn's settings must come another way.
        service.start(
            [self.environment / "bin" / "gunicorn"], self.pid_file, self.output, folder=self.state,
            environment={"OS_KEYSTONE_CONFIG_FILES": str(self.configuration), "GUNICORN_CMD_ARGS": f"--config {self.state}/gunicorn.py"})
        deadline = time.monotonic() + wait_seconds
        while not self.answers():
            if not self.running() or time.monotonic() > deadline:
                service.stop(self.pid_file)
                raise service.ServiceProblem(
                    f"Keystone did not answer on {self.url} within {wait_seconds} s; its last words:\n"
                    f"{service.tail(self.output)}\n{service.tail(self.state / 'gunicorn.log')}\n{service.tail(self.state / 'keystone.log')}")
            time.sleep(0.1)
        return True

    def manage(self, *words, environment=None):
        """keystone-manage."""
        run([self.environment / "bin" / "keystone-manage", "--config-file", self.configuration, *words],
            f"keystone-manage {words[0]} failed", environment=environment, folder=self.state)

    def answers(self):
        """Whether its version document can be read."""
        try:
            return self.request("GET", "/v3")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def request(self, method, target, body=None, headers=None):
        """One request: status, headers, JSON or text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        try:
            return answer.status, answer.headers, json.loads(text) if text else None
        except ValueError:
            return answer.status, answer.headers, text

    def token(self, user, password, scope=None):
        """A token; the scope as Keystone's API writes it, by default the whole system."""
        identity = {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"id": "default"}, "password": password}}}
        status, headers, body = self.request("POST", "/v3/auth/tokens", {
            "auth": {"identity": identity, "scope": scope or {"system": {"all": True}}}})
        if status != 201:
            raise service.ServiceProblem(f"Keystone gave no token to {user}: {status} {body}")
        return headers["X-Subject-Token"]

    def stop(self):
        """End master and workers; whether there was anything to end."""
        return service.stop(self.pid_file)
