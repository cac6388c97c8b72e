#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# service-guest.sh RESULTS    (a service of the guest that VM_ROOT booted)
#
# Runs RESULTS/job once the machine is up, leaves its exit status, the kernel's
# log and the journal in RESULTS, and switches the machine off.
set -u
results=$1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=dumb

for port in /dev/vport*p1; do
	bash "$results/job" >"$port" 2>&1
	echo $? >"$results/status"
done
dmesg >"$results/dmesg"
journalctl --no-pager -o short-precise >"$results/journal" 2>&1
sync
busybox poweroff -f
