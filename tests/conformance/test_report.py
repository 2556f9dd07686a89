"""`irongate policy report` in a real browser: its script runs under its own content security policy, filters work, and what
a log holds stays text. Needs Chromium (Debian's `chromium`), or IRONGATE_CHROMIUM."""

import json
import os
import re
import shutil
import subprocess

import pytest
from world import BARE, ROOT, binary

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e\"'"
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def line(number, name, operation, **more):
    """One record."""
    record = {
        "kind": "decision", "version": 1, "time": f"2026-01-0{1 + number % 7}T0{number % 10}:04:05Z",
        "request_id": f"req-1be26c0b-03f2-4d2e-ae87-{number:012x}", "listener": "public", "mode": "shadow",
        "principal": {"scheme": "basic", "name": name, "roles": ["operator"], "bindings": []}, "operation": operation,
        "microversion": "1.95", "decision": "permit", "status": 200, "upstream_status": 200, "outcome": "complete"}
    return json.dumps(record | more)


@pytest.fixture(scope="module")
def browser():
    """A function that opens a page: its DOM once its script has run, and what the browser complained of."""
    found = os.environ.get("IRONGATE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip("there is no Chromium on this machine: the report was not opened in a browser (apt-get install chromium)")

    def open_page(page, *arguments, fragment=""):
        return subprocess.run(
            [found, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
             f"--user-data-dir={page.parent / 'profile'}", "--enable-logging=stderr", *arguments, f"{page.as_uri()}{fragment}"],
            capture_output=True, text=True, timeout=120)

    return open_page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with ordinary callers and a hostile one."""
    if BARE:
        pytest.skip("there is no irongate to report")
    folder = tmp_path_factory.mktemp("report")
    would = {"would_be": {"decision": "deny", "reason": "forbidden", "policies": ["site.rule"], "path": "/extra/x"}}
    lines = [line(number, "nova", "node:list") for number in range(30)]
    lines += [line(number, "backup", "port:list", **(would if number % 3 == 0 else {})) for number in range(12)]
    lines += [line(1, HOSTILE, "node:get", **would), line(2, "x" * 10_000, "node:get")]
    (folder / "log").write_text("\n".join(lines))
    made = folder / "report.html"
    subprocess.run([binary(), "policy", "report", folder / "log", "-o", made], check=True, cwd=ROOT, capture_output=True)
    return made


def rows(dom, section):
    """The rows of a section that can be filtered, with whether each is hidden."""
    part = dom.split(f'<section id="{section}"')[1].split("</section>")[0]
    return [("hidden" in tag, tag) for tag in re.findall(r"<(?:tr|details)[^>]*data-row[^>]*>", part)]


def test_in_a_browser(browser, page):
    """What the script shows, and what the filters hide."""
    seen = browser(page, "--dump-dom")
    assert seen.returncode == 0, seen.stderr
    dom = seen.stdout
    assert "Content Security Policy" not in seen.stderr and "CONSOLE" not in seen.stderr, seen.stderr
    assert "<title>irongate: rights in use" in dom and "<img" not in dom
    assert len(re.findall(r"<script", dom)) == 1
    assert not re.search(r'<form id="filters"[^>]*hidden', dom), "the script did not run"
    denials = rows(dom, "denials")
    assert len(denials) == 2 and not any(hidden for hidden, _ in denials)
    filtered = browser(page, "--dump-dom", fragment="#caller=basic%3Abackup").stdout
    assert [hidden for hidden, tag in rows(filtered, "denials") if "basic:backup" in tag] == [False]
    assert [hidden for hidden, tag in rows(filtered, "denials") if "basic:backup" not in tag] == [True]
    assert sum(not hidden for hidden, _ in rows(filtered, "suggestions")) == 1
    searched = browser(page, "--dump-dom", fragment="#q=no-such-rule").stdout
    assert [hidden for hidden, _ in rows(searched, "denials")] == [True, True]


@pytest.mark.parametrize("scheme", [1, 0], ids=["light", "dark"])
def test_looks(browser, page, scheme):
    """A picture of each colour scheme, for who wants to look; the two differ."""
    picture = page.parent / f"{scheme}.png"
    done = browser(page, f"--screenshot={picture}", "--window-size=1280,2400", "--hide-scrollbars", f"--blink-settings=preferredColorScheme={scheme}")
    assert done.returncode == 0 and picture.stat().st_size > 20_000, done.stderr
    other = page.parent / "1.png"
    assert scheme == 1 or other.read_bytes() != picture.read_bytes()
