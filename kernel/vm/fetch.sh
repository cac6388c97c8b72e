#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch.sh KERNEL    KERNEL: 6.1 or stable, 6.12 or backports, 7.2 or sid;
#                    trixie: Debian 13's
#
# Fetches the newest cloud kernel of that Debian suite with apt and unpacks
# it under build/vm (VM_DIR); nothing is installed, and apt's own sources,
# lists and cache are left alone. Prints the folder, which holds
#   release    what uname -r will say        config     its build's options
#   vmlinuz    the kernel                    lib/modules/RELEASE
#
# Exit 75, with apt's own words, when apt could not reach the archive and no
# kernel of the suite is in the cache: the caller may call that a skip.
# VM_FRESH_MIN (default 720): minutes for which the package lists are believed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
vm=${VM_DIR:-$top/build/vm}
meta=linux-image-cloud-amd64

die() {
	echo "fetch.sh: $*" >&2
	exit 1
}

case ${1:-} in
6.1 | stable) suite=stable ;;
6.12 | backports) suite=backports ;;
7.2 | sid) suite=sid ;;
trixie) suite=trixie ;;
*) die "which kernel? 6.1|stable, 6.12|backports, 7.2|sid, trixie" ;;
esac

apt=$vm/apt/$suite
kernels=$vm/kernels/$suite
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$kernels"

# An installed kernel or a preference of this host must not decide what the
# newest one is: no status file, no preferences.
with_apt() {
	local tool=$1
	shift
	"$tool" -q \
		-o Dir::Etc::sourcelist="$apt/debian.sources" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$apt/lists" \
		-o Dir::State::status=/dev/null \
		-o Dir::Cache="$apt/cache" \
		-o Acquire::Languages=none \
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
		-o Acquire::Retries=3 \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 \
		-o APT::Update::Error-Mode=any \
		"$@"
}

# The archive cannot be reached: an older kernel of the suite will do.
fall_back() {
	local old
	cat "$apt/log" >&2
	old=$(cat "$kernels/newest" 2>/dev/null) || old=
	if [ -n "$old" ] && [ -e "$kernels/$old/vmlinuz" ]; then
		echo "fetch.sh: apt could not fetch; using $old as cached" >&2
		echo "$kernels/$old"
		exit 0
	fi
	exit 75
}

update() {
	local fresh
	fresh=$(find "$apt/updated" -mmin "-${VM_FRESH_MIN:-720}" \
		2>/dev/null) || fresh=
	[ -z "$fresh" ] || cmp -s "$apt/debian.sources" "$apt/updated" || fresh=
	[ -z "$fresh" ] || return 0
	with_apt apt-get update >"$apt/log" 2>&1 || fall_back
	cp "$apt/debian.sources" "$apt/updated"
}

# The packages behind the meta package: one for 6.1 and 6.12; later kernels
# are cut into several (image, binary, modules, base).
parts_of() {
	with_apt apt-cache show --no-all-versions "$1" 2>/dev/null |
		sed -n 's/^\(Pre-\)\?Depends: //p' | tr ',|' '[\n*]' |
		sed 's/^ *//; s/[ (:].*//' |
		grep -E '^linux-(image|binary|modules|base)-[0-9].*-cloud-amd64$' ||
		true
}

closure() {
	local todo=$meta seen=' ' next
	while [ -n "$todo" ]; do
		next=
		for package in $todo; do
			case $seen in *" $package "*) continue ;; esac
			seen="$seen$package "
			next="$next $(parts_of "$package" | tr '\n' ' ')"
		done
		todo=${next# }
		todo=${todo## }
	done
	echo "${seen# "$meta" }"
}

unpack() {
	local folder=$1 deb release
	shift
	for deb in "$@"; do
		dpkg-deb -x "$deb" "$folder"
	done
	# /lib may be /usr/lib in a package; the modules have one place here.
	if [ -d "$folder/usr/lib/modules" ]; then
		mkdir -p "$folder/lib/modules"
		cp -al "$folder/usr/lib/modules/." "$folder/lib/modules/"
	fi
	rm -rf "${folder:?}/usr"
	release=$(ls "$folder/lib/modules")
	[ -d "$folder/lib/modules/$release" ] ||
		die "no single set of modules: $release"
	echo "$release" >"$folder/release"
	place "$folder" vmlinuz "boot/vmlinuz-$release" \
		"lib/modules/$release/vmlinuz"
	place "$folder" config "boot/config-$release" \
		"lib/modules/$release/config"
	depmod -b "$folder" "$release"
}

# place FOLDER NAME CANDIDATE...: FOLDER/NAME points to the first there is.
place() {
	local folder=$1 name=$2 from
	shift 2
	for from in "$@"; do
		if [ -e "$folder/$from" ]; then
			ln -s "$from" "$folder/$name"
			return 0
		fi
	done
	die "none of these is in the packages: $*"
}

PATH=$PATH:/usr/sbin:/sbin
exec 9>"$apt/lock"
flock 9

"$here/sources.sh" "$suite" >"$apt/debian.sources"
update
version=$(with_apt apt-cache show --no-all-versions "$meta" 2>"$apt/log" |
	sed -n 's/^Version: //p') || version=
[ -n "$version" ] || die "$suite has no $meta: $(cat "$apt/log")"
if [ ! -e "$kernels/$version/vmlinuz" ]; then
	packages=$(closure)
	[ -n "${packages// /}" ] || die "nothing behind $meta $version"
	new=$kernels/new.$$
	trap 'rm -rf "$new"' EXIT
	mkdir -p "$new/debs"
	# shellcheck disable=SC2086
	(cd "$new/debs" && with_apt apt-get download $packages) \
		>"$apt/log" 2>&1 || fall_back
	unpack "$new" "$new"/debs/*.deb
	rm -rf "$new/debs" "${kernels:?}/$version"
	mv "$new" "$kernels/$version"
	trap - EXIT
fi
echo "$version" >"$kernels/newest"
echo "$kernels/$version"
