#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh [SECONDS [TARGET...]]
#
# Builds what strangers' bytes go through with libFuzzer, ASan and UBSan, and
# runs each for SECONDS (10), from a few inputs made here and with the same
# FUZZ_SEED (1) each time. What fails is left in build/fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-10}
shift || true
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=(hello names config import)

make -s -j"$(nproc)" fuzz
rm -f build/fuzz/input-*
seeds=build/fuzz/seeds
mkdir -p "$seeds"/{hello,names,config,import}

/usr/bin/python3 - "$seeds/hello" <<'PYTHON'
import pathlib, ssl, sys
for name in ("app.apps.local", None):
    context = ssl.create_default_context()
    context.check_hostname = bool(name)
    context.set_alpn_protocols(["h2", "http/1.1"])
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    (pathlib.Path(sys.argv[1]) / str(name)).write_bytes(out.read())
PYTHON
printf '\0*.apps.local\napp.apps.local' >"$seeds/names/wildcard"
printf '\0w*.Local\nwww.local' >"$seeds/names/partial"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
	-keyout /dev/null -subj /CN=app.apps.local -addext \
	'subjectAltName=DNS:*.apps.local,IP:10.0.0.1,URI:spiffe://mesh.local/app' \
	-outform DER -out "$seeds/names/certificate" 2>/dev/null
cp scripts/millrace.yaml "$seeds/config/"
cat >"$seeds/config/more" <<'YAML'
listeners: [{ name: a, listen: "127.0.0.1:1", tls: { mode: disabled }, cluster: b,
  routes: [{ server_names: ["*.a"], cluster: b, tls: passthrough }] }]
clusters: [{ name: b, endpoints: ["[::1]:2"], timeouts: { connect: 5s },
  tls: { validation: { mode: none }, alpn: [h2] } }]
YAML
cat >"$seeds/import/node" <<'JSON'
{"virtualNode": {"meshName": "m", "virtualNodeName": "n", "spec": {
 "listeners": [{"portMapping": {"port": 8080, "protocol": "tcp"},
  "timeout": {"tcp": {"idle": {"value": 5, "unit": "s"}}},
  "tls": {"mode": "PERMISSIVE", "certificate": {"file": {
   "certificateChain": "/c", "privateKey": "/k"}}}}],
 "backends": [{"virtualService": {"virtualServiceName": "s.local",
  "clientPolicy": {"tls": {"enforce": true, "ports": [443], "validation": {
   "trust": {"file": {"certificateChain": "/t"}},
   "subjectAlternativeNames": {"match": {"exact": ["s"]}}}}}}}],
 "serviceDiscovery": {"dns": {"hostname": "n.local"}},
 "logging": {"accessLog": {"file": {"path": "/dev/stdout"}}}}}}
JSON

# The words that a file may hold.
{
	grep -oh '\.name = "[a-z_0-9]*"' user/config/document*.c
	grep -oh '"[a-zA-Z]\{4,\}"' user/config/import_*.c
} | grep -o '"[^"]*"' | sort -u >build/fuzz/words

for target in "${targets[@]}"; do
	words=()
	case $target in
	config | import) words=(-dict=build/fuzz/words) ;;
	esac
	mkdir -p "build/fuzz/corpus/$target"
	echo "== $target, $seconds s"
	build/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout=10 -seed="${FUZZ_SEED:-1}" \
		-rss_limit_mb=1024 -close_fd_mask=1 -print_final_stats=1 \
		"${words[@]}" -artifact_prefix="build/fuzz/$target-" \
		"build/fuzz/corpus/$target" "$seeds/$target" \
		2>"build/fuzz/$target.log" || {
		tail -n 60 "build/fuzz/$target.log"
		exit 1
	}
	grep -E "number_of_executed_units|new_units_added|^#[0-9]+.*DONE" \
		"build/fuzz/$target.log"
done
