"""The manifests: rendered by kustomize, checked against Kubernetes' own schemas, and whole in themselves."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import tools

KUBERNETES = tools.DEPLOY / "kubernetes"
VERSION = "1.32"
CONFIGURATIONS = [KUBERNETES / name / "irongate.toml" for name in ("base", "sidecar", "metal3")]


def kustomize(folder):
    """The folder's manifests."""
    if shutil.which("kustomize"):
        command = ["kustomize", "build", folder]
    elif shutil.which("kubectl"):
        command = ["kubectl", "kustomize", folder]
    else:
        pytest.skip("neither kustomize nor kubectl is here: the manifests are checked one by one only")
    return list(yaml.safe_load_all(tools.run(*command)))


def fitting(document):
    """The document fits Kubernetes' schema, without an unknown key."""
    kubernetes_validate.validate(document, VERSION, strict=True)


def plain_manifests():
    """Every manifest that is whole without kustomize."""
    for file in sorted(KUBERNETES.glob("*/*.yaml")):
        if file.name not in ("kustomization.yaml", "pod.yaml"):
            for document in yaml.safe_load_all(file.read_text()):
                yield pytest.param(document, id=f"{file.parent.name}/{document['kind']}")


@pytest.mark.parametrize("document", list(plain_manifests()))
def test_each_manifest_fits_the_schema(document):
    if document["kind"] == "Deployment" and "selector" not in document["spec"]:
        document["spec"]["selector"] = {}  # kustomize writes it
    fitting(document)


def test_the_checker_finds_mistakes():
    broken = yaml.safe_load((KUBERNETES / "base" / "service.yaml").read_text())
    broken["spec"]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        fitting(broken)


def test_rollouts_lose_nobody():
    """The base serves on while addresses of the pod are still known to others, and has the time for it and for what runs then."""
    configured = tomllib.loads((KUBERNETES / "base" / "irongate.toml").read_text())["limits"]
    pod = yaml.safe_load((KUBERNETES / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    drain_timeout_seconds = 30  # irongate's default
    assert configured["drain_delay_seconds"] >= 5
    assert pod["terminationGracePeriodSeconds"] >= configured["drain_delay_seconds"] + configured.get("drain_timeout_seconds", drain_timeout_seconds) + 5


def test_the_sidecars_port_is_found_by_number():
    """Kubernetes before 1.32 does not look for port names among init containers, which native sidecars are."""
    documents = list(yaml.safe_load_all((KUBERNETES / "sidecar" / "ironic.yaml").read_text()))
    ports = [port["containerPort"] for one in irongates(documents) for port in one["ports"]]
    assert [port["targetPort"] for document in documents if document["kind"] == "Service" for port in document["spec"]["ports"]] == ports


@pytest.mark.parametrize("name", ["base", "sidecar"])
def test_what_kustomize_makes_fits(name):
    documents = kustomize(KUBERNETES / name)
    for document in documents:
        fitting(document)
    check_pods(documents)


def test_the_base_is_complete():
    documents = {document["kind"]: document for document in kustomize(KUBERNETES / "base")}
    deployment, pods = documents["Deployment"], documents["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        documents["Service"]["spec"]["selector"],
        documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector and selector.items() <= pods.items(), selector
    for spread in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= pods.items()
    target = documents["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    # The autoscaler decides how many there are.
    assert "replicas" not in deployment["spec"]


def test_metal3s_pod_with_irongate(tmp_path):
    """The component, on a pod that has what it relies on of Metal3's."""
    shutil.copytree(KUBERNETES / "metal3", tmp_path / "irongate")
    shutil.copy(Path(__file__).parent / "metal3.yaml", tmp_path / "ironic.yaml")
    (tmp_path / "kustomization.yaml").write_text("resources: [ironic.yaml]\ncomponents: [irongate]\n")
    documents = kustomize(tmp_path)
    for document in documents:
        fitting(document)
    check_pods(documents)
    pod = next(document for document in documents if document["kind"] == "Deployment")["spec"]["template"]["spec"]
    containers = {container["name"]: container for container in pod["containers"]}
    ports = [port["containerPort"] for container in containers.values() for port in container.get("ports", [])]
    assert ports.count(6385) == 1
    ironic = {variable["name"]: variable["value"] for variable in containers["ironic"]["env"]}
    assert ironic["IRONIC_PRIVATE_PORT"] == "unix"
    httpd = {variable["name"]: variable["value"] for variable in containers["ironic-httpd"]["env"]}
    assert httpd["IRONIC_REVERSE_PROXY_SETUP"] == "false"
    assert "6385" not in str(containers["ironic-httpd"]["readinessProbe"])


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda file: file.parent.name)
def test_each_configuration_is_good(configuration, placed):
    tools.run(tools.binary(), "check", "--config", placed(configuration))


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda file: file.parent.name)
def test_each_configurations_files_are_mounted(configuration, tmp_path):
    """What the configuration names lies below a mount of irongate's container, or in the image."""
    folder = configuration.parent
    if folder.name == "metal3":
        container = yaml.safe_load((folder / "pod.yaml").read_text())["spec"]["template"]["spec"]["containers"][0]
    else:
        container = next(irongates(list(yaml.safe_load_all((folder / ("deployment.yaml" if folder.name == "base" else "ironic.yaml")).read_text()))))
    mounts = [Path(mount["mountPath"]) for mount in container["volumeMounts"]] + [Path("/usr/share/irongate")]
    named = [word.split('"')[1].removeprefix("unix:") for line in configuration.read_text().splitlines()
             if "=" in line and not line.startswith("#") for word in [line] if '"/' in line or '"unix:' in line]
    assert len(named) >= 4
    for path in map(Path, named):
        assert any(mount in (path, *path.parents) for mount in mounts), f"{path} is not mounted"


def irongates(documents):
    """irongate's containers."""
    for document in documents:
        if document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            yield from (one for one in pod["containers"] + pod.get("initContainers", []) if one["name"] == "irongate")


def check_pods(documents):
    """Volumes that are mounted exist; irongate's containers are locked down; their commands are the program's."""
    maps = {document["metadata"]["name"] for document in documents if document["kind"] == "ConfigMap"}
    for document in documents:
        if document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            for container in pod["containers"] + pod.get("initContainers", []):
                for mount in container.get("volumeMounts", []):
                    assert mount["name"] in volumes, mount
            for volume in volumes.values():
                if volume["name"] in ("configuration", "irongate"):
                    mounts = [mount for one in pod["containers"] + pod.get("initContainers", [])
                              for mount in one.get("volumeMounts", []) if mount["name"] == volume["name"]]
                    assert mounts and all("subPath" not in mount for mount in mounts), "it would never change"
                if "configMap" in volume:
                    assert volume["configMap"]["name"] in maps, volume
            assert pod["securityContext"]["runAsNonRoot"] is True
    found = list(irongates(documents))
    assert len(found) == 1
    for container in found:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True and context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            _, verb, *options = container[probe]["exec"]["command"]
            assert subprocess.run([tools.binary(), verb, *options, "--help"], capture_output=True).returncode == 0
        assert container["args"][0] == "serve"
