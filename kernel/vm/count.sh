#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# count.sh KERNEL ROOT    (bench/vm.py)
#
# Boots ROOT, a folder with an executable /init, as the whole of a machine
# with one processor whose clock is a count: a nanosecond for each guest
# instruction, and none while it is idle. What a process has run, in
# /proc/PID/task/TID/schedstat, is then the number of its instructions, the
# same at each run of the same ROOT, whatever else this host does. It says
# nothing of time: a cache miss costs nothing, a copy by rep movs as much as
# one byte (so -erms and -fsrm), a whole AES round one.
#
# ROOT gets busybox, and in /modules, in the order for insmod, what TLS in the
# kernel needs. Standard output is what the guest wrote to /dev/ttyS1.
# Exit: 0; 75 the kernel could not be fetched; 124 after VM_TIMEOUT (600 s).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ne 2 ]; then
	echo "usage: count.sh KERNEL ROOT" >&2
	exit 2
fi
root=$(cd "$2" && pwd)
folder=$("$here/fetch.sh" "$1")
release=$(cat "$folder/release")
PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d "${TMPDIR:-/tmp}/count.XXXXXX")
trap 'rm -rf "$work"' EXIT

mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules}
cp "$(command -v busybox)" "$root/bin/busybox"
for module in tls gcm aesni-intel ghash-clmulni-intel; do
	# Newer kernels have some of them under other names, or built in.
	modprobe -d "$folder" -S "$release" --show-depends "$module" \
		2>/dev/null || true
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
count=100
while read -r file; do
	name=$count-$(basename "$file")
	case $name in
	*.xz) xz -dc "$file" >"$root/modules/${name%.xz}" ;;
	*.zst) zstd -qdc "$file" >"$root/modules/${name%.zst}" ;;
	*) cp "$file" "$root/modules/$name" ;;
	esac
	count=$((count + 1))
done <"$work/modules"

# No times in it: one byte more or less moves a count.
find "$root" -exec touch -hd @0 {} +
(cd "$root" && find . -print0 | LC_ALL=C sort -z |
	cpio -0 -o --quiet -H newc -R 0:0 --reproducible) >"$work/initrd"

: >"$work/said"
timeout -k 5 "${VM_TIMEOUT:-600}" qemu-system-x86_64 \
	-accel tcg -icount shift=0,sleep=off -smp 1 -m 1024 \
	-cpu max,-erms,-fsrm -seed 1 \
	-rtc clock=vm,base=2030-01-01T00:00:00 \
	-nodefaults -no-user-config -no-reboot -display none \
	-kernel "$folder/vmlinuz" -initrd "$work/initrd" \
	-serial "file:$work/kernel.log" -serial "file:$work/said" \
	-append "console=ttyS0 panic=-1 nowatchdog" </dev/null || {
	status=$?
	echo "count.sh: the kernel's last words:" >&2
	tail -n 20 "$work/kernel.log" >&2
	exit "$status"
}
if ! grep -qs '^done' "$work/said"; then
	echo "count.sh: the guest did not get to its end:" >&2
	tail -n 30 "$work/kernel.log" >&2
	exit 1
fi
tr -d '\r' <"$work/said"
