#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh KERNEL -- COMMAND [ARG...]
#
# Runs a command on a kernel (see fetch.sh for their names) in a virtual
# machine: as root, in this directory, seeing this host's file system as it
# is, through a layer that keeps what is written in memory and forgets it.
# Only VM_RESULTS (default build/vm/results/KERNEL) is shared for writing; it
# is emptied first, and then holds
#   output   what the command said          kernel.log   the serial console
#   status   its exit status                dmesg        the kernel's log
# Environment: MILLRACE_* and E2E_* reach the command. The machine:
#   VM_TIMEOUT 1200 (seconds)   VM_MEMORY 4096 (MiB)   VM_CPUS 2
#   VM_ROOT    a root file system (a folder) to boot by its own /sbin/init
#              instead of this host's: the command then runs in VM_RESULTS, into
#              which VM_FILES, a list of files, are copied, as a service
#   VM_ACCEL   kvm or tcg; default: kvm where it is shown to boot this kernel
# Exit: the command's own status, or
#   75 the kernel could not be fetched   122 the kernel complained (see
#   complaints, below)   123 the machine ended without a status
#   124 VM_TIMEOUT is over
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
vm=${VM_DIR:-$top/build/vm}
virtiofsd=/usr/lib/qemu/virtiofsd
complaints='WARNING:|BUG:|Oops|[Pp]ossible (circular|recursive) locking'
complaints+='|inconsistent lock state|Kernel panic|general protection fault'
complaints+='|KASAN|UBSAN|unregister_netdevice: waiting|kernel stack overflow'
complaints+='|blocked for more than|refcount_t:|list_(add|del) corruption'

die() {
	echo "run.sh: $*" >&2
	exit 1
}

if [ $# -lt 3 ] || [ "$2" != -- ]; then
	die "usage: run.sh KERNEL -- COMMAND [ARG...]"
fi
kernel=$1
shift 2
command -v qemu-system-x86_64 >/dev/null ||
	die "qemu-system-x86_64 is missing (package qemu-system-x86)"
[ -x "$virtiofsd" ] ||
	die "$virtiofsd is missing (package qemu-system-common)"

folder=$("$here/fetch.sh" "$kernel")
initrd=$("$here/initramfs.sh" "$folder")
release=$(cat "$folder/release")
mkdir -p "${VM_RESULTS:=$vm/results/$kernel}"
results=$(cd "$VM_RESULTS" && pwd)
case $top$results$folder in
*[[:space:]]*) die "a path with spaces cannot be given to the kernel" ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/vm.XXXXXX")
fs_pid=
qemu_pid=
# shellcheck disable=SC2317
clean_up() {
	[ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null || true
	[ -z "$fs_pid" ] || kill "$fs_pid" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# What qemu needs for any boot of this kernel; $1 is the accelerator.
# cmpxchg16b is not to be had from an emulated processor with several
# threads: it is not atomic enough there, and 6.12's slab allocator dies.
# Without ERMS the kernel copies eight bytes at a time or more: rep movsb is
# emulated byte by byte.
machine() {
	case $1 in
	kvm) echo -accel kvm -cpu host ;;
	tcg) echo -accel tcg,thread=multi -cpu max,-cx16,-erms ;;
	*) die "VM_ACCEL is kvm or tcg, not $1" ;;
	esac
	echo -nodefaults -no-user-config -no-reboot -display none \
		-kernel "$folder/vmlinuz" -initrd "$initrd"
}

# A /dev/kvm that opens may still be unable to run a stock kernel (nested
# and partial implementations): only a boot tells. The answer is kept for
# as long as the host itself stays up.
choose_accelerator() {
	local answer
	if [ -n "${VM_ACCEL:-}" ]; then
		echo "$VM_ACCEL"
		return
	fi
	if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
		echo tcg
		return
	fi
	answer=$folder/accel.$(cat /proc/sys/kernel/random/boot_id)
	if ! [ -s "$answer" ]; then
		rm -f "$folder"/accel.*
		echo tcg >"$work/accel"
		# shellcheck disable=SC2046
		timeout 10 qemu-system-x86_64 $(machine kvm) -m 512 \
			-serial "file:$work/probe.log" \
			-append "console=ttyS0 panic=-1 vm_probe" \
			</dev/null >/dev/null 2>&1 || true
		if grep -qs 'vm: this machine boots' "$work/probe.log"; then
			echo kvm >"$work/accel"
		fi
		mv "$work/accel" "$answer"
	fi
	cat "$answer"
}

# The command as a script: its directory, its environment, itself.
write_job() {
	local name
	if [ -n "${VM_ROOT:-}" ]; then
		echo "cd $(printf %q "$results") || exit 1"
	else
		echo "cd $(printf %q "$PWD") || exit 1"
	fi
	for name in $(compgen -e); do
		case $name in
		MILLRACE_* | E2E_* | VM_RESULTS)
			printf 'export %s=%q\n' "$name" "${!name}"
			;;
		esac
	done
	printf 'export VM_RELEASE=%q\n' "$release"
	printf 'exec'
	printf ' %q' "$@"
	echo
}

# virtiofsd wants to be root, if only of a namespace, and a lock file in
# /run; the guest has a /run of its own anyway.
start_virtiofsd() {
	local as=()
	if [ "$(id -u)" != 0 ]; then
		# shellcheck disable=SC2016
		as=(unshare -rm sh -c 'mount -t tmpfs run /run && exec "$@"' -)
	fi
	ulimit -n "$(ulimit -Hn)"
	"${as[@]}" "$virtiofsd" --socket-path="$work/fs.sock" \
		--rlimit-nofile=0 -o source=/ -o sandbox=chroot \
		-o cache=always -o log_level=warn \
		</dev/null >"$work/fs.log" 2>&1 &
	fs_pid=$!
	for _ in $(seq 100); do
		[ ! -S "$work/fs.sock" ] || return 0
		kill -0 "$fs_pid" 2>/dev/null || break
		sleep 0.05
	done
	cat "$work/fs.log" >&2
	die "virtiofsd does not start"
}

accel=$(choose_accelerator)
rm -rf "${results:?}"/*
export VM_RESULTS=$results
write_job "$@" >"$results/job"
# shellcheck disable=SC2086
[ -z "${VM_FILES:-}" ] || cp -t "$results" $VM_FILES
cp "$folder/config" "$results/config"
start_virtiofsd

echo "vm: $release, $accel"
memory=${VM_MEMORY:-4096}
# With an emulated processor the watchdogs measure the host's load.
append="console=ttyS0 panic=-1 oops=panic log_buf_len=4M nowatchdog"
# From 6.18 on BPF allocates without locks, which takes cmpxchg16b (above) or
# a slab cache with checks: else no program could ever create a storage.
append+=" slab_debug=F,kmalloc-cg-*"
if [ "$accel" = tcg ]; then
	# What costs most there. Each program is translated anew for each
	# place in memory that it is loaded to, so they all get the same one.
	# The clock is the processor's own: the HPET is a device, behind a lock
	# of qemu's. And nobody attacks this machine, or reads its old pages.
	append+=" norandmaps tsc=reliable hpet=disable"
	append+=" mitigations=off init_on_alloc=0"
fi
append+=" vm_results=$results vm_modules=$folder/lib/modules"
append+=" vm_guest=$here/guest.sh"
[ -z "${VM_ROOT:-}" ] || append+=" vm_root=$VM_ROOT"
mkfifo "$work/output"
tee "$results/output" <"$work/output" &
tee_pid=$!
# shellcheck disable=SC2046
timeout -k 5 "${VM_TIMEOUT:-1200}" qemu-system-x86_64 $(machine "$accel") \
	-smp "${VM_CPUS:-2}" -m "$memory" -machine q35,memory-backend=memory \
	-object "memory-backend-memfd,id=memory,size=${memory}M,share=on" \
	-chardev "socket,id=fs,path=$work/fs.sock" \
	-device vhost-user-fs-pci,chardev=fs,tag=host,queue-size=1024 \
	-serial "file:$results/kernel.log" \
	-device virtio-serial-pci -chardev "file,id=output,path=$work/output" \
	-device virtserialport,chardev=output,name=output \
	-append "$append" </dev/null >"$work/qemu.log" 2>&1 &
qemu_pid=$!
ended=0
wait "$qemu_pid" || ended=$?
qemu_pid=
wait "$tee_pid" || true
sed 's/^/vm: qemu: /' "$work/qemu.log"

status=$(cat "$results/status" 2>/dev/null) || status=
if [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
	echo "vm: not done after ${VM_TIMEOUT:-1200} s; the kernel's last words:"
	tail -n 20 "$results/kernel.log"
	status=124
elif [ -z "$status" ]; then
	echo "vm: it ended without a status; the kernel's last words:"
	tail -n 40 "$results/kernel.log"
	status=123
fi
if grep -Eqs "$complaints" "$results/kernel.log" "$results/dmesg"; then
	echo "vm: the kernel complained:"
	grep -Ehs -B2 -A40 "$complaints" "$results/kernel.log" | head -n 200
	[ "$status" != 0 ] || status=122
fi
echo "vm: $release, $accel: exit $status"
exit "$status"
