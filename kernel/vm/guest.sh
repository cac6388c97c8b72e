#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# guest.sh RESULTS    the guest's first process once the root is in place
#
# Makes the guest look like a host that millrace was installed on, runs
# RESULTS/job, leaves its exit status and the kernel's log in RESULTS, and
# switches the machine off.
set -u
results=$1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/run/home LANG=C.UTF-8 TERM=dumb

mkdir -p /run/home /run/lock /dev/pts /dev/shm
ln -sfn /proc/self/fd /dev/fd
ln -sfn fd/0 /dev/stdin
ln -sfn fd/1 /dev/stdout
ln -sfn fd/2 /dev/stderr
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t securityfs securityfs /sys/kernel/security
cp "$results/config" "/boot/config-$(uname -r)"

hostname millrace-vm
ip link set lo up
modprobe tls || echo "vm: modprobe tls failed" >/dev/kmsg
sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535 \
	fs.nr_open=1048576 fs.file-max=2000000 vm.max_map_count=262144
# shellcheck disable=SC3045 # dash has them all
ulimit -n 200000
# shellcheck disable=SC3045
ulimit -l unlimited
# shellcheck disable=SC3045
ulimit -c 0

# A port may be opened once only, which /dev/stdout would do again; and a
# process left behind must not keep the machine up by holding the output.
mkfifo /run/output
for port in /dev/vport*p1; do
	cat /run/output >"$port" &
done
output=$!
(
	exec setsid --wait bash "$results/job" </dev/null >/run/output 2>&1
)
status=$?

for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	kill -0 "$output" 2>/dev/null || break
	sleep 0.2
done
dmesg >"$results/dmesg"
echo "$status" >"$results/status"
sync
busybox poweroff -f
sleep 60
