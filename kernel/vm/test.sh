#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# test.sh KERNEL [PYTEST ARG...]    (make vm-test KERNEL=…)
#
# Runs the end-to-end tests with the kernel engine on a kernel that has TLS:
# 6.1 (stable), 6.12 (backports) or 7.2 (sid). When the arguments name no
# test that exists, all of tests/e2e runs. Results are in
# build/vm/results/KERNEL: junit.xml and *.tap beside what run.sh leaves there.
# Exit: pytest's status, or one of run.sh's (75: the kernel could not be
# fetched). The environment is run.sh's; the tests' own (MILLRACE_*, E2E_*)
# are passed on, with defaults for an emulated machine.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
if [ $# -lt 1 ]; then
	echo "usage: test.sh 6.1|6.12|7.2|stable|backports|sid" \
		"[PYTEST ARG...]" >&2
	exit 2
fi
kernel=$1
shift

folder=$("$here/fetch.sh" "$kernel")
echo "vm: kernel $(cat "$folder/release"), package $(basename "$folder")"
if ! "$here/config.sh" "$folder/config"; then
	echo "vm: this kernel lacks what kernel/required.config asks for" >&2
	exit 1
fi

tests=(tests/e2e -m 'not native')
for arg in "$@"; do
	if [[ $arg != -* ]] && [ -e "${arg%%::*}" ]; then
		tests=()
	fi
done

# Under emulation everything takes its time and no time means anything.
export MILLRACE_ENGINE=${MILLRACE_ENGINE:-kernel}
export E2E_TIME_FACTOR=${E2E_TIME_FACTOR:-10}
export E2E_SHORT=${E2E_SHORT:-200}
export E2E_AT_ONCE=${E2E_AT_ONCE:-100}
export E2E_STALLED=${E2E_STALLED:-100}
export E2E_RECORDS=${E2E_RECORDS:-100}
export E2E_BULK_MIB=${E2E_BULK_MIB:-8}
export E2E_SWAPS=${E2E_SWAPS:-10} E2E_RESTARTS=${E2E_RESTARTS:-1}
export VM_TIMEOUT=${VM_TIMEOUT:-1500}
results=${VM_RESULTS:-${VM_DIR:-$PWD/build/vm}/results/$kernel}
export VM_RESULTS=$results
exec "$here/run.sh" "$kernel" -- kernel/vm/suite.sh "$results" \
	-m "not native" "${tests[@]}" "$@"
