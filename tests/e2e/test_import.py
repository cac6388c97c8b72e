# SPDX-License-Identifier: BSD-2-Clause
"""`millrace import appmesh`: specs as App Mesh's users have them, in the
shapes of the AWS CLI and of Kubernetes. Whatever comes out passes `check`."""

import json
import subprocess

import pytest
import yaml

from millrace import BINARY
from waiting import seconds

# Neither engine has a part in it.
pytestmark = pytest.mark.native


def run_import(*paths, elsewhere=False):
    """(exit status, configuration, its text, notes)"""
    ended = subprocess.run(
        [BINARY, "import", "appmesh", *(["--elsewhere"] if elsewhere else []),
         *map(str, paths)],
        capture_output=True, text=True, check=False, timeout=seconds(20))
    assert ended.returncode in (0, 2), ended.stderr
    # What is noted is noted twice: for who runs it, and for who reads it.
    for note in ended.stderr.splitlines():
        assert f"# ! {note}\n" in ended.stdout
    assert (ended.returncode == 2) == bool(ended.stderr)
    return (ended.returncode, yaml.safe_load(ended.stdout), ended.stdout,
            ended.stderr)


def check(tmp_path, text):
    path = tmp_path / "out.yaml"
    path.write_text(text)
    ended = subprocess.run(
        [BINARY, "check", "-c", str(path)], capture_output=True, text=True,
        check=False, timeout=seconds(20))
    assert ended.returncode == 0, ended.stderr + text


@pytest.fixture
def convert(tmp_path):
    """Imports documents (each a file of its own), and checks the outcome."""
    def begin(*documents, **more):
        paths = []
        for i, document in enumerate(documents):
            paths.append(tmp_path / f"{i}.json")
            paths[-1].write_text(
                document if isinstance(document, str) else json.dumps(document))
        made = run_import(*paths, **more)
        if not more:
            check(tmp_path, made[2])
        return made
    return begin


def by_name(items):
    return {item["name"]: item for item in items}


def described(name, **spec):
    """As `aws appmesh describe-virtual-node` prints it."""
    return {"virtualNode": {
        "meshName": "colors",
        "metadata": {"arn": f"arn:aws:appmesh:eu-west-1:1:mesh/colors/{name}",
                     "createdAt": "2024-01-01T00:00:00+00:00",
                     "meshOwner": "1", "resourceOwner": "1", "uid": "u",
                     "version": 1},
        "spec": spec, "status": {"status": "ACTIVE"},
        "virtualNodeName": name}}


def file_certificate(leaf):
    return {"file": {"certificateChain": str(leaf.chain),
                     "privateKey": str(leaf.key)}}


def trust(certs, *names):
    made = {"trust": {"file": {
        "certificateChain": str(certs.authority.pem)}}}
    if names:
        made["subjectAlternativeNames"] = {"match": {"exact": list(names)}}
    return made


def listener(port=9080, protocol="tcp", **more):
    return {"portMapping": {"port": port, "protocol": protocol}, **more}


def backend(name, **policy):
    service = {"virtualServiceName": name}
    if policy:
        service["clientPolicy"] = {"tls": policy}
    return {"virtualService": service}


# ---- certificates from files, on both sides (howto-tls-file-provided,
# howto-mutual-tls-file-provided)

def test_mutual_tls_from_files(convert, certs):
    gateway = described(
        "gateway",
        listeners=[listener()],
        backends=[backend(
            "teller.local", enforce=True, ports=[9080],
            certificate=file_certificate(certs.rsa),
            validation=trust(certs, "app.apps.local"))],
        serviceDiscovery={"dns": {"hostname": "gateway.local"}})
    teller = described(
        "teller", listeners=[listener(tls={
            "mode": "STRICT", "certificate": file_certificate(certs.ecdsa),
            "validation": trust(certs, "gateway.local")},
            timeout={"tcp": {"idle": {"unit": "ms", "value": 1500}}},
            connectionPool={"tcp": {"maxConnections": 17}})],
        serviceDiscovery={"dns": {"hostname": "teller.local",
                                  "responseType": "ENDPOINTS"}},
        logging={"accessLog": {"file": {"path": "/dev/stdout"}}})
    _, made, _, _ = convert(teller, gateway)
    [ingress] = made["listeners"]
    assert ingress == {
        "name": "ingress-9080", "listen": "0.0.0.0:15000",
        "cluster": "app-9080",
        "tls": {"mode": "strict",
                "certificate": {"file": {"chain": str(certs.ecdsa.chain),
                                         "key": str(certs.ecdsa.key)}},
                "validation": {"trust": {"file": str(certs.authority.pem)},
                               "names": ["gateway.local"]}},
        "limits": {"connections": 17}, "timeouts": {"idle": "1500ms"}}
    assert made["access_log"] == {"file": "/dev/stdout", "format": "text"}

    _, made, _, _ = convert(gateway, teller)
    assert made["clusters"][1] == {
        "name": "teller.local",
        "discovery": {"dns": {"hostname": "teller.local", "port": 9080,
                              "type": "endpoints", "family": "any"}},
        "tls": {"validation": {"trust": {"file": str(certs.authority.pem)},
                               "names": ["app.apps.local"]},
                "certificate": {"file": {"chain": str(certs.rsa.chain),
                                         "key": str(certs.rsa.key)}}}}
    egress = by_name(made["listeners"])["egress-teller.local"]
    assert (egress["listen"], egress["cluster"]) == (
        "127.0.0.1:15101", "teller.local")
    # App Mesh's own default.
    assert by_name(made["listeners"])["ingress-9080"]["timeouts"] == {
        "idle": "300000ms"}


# ---- whose policy it is

STRICT_FILE = {"mode": "STRICT", "certificate": {"file": {
    "certificateChain": "/keys/chain.pem", "privateKey": "/keys/key.pem"}}}
STRICT_ACM = {"mode": "STRICT", "certificate": {"acm": {
    "certificateArn": "arn:aws:acm:eu-west-1:1:certificate/1-2"}}}
NONE = {"validation": {"mode": "none"}}


@pytest.mark.parametrize("own,default,server,expected", [
    ({}, None, None, "plain"),
    ({}, {}, None, "default"),
    ({"ports": [1]}, None, None, "plain"),
    ({"ports": [1, 9080]}, {}, None, "own"),
    ({"x": 1}, {}, None, "own"),
    ({"enforce": False}, {}, None, "plain"),
    ({"enforce": False}, None, STRICT_FILE, "none"),
    ({"ports": [1]}, None, STRICT_FILE, "none"),
    ({}, None, STRICT_FILE, "none"),
    ({}, None, STRICT_ACM, "comment"),
    ({}, {"enforce": False}, STRICT_ACM, "comment"),
    ({"x": 1}, None, STRICT_ACM, "own"),
    ({}, None, {**STRICT_FILE, "mode": "PERMISSIVE"}, "none"),
    ({}, None, {**STRICT_FILE, "mode": "DISABLED"}, "plain"),
])
def test_precedence(convert, certs, own, default, server, expected):
    own = dict(own)
    if own:
        own.pop("x", None)
        own["validation"] = trust(certs, "own.local")
    spec = {"listeners": [listener()], "backends": [backend("b.local", **own)]}
    if default is not None:
        spec["backendDefaults"] = {"clientPolicy": {"tls": {
            **default, "validation": trust(certs, "default.local")}}}
    other = listener(tls=server) if server else listener()
    _, made, text, _ = convert(
        described("a", **spec),
        described("b", listeners=[other],
                  serviceDiscovery={"dns": {"hostname": "b.local"}}))
    cluster = by_name(made["clusters"]).get("b.local")
    if expected == "comment":
        assert cluster is None
        assert "#   - name: b.local\n" in text
        return
    assert cluster["discovery"]["dns"]["type"] == "loadbalancer"
    if expected == "plain":
        assert "tls" not in cluster
    elif expected == "none":
        assert cluster["tls"] == NONE
    else:
        assert cluster["tls"]["validation"]["names"] == [f"{expected}.local"]


# ---- Kubernetes (howto-k8s-mtls-*, howto-k8s-tls-*)

def crd(kind, name, **spec):
    return {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": kind,
            "metadata": {"name": name, "namespace": "colors"}, "spec": spec}


def documents(*items):
    return "---\n".join(yaml.safe_dump(item) for item in items)


def test_kubernetes(convert, certs):
    """Virtual service, router and node by their references; SDS cannot be had
    yet, and is not served."""
    sds = {"sds": {"secretName": "spiffe://colors.local/front"}}
    front = crd(
        "VirtualNode", "front", podSelector={"matchLabels": {"app": "front"}},
        listeners=[listener(8080, "http", tls={
            "mode": "STRICT", "certificate": sds,
            "validation": {"trust": {"sds": {
                "secretName": "spiffe://colors.local"}}}})],
        backends=[{"virtualService": {
            "virtualServiceRef": {"name": "color", "namespace": "colors"},
            "clientPolicy": {"tls": {"validation": trust(certs)}}}}],
        serviceDiscovery={"dns": {
            "hostname": "front.colors.svc.cluster.local"}})
    others = documents(
        {"apiVersion": "v1", "kind": "Namespace",
         "metadata": {"name": "colors"}},
        crd("VirtualService", "color", awsName="color.colors", provider={
            "virtualRouter": {"virtualRouterRef": {"name": "color"}}}),
        crd("VirtualRouter", "color", listeners=[listener(8080)], routes=[{
            "name": "r", "tcpRoute": {"action": {"weightedTargets": [
                {"virtualNodeRef": {"name": "blue"}, "weight": 1},
                {"virtualNodeRef": {"name": "red"}, "weight": 1}]}}}]),
        crd("VirtualNode", "blue", listeners=[listener(8081)],
            serviceDiscovery={"awsCloudMap": {
                "namespaceName": "colors.local", "serviceName": "blue",
                "attributes": [{"key": "k", "value": "v"}]}}))
    status, made, text, notes = convert(documents(front), others)
    assert status == 2
    assert "#   - name: ingress-8080\n" in text
    color = by_name(made["clusters"])["color"]
    assert color["discovery"]["dns"] == {
        "hostname": "blue.colors.local", "port": 8081, "type": "endpoints",
        "family": "any"}
    # The name of Cloud Map is the host name, which is what names default to.
    assert "names" not in color["tls"]["validation"]
    for words in ("SDS", "several virtual nodes; all of it goes to blue",
                  "Cloud Map's attributes", "Namespace colors",
                  "http is forwarded as TCP"):
        assert words in notes
    assert "#   spec.podSelector: " in text


def test_list_of_objects(convert):
    """As `kubectl get virtualnodes -o yaml` prints them."""
    _, made, _, _ = convert(yaml.safe_dump({
        "apiVersion": "v1", "kind": "List", "items": [
            crd("VirtualNode", "a", listeners=[listener(1234)])]}))
    assert [item["name"] for item in made["listeners"]] == ["ingress-1234"]


# ---- gateways

def test_gateway(convert, certs):
    """Its routes lead to a virtual service, its policy is the default one."""
    gateway = {"virtualGateway": {
        "meshName": "colors", "virtualGatewayName": "gw", "metadata": {},
        "status": {}, "spec": {
            "backendDefaults": {"clientPolicy": {"tls": {
                "enforce": True, "ports": [], "validation": trust(certs)}}},
            "listeners": [{
                "portMapping": {"port": 8443, "protocol": "http"},
                "connectionPool": {"http": {"maxConnections": 5,
                                            "maxPendingRequests": 6}},
                "healthCheck": {"healthyThreshold": 2, "path": "/ping"},
                "tls": {"mode": "PERMISSIVE",
                        "certificate": file_certificate(certs.ecdsa)}}],
            "logging": {"accessLog": {"file": {
                "path": "/dev/stderr",
                "format": {"json": [{"key": "a", "value": "%B%"}]}}}}}}}
    route = {"gatewayRoute": {
        "gatewayRouteName": "r", "virtualGatewayName": "gw",
        "meshName": "colors", "spec": {"httpRoute": {
            "match": {"prefix": "/"}, "action": {"target": {"virtualService": {
                "virtualServiceName": "b.local"}}}}}}}
    service = {"virtualService": {
        "virtualServiceName": "b.local", "meshName": "colors",
        "spec": {"provider": {"virtualNode": {"virtualNodeName": "b"}}}}}
    node = described("b", listeners=[listener(9080, tls=STRICT_FILE)],
                     serviceDiscovery={"dns": {
                         "hostname": "b.svc", "ipPreference": "IPv6_ONLY"}})
    status, made, _, notes = convert(gateway, route, service, node)
    assert status == 2
    [front] = made["listeners"]
    assert (front["listen"], front["tls"]["mode"], front["limits"]) == (
        "0.0.0.0:8443", "permissive", {"connections": 5})
    [cluster] = made["clusters"]
    assert (front["cluster"], cluster["name"]) == ("b.local", "b.local")
    assert cluster["discovery"]["dns"]["family"] == "ipv6"
    assert cluster["tls"]["validation"] == {
        "trust": {"file": str(certs.authority.pem)}}
    assert made["access_log"] == {"file": "/dev/stderr", "format": "json"}
    for field in ("healthCheck", "maxPendingRequests", "format.json"):
        assert field in notes
    # Without its routes nobody knows where to.
    _, made, text, notes = convert(gateway)
    assert made["listeners"] == made["clusters"] == []
    assert "#   - name: gateway-8443\n" in text and "no gateway route" in notes


# ---- nothing is lost in silence

def test_what_is_not_known_is_told(convert):
    _, _, _, notes = convert(described("a", listeners=[listener(
        colour="blue", healthCheck={"port": 1}, outlierDetection={
            "maxServerErrors": 5}, timeout={"http": {
                "perRequest": {"unit": "s", "value": 1}}})],
        backends=[], invented={"deep": [{"er": 1}]}))
    for field in ("spec.listeners[0].colour", "spec.listeners[0].healthCheck",
                  "spec.listeners[0].outlierDetection", "spec.invented",
                  "spec.listeners[0].timeout.http.perRequest"):
        assert f"{field}: " in notes


def test_files_that_are_not_here(convert, certs):
    """They cannot be checked: comments, or, for another machine, not."""
    node = described("a", listeners=[listener(tls=STRICT_FILE)])
    _, made, text, notes = convert(node)
    assert made["listeners"] == [] and "/keys/chain.pem" in text
    assert ": /keys/chain.pem cannot be read" in notes
    _, made, _, notes = convert(node, elsewhere=True)
    assert made["listeners"][0]["tls"]["certificate"] == {"file": {
        "chain": "/keys/chain.pem", "key": "/keys/key.pem"}}
    assert "check and run refuse" in notes


@pytest.mark.parametrize("name", [
    "b local/with: odd \"things\"\n# and lines", "x" * 200,
    "spiffe://a/b", "é.local"])
def test_hostile_names(convert, certs, name):
    """What stands in a spec cannot become configuration."""
    convert(described(
        name, listeners=[listener()],
        backends=[backend(name, ports=[80], validation=trust(certs, name)),
                  backend(name, ports=[80], validation=trust(certs, name))],
        logging={"accessLog": {"file": {"path": "/no/" + name}}}))


@pytest.mark.parametrize("sign", ["\u0085", "\u2028", "\u2029", "\ufeff", "\x7f"])
def test_signs_that_end_a_line(convert, sign):
    """To YAML these are line breaks, or nothing that may stand in a text."""
    _, made, text, _ = convert(described("node", **{
        f"a{sign}b: [c": 1,
        "listeners": [], "logging": {"accessLog": {"file": {"path": f"/tmp/a{sign}b"}}}}))
    assert made["access_log"]["file"] == f"/tmp/a{sign}b"
    assert "spec.a?b: [c: has no equal here" in text


@pytest.mark.parametrize("text,words", [
    ("{", "neither YAML nor JSON"),
    ("{}", "neither a virtual node nor a virtual gateway"),
    ("", "neither a virtual node nor a virtual gateway"),
    ("a: &x [*x]", "neither a virtual node nor a virtual gateway"),
])
def test_no_mesh(tmp_path, text, words):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    ended = subprocess.run([BINARY, "import", "appmesh", str(path)],
                           capture_output=True, text=True, check=False,
                           timeout=seconds(20))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert words in ended.stderr
