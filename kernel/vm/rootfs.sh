#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rootfs.sh DEBIAN PACKAGE...    DEBIAN: bookworm or trixie
#
# Makes a root file system of that release with systemd, what a service test
# uses, and the packages, below build/vm/roots (VM_DIR), unless one for the
# same packages is there. Prints its folder. Needs root, for files of many
# owners.
#
# Exit 75, with mmdebstrap's words, when the archive could not be reached.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
vm=${VM_DIR:-$top/build/vm}
debian=${1:?which release?}
shift
tools='systemd systemd-sysv kmod procps curl openssl busybox bpftool jq'
tools+=' ca-certificates logrotate iproute2'

command -v mmdebstrap >/dev/null || {
	echo "rootfs.sh: mmdebstrap is missing (package mmdebstrap)" >&2
	exit 1
}
if [ "$(id -u)" != 0 ]; then
	echo "rootfs.sh: making a root file system needs root" >&2
	exit 75
fi

# shellcheck disable=SC2086
packages=$(printf '%s\n' $tools "$@" | sort -u | paste -sd,)
roots=$vm/roots
folder=$roots/$debian-$(echo "$packages" | sha256sum | cut -c1-12)
mkdir -p "$roots"
exec 9>"$roots/lock"
flock 9
if ! [ -e "$folder/etc/debian_version" ]; then
	suite=$debian
	[ "$debian" != bookworm ] || suite=stable
	sources=$roots/$debian.sources
	"$here/sources.sh" "$suite" >"$sources"
	proxy=$(apt-config shell proxy Acquire::http::Proxy)
	proxy=${proxy#proxy=}
	proxy=${proxy//\'/}
	rm -rf "$folder.new"
	mmdebstrap --quiet --variant=minbase --include="$packages" \
		--aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' \
		${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-include=/usr/share/doc/millrace/*' \
		"$debian" "$folder.new" "$sources" \
		>"$roots/log" 2>&1 || {
		rm -rf "$folder.new"
		tail -n 20 "$roots/log" >&2
		echo "rootfs.sh: mmdebstrap could not fetch from the archive" >&2
		exit 75
	}
	mv "$folder.new" "$folder"
fi
echo "$folder"
