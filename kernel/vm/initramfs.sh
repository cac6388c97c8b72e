#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# initramfs.sh FOLDER    FOLDER: as fetch.sh prints it
#
# Builds FOLDER/initrd: busybox, init, and the modules that stand between the
# kernel and the host's root file system; every other module is loaded from
# there. Does nothing when FOLDER/initrd is newer than what goes into it.
# Prints its path.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
release=$(cat "$folder/release")
modules='virtio_pci virtio_console virtiofs overlay'
PATH=$PATH:/usr/sbin:/sbin

initrd=$folder/initrd
busybox=$(command -v busybox) || {
	echo "initramfs.sh: busybox is missing (package busybox-static)" >&2
	exit 1
}
if [ "$initrd" -nt "$here/init" ] && [ "$initrd" -nt "$0" ] &&
	[ "$initrd" -nt "$busybox" ]; then
	echo "$initrd"
	exit 0
fi

root=$(mktemp -d "$folder/initrd.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,host,upper,new,modules}
cp "$busybox" "$root/bin/busybox"
cp "$here/init" "$root/init"
chmod 755 "$root/init"

# In the order in which they must be loaded, and unpacked: what init has is
# an insmod that may know no compression. Built-in ones need nothing.
for module in $modules; do
	modprobe -d "$folder" -S "$release" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
	while read -r file; do
		name=$(basename "$file")
		case $name in
		*.xz) xz -dc "$file" >"$root/modules/${name%.xz}" ;;
		*.zst) zstd -qdc "$file" >"$root/modules/${name%.zst}" ;;
		*.gz) gzip -dc "$file" >"$root/modules/${name%.gz}" ;;
		*) cp "$file" "$root/modules/$name" ;;
		esac
		name=${name%.ko*}
		echo "$name.ko" >>"$root/modules/order"
	done
[ -e "$root/modules/order" ] || : >"$root/modules/order"

(cd "$root" && find . -print0 | LC_ALL=C sort -z |
	cpio -0 -o --quiet -H newc -R 0:0) | gzip -1 >"$root.gz"
mv "$root.gz" "$initrd"
echo "$initrd"
