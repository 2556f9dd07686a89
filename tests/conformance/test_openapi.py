"""`irongate schema openapi`: a valid OpenAPI document at every microversion, by a validator that knows nothing of irongate."""

import json
import subprocess

import pytest
from openapi_spec_validator import validate

from world import binary


@pytest.mark.parametrize("minor", [1, 4, 5, 22, 32, 54, 84, 96, 115])
def test_openapi(minor):
    """It validates, and has what the catalogue has at the microversion."""
    text = subprocess.run([binary(), "schema", "openapi", "--microversion", f"1.{minor}"], capture_output=True, check=True).stdout
    document = json.loads(text)
    validate(document)
    found = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    rows = json.loads(subprocess.run([binary(), "routes", "--format", "json"], capture_output=True, check=True).stdout)
    due = {row["id"] for row in rows if row["success"] and (
        int(row["since"][2:]) <= minor <= int(row.get("until", "1.999")[2:]) or f"1.{minor}" in row.get("also_at", []))}
    assert found == due


def test_microversion_is_checked():
    """A microversion that there is not is a mistake of usage."""
    done = subprocess.run([binary(), "schema", "openapi", "--microversion", "1.999"], capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
