#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# config.sh CONFIG [REQUIRED]
#
# Compares a kernel's configuration (/boot/config-…, or as fetch.sh leaves
# it) with kernel/required.config. Prints what is missing, under the reason
# it is wanted for. Exit 1 when a need is not met, or, as for the kernels
# that tests run on, when a want is not (VM_WANT=no forgives that).
set -eu

config=$1
required=${2:-$(dirname "$0")/../required.config}
[ -r "$config" ] || {
	echo "config.sh: cannot read $config" >&2
	exit 1
}

awk -v want="${VM_WANT:-yes}" '
FNR == NR {
	if (split($0, pair, "=") == 2)
		has[pair[1]] = pair[2]
	next
}
/^# (need|want): / {
	level = substr($2, 1, 4)
	reason = substr($0, 3)
	next
}
/^#/ && reason != "" && !ended {
	reason = reason " " substr($0, 3)
	next
}
/^$/ {
	ended = 0
	reason = ""
	next
}
/^CONFIG_/ {
	ended = 1
	split($0, pair, "=")
	value = has[pair[1]]
	if (value == "y" || (value == "m" && pair[2] == "m"))
		next
	if (reason != said) {
		print reason
		said = reason
	}
	print "  " pair[1] "=" pair[2] ", here: " (value ? value : "not set")
	if (level == "need" || want == "yes")
		missing = 1
}
END { exit missing }
' "$config" "$required"
