# SPDX-License-Identifier: BSD-2-Clause
"""Throw-away authorities and leaves, made with the openssl command."""

import dataclasses
import pathlib
import subprocess

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A certificate with its chain, and its private key, as PEM files."""

    chain: pathlib.Path
    key: pathlib.Path

    def server_tls(self, **more):
        """A listener's `tls:`."""
        return {
            "mode": "strict",
            "certificate": {
                "file": {"chain": str(self.chain), "key": str(self.key)}
            },
            **more,
        }


class Authority:
    """One self-signed CA in a folder of its own."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pem = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        _openssl(
            "req", "-x509", *CURVE, "-noenc", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )

    def leaf(self, name, sans, algorithm=CURVE, expired=False):
        """A leaf for sans, such as "DNS:a.local" or "IP:127.0.0.1"."""
        request = self.folder / f"{name}.csr"
        leaf = Leaf(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        _openssl(
            "req", "-new", *algorithm, "-noenc", "-subj", f"/CN={name}",
            "-keyout", leaf.key, "-out", request,
        )
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName={','.join(sans)}\n"
            "keyUsage=critical,digitalSignature,keyEncipherment\n"
            "extendedKeyUsage=serverAuth,clientAuth\n"
        )
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.pem,
            "-CAkey", self.key, "-extfile", extensions,
            "-days", "-1" if expired else "20", "-out", leaf.chain,
        )
        return leaf


class Certificates:
    """What the tests present and trust."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.authority = Authority(folder / "ours", "millrace test authority")
        self.stranger = Authority(folder / "theirs", "an unknown authority")
        names = ["DNS:app.apps.local", "DNS:localhost", "IP:127.0.0.1",
                 "IP:::1"]
        self.name = "app.apps.local"
        self.ecdsa = self.authority.leaf("ecdsa", names)
        self.rsa = self.authority.leaf("rsa", names, RSA)
        self.other_name = self.authority.leaf(
            "other", ["DNS:other.apps.local"])
        self.wildcard = self.authority.leaf("wildcard", ["DNS:*.apps.local"])
        self.expired = self.authority.leaf("expired", names, expired=True)
        self.unknown = self.stranger.leaf("unknown", names)

    def upstream_tls(self, names=None, server_name=None, **more):
        """A cluster's `tls:` that trusts our authority."""
        return {
            "server_name": server_name or self.name,
            "validation": {
                "trust": {"file": str(self.authority.pem)},
                "names": names or [self.name],
            },
            **more,
        }


def _openssl(*arguments):
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True,
        timeout=60,
    )
