#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# service.sh KERNEL    (make vm-service KERNEL=…)
#
# The package (make deb) in a Debian 12 of its own, booted by its systemd on a
# kernel that has TLS: tests/service/guest.sh installs it, runs it as a service
# and purges it. KERNEL trixie is Debian 13 as a whole, its kernel and its
# libraries: there the package is built and the unit tests run first.
#
# Results are in build/vm/results/service-KERNEL (VM_RESULTS): guest.tap, and
# journal beside what run.sh leaves there. Exit: as run.sh; 75 when a kernel or
# a package could not be fetched.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
kernel=${1:?which kernel?}
vm=${VM_DIR:-$PWD/build/vm}

# package_in FOLDER: the one that deb.sh left there.
package_in() {
	find "$1" -maxdepth 1 -name 'millrace_*.deb' | grep . || {
		echo "service.sh: there is no package in $1: make deb" >&2
		exit 1
	}
}

# In the root: what this release's compiler and libraries make of the tree.
build_in() {
	local build=build/trixie epoch
	epoch=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y README.md)
	# shellcheck disable=SC2016 # the inner shell's
	"$here/enter.sh" "$1" env SOURCE_DATE_EPOCH="$epoch" BUILD="$build" \
		bash -euc '
		openssl version
		make -s -j"$(nproc)" all unit-programs
		passed=0
		for test in "$BUILD"/unit/*; do
			CMOCKA_MESSAGE_OUTPUT=TAP "$test" >/tmp/out 2>/tmp/err || {
				cat /tmp/out /tmp/err
				exit 1
			}
			passed=$((passed + $(grep -c "^ok" /tmp/out)))
		done
		echo "$passed unit tests passed"
		scripts/deb.sh >/dev/null' >&2
	package_in "$build"
}

"$here/fetch.sh" "$kernel" >/dev/null
if [ "$kernel" = trixie ]; then
	# shellcheck disable=SC2046
	VM_ROOT=$("$here/rootfs.sh" trixie $(scripts/deps.sh list) \
		libcmocka-dev dpkg-dev)
	deb=$(build_in "$VM_ROOT")
else
	deb=$(package_in build)
	mapfile -t depends < <(dpkg-deb -f "$deb" Depends |
		tr ',' '\n' | sed 's/^ *//;s/[ (|].*//')
	VM_ROOT=$("$here/rootfs.sh" bookworm "${depends[@]}")
fi
export VM_ROOT VM_MEMORY=${VM_MEMORY:-2048}
export VM_RESULTS=${VM_RESULTS:-$vm/results/service-$kernel}
export VM_FILES="$deb README.md tests/service/guest.sh"
exec "$here/run.sh" "$kernel" -- bash ./guest.sh "./${deb##*/}"
