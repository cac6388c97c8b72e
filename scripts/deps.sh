#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs what millrace needs on Debian 12: to build it and run the demo
# (no argument), and also to test it (argument: test). Does nothing when all
# of it is there already. Uses sudo where it is not root.
set -eu

build='gcc make pkg-config libc6-dev libssl-dev liburing-dev libyaml-dev
libmicrohttpd-dev libsystemd-dev libmnl-dev libbpf-dev libelf-dev zlib1g-dev
clang llvm bpftool openssl curl jq python3 iproute2'
tests='libcmocka-dev python3-pytest nginx-light valgrind shellcheck cppcheck
clang-tidy clang-format tcpdump qemu-system-x86 qemu-system-common cpio
busybox-static kmod procps psmisc util-linux xz-utils zstd git'

want=$build
if [ "${1:-}" = test ]; then
	want="$build $tests"
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
