# SPDX-License-Identifier: BSD-2-Clause
"""How many instructions does the worker run for a byte, a request, a
connection, on a kernel with TLS? Counted in a machine (kernel/vm/count.sh):
the same on any host, and no measure of time. It is for comparing one state of
the code with another: what has become dearer than the recorded figures by
more than their noise is marked, and is the exit status."""

import argparse
import csv
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent
RECORDED = HERE / "vm.csv"
KERNELS = ("6.1", "6.12", "7.2")
# One changed byte of what is booted, such as the certificate's, moves a count:
# seen were 3 %, and 12 % where TCP's windows come to rest differently.
NOISE = {"down": 0.15, "up": 0.15}
NOISE_ELSE = 0.04
CONFIG = """\
workers: 1
counters: {{ pin: none }}
listeners:
  - name: bench
    listen: "127.0.0.1:{port}"
    engine: {engine}
    tls:
      mode: strict
      certificate: {{ file: {{ chain: /chain.pem, key: /key.pem }} }}
    cluster: origin
clusters:
  - name: origin
    endpoints: ["127.0.0.1:9000"]
"""


def libraries(program):
    """What it is linked with, the loader among them."""
    said = subprocess.run(["ldd", str(program)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return re.findall(r"(/\S+) \(0x", said)


def make_root(root):
    (root / "bin").mkdir()
    for name in ("millrace", "millrace-bench"):
        program = TREE / "build" / name
        shutil.copy(program, root / "bin" / name)
        for library in libraries(program):
            into = root / library[1:]
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, into)
    shutil.copy(HERE / "vm-init.sh", root / "init")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj",
         "/CN=bench.local", "-keyout", str(root / "key.pem"), "-out",
         str(root / "chain.pem")], check=True, stderr=subprocess.DEVNULL)
    for port, engine in ((9101, "user"), (9102, "kernel")):
        (root / f"{engine}.yaml").write_text(
            CONFIG.format(port=port, engine=engine))


def count(kernel):
    """(engine, case) → instructions for one more of it."""
    with tempfile.TemporaryDirectory(prefix="millrace-count-") as folder:
        root = pathlib.Path(folder)
        make_root(root)
        said = subprocess.run(
            [str(TREE / "kernel/vm/count.sh"), kernel, folder], check=True,
            text=True, stdout=subprocess.PIPE).stdout
    seen = {}
    for line in said.splitlines():
        if line.startswith("failed"):
            raise SystemExit(f"{kernel}: {line}")
        if line != "done":
            engine, case, units, ran = line.split()
            seen.setdefault((engine, case), []).append((int(units), int(ran)))
    return {key: (more[1] - less[1]) / (more[0] - less[0])
            for key, (less, more) in seen.items()}


def recorded():
    if not RECORDED.exists():
        return {}
    with open(RECORDED, newline="") as lines:
        rows = csv.reader(line for line in lines if not line.startswith("#"))
        return {tuple(row[:3]): float(row[3]) for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="*", default=KERNELS,
                        help="6.1, 6.12, 7.2; else all")
    parser.add_argument("--record", action="store_true",
                        help="the new figures become the recorded ones")
    chosen = parser.parse_args()
    figures, worse = recorded(), 0
    print("instructions of the worker; beside it, those of the record")
    for kernel in chosen.kernels:
        for (engine, case), value in count(kernel).items():
            before = figures.get((kernel, engine, case))
            text = f"  {kernel:5} {engine:7} {case:11} {value:12.2f}"
            if before:
                ratio = value / before
                text += f"  {before:12.2f}  x {ratio:.3f}"
                more = ratio > 1 + NOISE.get(case, NOISE_ELSE)
                worse += more
                text += "  MORE" if more else ""
            print(text, flush=True)
            if chosen.record:
                figures[kernel, engine, case] = value
    if chosen.record:
        with open(RECORDED, "w", newline="") as out:
            out.write("# kernel, engine, case, instructions of the worker for "
                      "one more byte, request or connection\n")
            csv.writer(out).writerows(
                (*key, f"{value:.6g}") for key, value in sorted(figures.items()))
    sys.exit(1 if worse and not chosen.record else 0)


if __name__ == "__main__":
    main()
