#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# suite.sh RESULTS PYTEST-ARG...    (called by test.sh, within the machine)
#
# The unit tests that need kTLS, then the end-to-end tests. Results are left
# in RESULTS as *.tap and junit.xml; exit 1 when anything failed.
set -uo pipefail
results=$1
shift
status=0
for test in build/unit/test_engine_kernel build/unit/test_engine_kernel_keys; do
	[ -x "$test" ] || continue
	CMOCKA_MESSAGE_OUTPUT=TAP "$test" >"$results/${test##*/}.tap" || status=1
	grep -H "^not ok" "$results/${test##*/}.tap" || true
done
/usr/bin/python3 -m pytest -q --junitxml="$results/junit.xml" "$@" || status=1
exit $status
