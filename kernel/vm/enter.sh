#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# enter.sh ROOT COMMAND...
#
# Runs a command in a root file system that rootfs.sh made, as root, with this
# tree at its own path and the host's devices; what is mounted for that ends
# with the command, and is never seen from outside.
set -euo pipefail

root=$(cd "$1" && pwd)
shift
top=$(cd "$(dirname "$0")/../.." && pwd)
export ENTER_ROOT=$root ENTER_TOP=$top
# shellcheck disable=SC2016 # the inner shell's
exec unshare --mount --pid --fork --kill-child bash -euc '
	mkdir -p "$ENTER_ROOT$ENTER_TOP"
	mount --bind "$ENTER_TOP" "$ENTER_ROOT$ENTER_TOP"
	mount --rbind /dev "$ENTER_ROOT/dev"
	mount -t proc proc "$ENTER_ROOT/proc"
	mount -t sysfs -o ro sys "$ENTER_ROOT/sys"
	mount -t tmpfs tmp "$ENTER_ROOT/tmp"
	export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TMPDIR=/tmp
	exec chroot "$ENTER_ROOT" env -C "$ENTER_TOP" "$@"
' enter "$@"
