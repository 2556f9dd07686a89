"""Alert rules and dashboard: good for promtool, and about numbers that exist."""

import json
import re

import pytest
import yaml

import tools

RULES = tools.DEPLOY / "prometheus" / "alerts.yaml"
TESTS = tools.DEPLOY / "prometheus" / "alerts_test.yaml"
BOARD = tools.DEPLOY / "grafana" / "irongate.json"
NAME = re.compile(r"\birongate_[a-z_]+\b")


def expressions(board):
    """Every expression of the dashboard, its variables filled in."""
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    queries += [note["expr"] for note in board["annotations"]["list"]]
    return [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in queries]


def known(numbers):
    """The names of samples that the program writes."""
    names = set()
    for line in numbers.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(kind, ("",))
            names.update(name + ending for ending in endings)
    assert len(names) > 20, numbers
    return names


def test_the_rules_are_good_and_do_what_they_say():
    promtool = tools.program("promtool")
    tools.run(promtool, "check", "rules", RULES)
    tools.run(promtool, "test", "rules", TESTS)


def test_the_dashboards_expressions_are_good(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(expressions(json.loads(BOARD.read_text())))]
    assert len(rules) > 20
    file = tmp_path / "board.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    tools.run(tools.program("promtool"), "check", "rules", file)


def test_the_dashboard_is_whole():
    board = json.loads(BOARD.read_text())
    identities = [panel["id"] for panel in board["panels"]]
    assert len(set(identities)) == len(identities)
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24, panel["title"]
        used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(panel))) - {"__rate_interval"}
        assert used <= variables, panel["title"]


@pytest.mark.parametrize("file", [RULES, TESTS, BOARD], ids=lambda file: file.name)
def test_every_number_exists(file, numbers):
    unknown = set(NAME.findall(file.read_text())) - known(numbers)
    assert not unknown, f"{file.name} speaks of {unknown}"


def test_every_number_is_documented(numbers):
    documented = set(NAME.findall((tools.ROOT / "docs" / "metrics.md").read_text()))
    documented |= set(NAME.findall((tools.ROOT / "docs" / "limits.md").read_text()))
    for name in known(numbers):
        plain = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in documented or plain in documented, f"{name} is in no document"
