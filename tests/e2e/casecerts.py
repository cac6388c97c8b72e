# SPDX-License-Identifier: BSD-2-Clause
"""Certificates with whatever is wrong with them, by the openssl command: one
process each, all leaves of one kind on one key, made when first asked for."""

import dataclasses
import functools
import hashlib
import pathlib
import ssl
import subprocess

from certs import Leaf

CONFIG = """\
[ca]
default_ca = x
[x]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = optional
"""

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
LEAF_USAGE = "digitalSignature,keyEncipherment"


def run(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True,
                   capture_output=True, timeout=120)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A leaf: by default valid, for app.apps.local."""

    sans: tuple = ("DNS:app.apps.local",)
    cn: str = "leaf"
    issuer: str = "inter"
    send: tuple = ("inter",)  # what follows the leaf in the file
    eku: str = "serverAuth,clientAuth"
    usage: str = LEAF_USAGE
    when: str = "now"  # now, past, future, or when it ends: 301231235959Z
    key: str = "ec"
    extra: str = ""
    days: int = 30


class CaseCerts:
    """root signs inter, which signs leaves; stranger is trusted by nobody,
    tight may sign for *.apps.local only, leafca is no authority at all."""

    KEYS = {
        "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        "weak": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
        "p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        "ed25519": ("-algorithm", "ED25519"),
    }
    AUTHORITIES = {
        "root": (None, CA),
        "stranger": (None, CA),
        "inter": ("root", CA),
        "tight": ("root", CA + "\nnameConstraints="
                  "critical,permitted;DNS:apps.local"),
        "short": ("root", CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")),
        "below": ("short", CA),
        "leafca": ("root", "basicConstraints=CA:FALSE"),
    }

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "index.txt").touch()
        (self.folder / "serial").write_text("1000")
        self.config = self.folder / "ca.cnf"
        self.config.write_text(CONFIG.format(folder=self.folder))

    @functools.lru_cache(maxsize=None)
    def key(self, name):
        path = self.folder / f"{name}.key"
        kind = self.KEYS.get(name) or self.KEYS["ec"]
        run("genpkey", *kind, "-out", path)
        return path

    @functools.lru_cache(maxsize=None)
    def _request(self, key, cn):
        path = self.folder / f"{key.stem}-{len(list(self.folder.iterdir()))}.csr"
        run("req", "-new", "-key", key, "-subj", f"/CN={cn}", "-out", path)
        return path

    def _sign(self, name, key, issuer, extensions, when="now", days=400):
        path = self.folder / f"{name}.crt"
        ext = self.folder / f"{name}.ext"
        ext.write_text(extensions)
        request = self._request(key, name.split("+")[-1])
        if when == "now":
            ca = (("-CA", self.authority(issuer), "-CAkey",
                   self.key(issuer)) if issuer else ("-signkey", key))
            run("x509", "-req", "-in", request, *ca, "-extfile", ext,
                "-days", days, "-set_serial", self._serial(name),
                "-out", path)
            return path
        begin, end = {"past": ("200101000000Z", "210101000000Z"),
                      "future": ("400101000000Z", "410101000000Z")}.get(
                          when, ("200101000000Z", when))
        run("ca", "-batch", "-notext", "-config", self.config, "-cert",
            self.authority(issuer), "-keyfile", self.key(issuer), "-extfile",
            ext, "-startdate", begin, "-enddate", end, "-in", request,
            "-out", path)
        return path

    @staticmethod
    def _serial(name):
        return "0x" + hashlib.sha256(name.encode()).hexdigest()[:16]

    @functools.lru_cache(maxsize=None)
    def authority(self, name):
        issuer, extensions = self.AUTHORITIES[name]
        return self._sign(name, self.key(name), issuer, extensions)

    @functools.lru_cache(maxsize=None)
    def leaf(self, recipe):
        """A Leaf; its chain file holds what the recipe sends."""
        tag = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
        key = self.key(recipe.key)
        lines = ["basicConstraints=CA:FALSE"]
        if recipe.usage:
            lines.append(f"keyUsage=critical,{recipe.usage}")
        if recipe.sans:
            lines.append(f"subjectAltName={','.join(recipe.sans)}")
        if recipe.eku:
            lines.append(f"extendedKeyUsage={recipe.eku}")
        if recipe.extra:
            lines.append(recipe.extra)
        certificate = self._sign(f"{tag}+{recipe.cn}", key, recipe.issuer,
                                 "\n".join(lines), recipe.when, recipe.days)
        chain = self.folder / f"{tag}.pem"
        chain.write_text(certificate.read_text() + "".join(
            self.authority(name).read_text() for name in recipe.send))
        return Leaf(chain, key)

    def fingerprint(self, recipe):
        pem = self.leaf(recipe).chain.read_text()
        end = "-----END CERTIFICATE-----\n"
        der = ssl.PEM_cert_to_DER_cert(pem.split(end)[0] + end)
        return hashlib.sha256(der).hexdigest()

    def ocsp(self, recipe, state="V"):
        """A response about a leaf of inter; state: V is good, R revoked."""
        leaf = self.leaf(recipe)
        serial = subprocess.run(
            ["openssl", "x509", "-noout", "-serial", "-in", leaf.chain],
            check=True, capture_output=True, text=True,
            timeout=60).stdout.strip().partition("=")[2]
        index = self.folder / f"ocsp-{serial}-{state}.txt"
        gone = "200101000000Z" if state == "R" else ""
        index.write_text(
            f"{state}\t401231235959Z\t{gone}\t{serial}\tunknown\t/CN=x\n")
        path = index.with_suffix(".der")
        issuer = self.authority(recipe.issuer)
        run("ocsp", "-index", index, "-CA", issuer, "-rsigner", issuer,
            "-rkey", self.key(recipe.issuer), "-issuer", issuer, "-cert",
            leaf.chain, "-respout", path, "-ndays", 1, "-no_nonce")
        return path

    @functools.lru_cache(maxsize=None)
    def bundle(self, *names):
        path = self.folder / f"bundle-{'-'.join(names)}.pem"
        path.write_text("".join(self.authority(name).read_text()
                                for name in names))
        return path

    @functools.lru_cache(maxsize=None)
    def crl(self, issuer, revoked=(), stale=False, ends=None):
        """A revocation list of issuer that names the recipes revoked; ends:
        as in a Recipe."""
        tag = hashlib.sha256(repr((issuer, revoked, stale, ends)).encode())
        folder = self.folder / f"crl-{tag.hexdigest()[:12]}"
        folder.mkdir()
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01")
        config = folder / "ca.cnf"
        config.write_text(CONFIG.format(folder=folder))
        ca = ("-config", config, "-cert", self.authority(issuer), "-keyfile",
              self.key(issuer))
        for recipe in revoked:
            run("ca", *ca, "-revoke", self.leaf(recipe).chain)
        when = (("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate",
                 "20210101000000Z") if stale else
                ("-crl_nextupdate", ends) if ends else ("-crldays", "30"))
        path = folder / "crl.pem"
        run("ca", *ca, "-gencrl", *when, "-out", path)
        return path
