"""What a release needs: the revision from wherever the source comes, and a bill of materials."""

import json
import shutil
import subprocess
import tarfile

import pytest

import tools
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def build_script(tmp_path_factory):
    """build.rs as a program."""
    path = tmp_path_factory.mktemp("build") / "build"
    tools.run("rustc", "--edition", "2024", "-o", path, tools.ROOT / "build.rs")
    return path


def revision(build_script, folder, profile="release", **more):
    """What build.rs says of a source in this folder."""
    environment = {"PATH": "/usr/bin:/bin", "PROFILE": profile, "CARGO_MANIFEST_DIR": str(folder), **more}
    told = tools.run(build_script, cwd=folder, env=environment)
    [line] = [line for line in told.splitlines() if line.startswith("cargo::rustc-env=IRONGATE_REVISION=")]
    return line.split("=", 2)[2]


def repository(folder):
    """A repository with one commit; its id."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (folder / "file").write_text("text\n")
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "one"]):
        tools.run(*git, *arguments, cwd=folder)
    return tools.run("git", "rev-parse", "HEAD", cwd=folder).strip()


def test_a_clone_tells_its_commit_and_changes(build_script, tmp_path):
    commit = repository(tmp_path)
    assert revision(build_script, tmp_path) == commit[:12]
    (tmp_path / "file").write_text("changed\n")
    assert revision(build_script, tmp_path) == f"{commit[:12]}-changed"
    # A development build is not made anew for each commit.
    assert revision(build_script, tmp_path, profile="debug") == "development"


def test_a_repository_around_the_source_is_not_the_sources(build_script, tmp_path):
    repository(tmp_path)
    (tmp_path / "source").mkdir()
    assert revision(build_script, tmp_path / "source") == "unknown"


def test_an_archive_tells_its_commit(build_script, tmp_path):
    source = tmp_path / "source"
    (source / "deploy").mkdir(parents=True)
    for name in (".gitattributes", "deploy/REVISION"):
        shutil.copy(tools.ROOT / name, source / name)
    commit = repository(source)
    tools.run("git", "archive", "--output", tmp_path / "source.tar", "HEAD", cwd=source)
    with tarfile.open(tmp_path / "source.tar") as archive:
        archive.extractall(tmp_path / "out", filter="data")
    assert revision(build_script, tmp_path / "out") == commit[:12]


def test_a_package_and_the_environment_tell_it(build_script, tmp_path):
    (tmp_path / ".cargo_vcs_info.json").write_text(json.dumps({"git": {"sha1": COMMIT}, "path_in_vcs": ""}))
    assert revision(build_script, tmp_path) == COMMIT[:12]
    assert revision(build_script, tmp_path, IRONGATE_REVISION="v1-rc.1") == "v1-rc.1"
    # What could say anything in the compiler's environment says nothing.
    assert revision(build_script, tmp_path, IRONGATE_REVISION="x\ncargo::rustc-env=A=B") == COMMIT[:12]


@pytest.fixture(scope="session")
def materials():
    """The bill of materials, as text."""
    return tools.run(tools.DEPLOY / "sbom")


def test_the_bill_of_materials_fits_its_schema(materials):
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(materials) is None
    broken = json.loads(materials)
    broken["components"][0]["type"] = "thing"
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(broken)) is not None


def test_the_bill_of_materials_is_complete_and_the_same_each_time(materials):
    document = json.loads(materials)
    listed = {(part["name"], part["version"]) for part in document["components"]}
    used = tools.run("cargo", "tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", cwd=tools.ROOT)
    for line in set(used.splitlines()):
        name, version = line.split()[:2]
        assert name == "irongate" or (name, version.lstrip("v")) in listed, line
    assert ("jsonschema" in {name for name, _ in listed}) == ("jsonschema " in used), "tests' crates are not in the program"
    for part in document["components"]:
        assert part["hashes"] and part["purl"].startswith("pkg:cargo/"), part
    assert str(tools.ROOT) not in materials
    assert tools.run(tools.DEPLOY / "sbom") == materials


def test_completions_and_pages_are_made(tmp_path):
    for shell in ("bash", "zsh", "fish"):
        assert "irongate" in tools.run(tools.binary(), "completions", shell)
    if shutil.which("bash"):
        script = tmp_path / "irongate.bash"
        script.write_text(tools.run(tools.binary(), "completions", "bash"))
        subprocess.run(["bash", "-n", script], check=True)
    tools.run(tools.binary(), "man", tmp_path / "man1")
    assert (tmp_path / "man1" / "irongate-serve.1").exists()
