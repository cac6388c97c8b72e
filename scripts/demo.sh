#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# demo.sh [--no-build]
#
# The main job, shown: a file goes from an application in plaintext through
# an originating millrace, in TLS, to a terminating millrace and in plaintext
# to an origin; the hashes are compared. Installs what is missing and builds
# first. Leaves nothing behind; exit 0 only if every hash agrees.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" != --no-build ]; then
	scripts/deps.sh
	make -j"$(nproc)" >/dev/null
fi
millrace=$PWD/build/millrace
PATH=$PATH:/usr/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-demo.XXXXXX")
pids=

clean_up() {
	status=$?
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null || true
	done
	umount "$work/bpf" 2>/dev/null || true
	rm -rf "$work"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() {
	printf '\n== %s\n' "$*"
}

# wait_for WHAT COMMAND...: until it succeeds, 20 seconds at most
wait_for() {
	what=$1
	shift
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "waited in vain for $what" >&2
	cat "$work"/*.log >&2
	exit 1
}

free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

say "a throw-away certificate authority, and a certificate for app.demo.local"
cd "$work"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-keyout ca.key -out ca.pem -subj "/CN=demo CA" -days 1 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-keyout key.pem -out leaf.csr -subj "/CN=app" 2>/dev/null
echo "subjectAltName=DNS:app.demo.local" >leaf.ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 1 \
	-out chain.pem -days 1 -extfile leaf.ext 2>/dev/null
openssl x509 -in chain.pem -noout -subject -ext subjectAltName

say "an origin that serves a file of 64 MiB, in plaintext"
mkdir www
head -c 67108864 /dev/urandom >www/file
origin=$(free_port)
python3 -m http.server "$origin" --bind 127.0.0.1 --directory www \
	>origin.log 2>&1 &
pids="$pids $!"

# Counters go to a bpffs: the host's, or one of our own.
pin=none
bpffs=$(awk '$0 ~ / - bpf / { print $5; exit }' /proc/self/mountinfo)
if [ -n "$bpffs" ] && [ -w "$bpffs" ]; then
	pin=$bpffs/millrace-demo-$$
elif [ "$(id -u)" = 0 ] && mkdir bpf && mount -t bpf bpf bpf 2>/dev/null; then
	pin=$work/bpf/millrace
fi

say "two daemons: one terminates TLS, one originates it"
ingress=$(free_port)
egress=$(free_port)
admin1=$(free_port)
admin2=$(free_port)
cat >terminate.yaml <<YAML
admin: { listen: "127.0.0.1:$admin1" }
counters: { pin: "$pin" }
listeners:
  - name: ingress
    listen: "0.0.0.0:$ingress"
    tls: { mode: strict, certificate: { file: { chain: chain.pem, key: key.pem } } }
    cluster: app
clusters:
  - name: app
    endpoints: ["127.0.0.1:$origin"]
YAML
cat >originate.yaml <<YAML
admin: { listen: "127.0.0.1:$admin2" }
counters: { pin: none }
listeners:
  - name: egress
    listen: "127.0.0.1:$egress"
    tls: { mode: disabled }
    cluster: mesh
clusters:
  - name: mesh
    endpoints: ["127.0.0.1:$ingress"]
    tls:
      server_name: app.demo.local
      validation: { trust: { file: ca.pem } }
YAML
cat terminate.yaml originate.yaml
"$millrace" run -c terminate.yaml 2>terminate.log &
terminate=$!
"$millrace" run -c originate.yaml 2>originate.log &
pids="$pids $terminate $!"
wait_for "the daemons" grep -q 'msg=ready' terminate.log
wait_for "the daemons" grep -q 'msg=ready' originate.log
wait_for "the origin" curl -sf "http://127.0.0.1:$origin/"

say "curl, in plaintext, through both: three times the file"
for i in 1 2 3; do
	curl -sS "http://127.0.0.1:$egress/file" | sha256sum >"hash.$i"
done
sha256sum <www/file >hash.0
cat hash.0 hash.1 hash.2 hash.3
for i in 1 2 3; do
	cmp -s hash.0 "hash.$i" || {
		echo "the hashes differ" >&2
		exit 1
	}
done
echo "all hashes agree"

say "the engine, and why"
curl -s "http://127.0.0.1:$admin1/stats?usedonly&filter=millrace.(engine|fallback)"

# A download that is held back keeps a connection open for us to look at.
curl -sS --limit-rate 1M -o /dev/null "http://127.0.0.1:$egress/file" &
pids="$pids $!"
wait_for "an open connection" sh -c \
	"'$millrace' verify -c terminate.yaml | grep -q '^ingress .* TLSv1'"
say "is it encrypted? both daemons' sockets, asked of the kernel"
for daemon in terminate originate; do
	echo "$ millrace verify -c $daemon.yaml"
	"$millrace" verify -c "$daemon.yaml"
done

say "proof from the statistics, as ever"
echo "$ curl -s http://127.0.0.1:$admin1/stats | grep ssl.handshake"
curl -s "http://127.0.0.1:$admin1/stats" | grep ssl.handshake
echo "$ curl -s http://127.0.0.1:$admin1/stats | grep -e 'ssl.*\(fail\|error\)'"
curl -s "http://127.0.0.1:$admin1/stats" | grep -e 'ssl.*\(fail\|error\)'

say "the same counters in the BPF map"
if [ "$pin" = none ]; then
	echo "no bpffs is mounted, and we may not mount one: counters are in" \
		"plain memory, which only /stats shows"
else
	echo "$ bpftool map dump pinned $pin/listeners"
	bpftool map dump pinned "$pin/listeners" |
		grep -E '"(name|worker|cx_total|ssl_handshake|tx_bytes|engine_[rt]x_(kernel|user))"' |
		head -n 8
	rm -rf "$pin"
fi

say "the terminating daemon's log"
grep 'connection ended' terminate.log
say "done"
