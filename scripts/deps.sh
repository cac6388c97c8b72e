#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs what millrace needs on Debian 12: to build it and run the demo
# (no argument), to test it too (argument: test), or to compare it with its
# peers (argument: bench). Does nothing when all of it is there already. Uses
# sudo where it is not root. Argument list: only prints what building takes.
set -eu

build='gcc make pkg-config libc6-dev libssl-dev liburing-dev libyaml-dev
libmicrohttpd-dev libc-ares-dev libsystemd-dev libmnl-dev libjansson-dev
libbpf-dev libelf-dev zlib1g-dev libcap-ng-dev libseccomp-dev libsodium-dev
clang llvm bpftool openssl curl jq python3 iproute2'
[ "$(dpkg --print-architecture)" != amd64 ] || build="$build libipsec-mb-dev"
tests='libcmocka-dev python3-pytest python3-pytest-rerunfailures python3-yaml
python3-cryptography nginx-light valgrind shellcheck cppcheck clang-tidy clang-format tcpdump
tshark qemu-system-x86 qemu-system-common cpio busybox-static testssl.sh sslscan
gnutls-bin libnss3-tools openjdk-17-jdk-headless chromium prometheus kmod
procps psmisc util-linux xz-utils zstd git dpkg-dev lintian mandoc systemd
bash-completion mmdebstrap wrk libclang-rt-dev'

bench='haproxy nginx-light libnginx-mod-stream stunnel4 hitch gnuplot-nox
util-linux wrk nghttp2-client iperf3 qemu-system-x86 kmod cpio busybox-static'

want=$build
if [ "${1:-}" = test ]; then
	want="$build $tests"
elif [ "${1:-}" = bench ]; then
	want="$build $bench"
elif [ "${1:-}" = list ]; then
	echo "$build"
	exit
fi

missing=
for package in $want; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
		2>/dev/null) || state=
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps.sh: these packages are missing, and installing" \
			"them needs root or sudo:$missing" >&2
		exit 1
	}
	as_root=sudo
fi
echo "deps.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
# nginx and its like must not start listening only because a test needs them
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	apt-get -qq -y --no-install-recommends install $missing >/dev/null
