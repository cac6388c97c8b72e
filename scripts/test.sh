#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# test.sh [--quick | --asan]
#
# Installs what is missing, builds, and runs every test that this machine can
# run: style, unit, end to end natively, and end to end with the kernel engine
# on Debian's 6.1, 6.12 and 7.2 kernels in virtual machines, with the package
# as a service in a fourth. --quick leaves out machines, valgrind, benchmarks;
# --asan runs unit and end-to-end tests under ASan and UBSan instead. An
# end-to-end test that fails is run once more; that it took two is told, and
# more than a few such are failures. The last line is "N passed, N failed,
# N skipped".
set -uo pipefail
cd "$(dirname "$0")/.." || exit

mode=${1:-all}
case $mode in
all | --quick | --asan) ;;
*)
	echo "usage: test.sh [--quick | --asan]" >&2
	exit 2
	;;
esac

build=build
results=build/results
if [ "$mode" = --asan ]; then
	export SANITIZE=1
	build=build/asan
	results=build/results-asan
	# What OpenSSL and libbpf keep until the end is theirs.
	export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:quarantine_size_mb=1
	export UBSAN_OPTIONS=print_stacktrace=1
	export E2E_BULK_MIB=${E2E_BULK_MIB:-4} E2E_EACH_MIB=4 E2E_SHORT=${E2E_SHORT:-500}
	export E2E_TIME_FACTOR=${E2E_TIME_FACTOR:-3} E2E_RECORDS=100
fi

# part NAME COMMAND...: passed or failed by its exit status; 75 is a skip,
# whose reason is the last line it said.
part() {
	local name=$1 begun=$SECONDS status
	shift
	echo "== $name"
	"$@" 2>&1 | tee "$results/$name.log"
	status=${PIPESTATUS[0]}
	case $status in
	0) echo "passed $name" >>"$results/parts.part" ;;
	75) echo "skipped $name $(tail -n 1 "$results/$name.log")" \
		>>"$results/parts.part" ;;
	*) echo "failed $name exit status $status" >>"$results/parts.part" ;;
	esac
	echo "== $name: status $status after $((SECONDS - begun)) s"
	return "$status"
}

# What waits for nothing, beside the parts that wait much, which go before it.
aside() {
	(
		renice -n 19 "$BASHPID" >/dev/null
		part style scripts/tidy.sh
		[ "$mode" != all ] || part leaks leaks
	) >"$results/aside.said" 2>&1 &
	beside=$!
}

unit() {
	local test status=0
	for test in "$build"/unit/*; do
		CMOCKA_MESSAGE_OUTPUT=TAP "$test" \
			>"$results/${test##*/}.tap" 2>"$results/${test##*/}.err" || {
			status=1
			cat "$results/${test##*/}.tap" "$results/${test##*/}.err"
		}
	done
	return "$status"
}

# Bytes that nothing points to any more: of the unit tests, and of a daemon
# that has carried, reloaded, rekeyed and drained. Of what is undefined valgrind
# knows too little here (bpf(2), io_uring): that is left to the sanitizers.
leaks() {
	local test status=0
	local under="valgrind -q --leak-check=full --error-exitcode=99
		--errors-for-leak-kinds=definite --undef-value-errors=no
		--suppressions=$PWD/tests/valgrind.supp"
	for test in "$build"/unit/*; do
		# valgrind knows no seccomp(2), and dies of a barred execve(2);
		# it lets no thread run while another waits for a ring.
		case ${test##*/} in test_sandbox | test_ring) continue ;; esac
		# shellcheck disable=SC2086
		$under "$test" >"$results/valgrind.out" 2>&1 || {
			status=1
			echo "${test##*/}:"
			tail -n 40 "$results/valgrind.out"
		}
	done
	MILLRACE=$PWD/$build/fault/millrace MILLRACE_FAULT=poll=1 \
		MILLRACE_UNDER=$under E2E_BULK_MIB=1 E2E_TIME_FACTOR=10 \
		/usr/bin/python3 -m pytest -q \
		--junitxml="$results/e2e-valgrind.xml" \
		"tests/e2e/test_transfer.py::test_tls_to_tls[13]" \
		"tests/e2e/test_rekey.py::test_peer_updates_as_client[1]" \
		"tests/e2e/test_life.py::test_drain_deadline[deadline]" \
		tests/e2e/test_life.py::test_reload || status=1
	return "$status"
}

end_to_end() {
	MILLRACE=$PWD/$build/millrace /usr/bin/python3 -m pytest -q --reruns 1 \
		tests/e2e --junitxml="$results/e2e-native.xml"
}

# What is installed beside the program.
package() {
	make BUILD="$build" deb >/dev/null || return 1
	BUILD=$PWD/$build /usr/bin/python3 -m pytest -q -p no:cacheprovider \
		tests/package --junitxml="$results/package.xml"
}

# The README's benchmark runs and says something of everybody. What it says is
# worth nothing here: one round, on whatever machine this is.
benchmark() {
	scripts/deps.sh bench || return 1
	make bench QUICK=1 ROUNDS=1
}

# machine NAME: a kernel's name, or service: the package under systemd on 6.1.
machine() {
	local status=0 kernel file less=()
	# Whom the program trusts and what it tells are no matter of the
	# kernel's release: of these each runs on one.
	while read -r kernel file; do
		[ "$1" = "$kernel" ] || less+=("--ignore=tests/e2e/$file.py")
	done <<-END
		6.1	test_certificates
		6.1	test_statistics
		6.1	test_stats_command
		6.12	test_resume
		6.12	test_routes
		7.2	test_access_log
		7.2	test_rotation
		7.2	test_trust
	END
	# It may share two processors with the others.
	export VM_TIMEOUT=${VM_TIMEOUT:-3900} VM_RESULTS=$PWD/$results/vm-$1
	# Where two emulated processors have less than two to run on, one spins
	# while the other, which it waits for, does not run. 6.1 keeps both:
	# what happens between processors only shall happen somewhere.
	case $1 in
	6.12 | 7.2) [ "$(nproc)" -ge 8 ] || export VM_CPUS=${VM_CPUS:-1} ;;
	esac
	if [ "$1" = service ]; then
		kernel/vm/service.sh 6.1 || status=$?
	else
		nice kernel/vm/test.sh "$1" --reruns 1 "${less[@]}" || status=$?
	fi
	[ ! -f "$VM_RESULTS/junit.xml" ] ||
		cp "$VM_RESULTS/junit.xml" "$results/e2e-$1.xml"
	for tap in "$VM_RESULTS"/*.tap; do
		[ ! -f "$tap" ] || cp "$tap" "$results/$(basename "$tap" .tap)-$1.tap"
	done
	return "$status"
}

# The machines wait much, for what is emulated in one thread and for each
# other's deadlines, so they run all at once. The service's goes before the
# others (nice): the deadlines there are systemd's, and not stretched. What each
# says is printed when it has ended; until then it is in its log.
machines() {
	local name pids=() names=(6.1 6.12 7.2 service)
	local memory=${VM_MEMORY:-4096} free
	free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	for name in "${names[@]}"; do
		if [ "$free" -lt $((memory * ${#names[@]})) ]; then
			part "vm-$name" machine "$name"
			continue
		fi
		part "vm-$name" machine "$name" \
			>"$results/vm-$name.said" 2>&1 &
		pids+=($!)
	done
	[ ${#pids[@]} = 0 ] ||
		echo "== machines, all at once: $results/vm-*.log"
	for name in "${!pids[@]}"; do
		wait "${pids[name]}"
		cat "$results/vm-${names[name]}.said"
	done
}

rm -rf "$results"
mkdir -p "$results"
part deps scripts/deps.sh test || exit 1
part build make -j"$(nproc)" BUILD="$build" all fault unit-programs || {
	/usr/bin/python3 scripts/count.py "$results" tests/allowed-skips.txt
	exit 1
}
[ "$mode" = --asan ] || aside
part unit unit
part e2e end_to_end
[ "$mode" = --asan ] || part package package
[ "$mode" != --asan ] || part fuzz scripts/fuzz.sh 5
if [ "$mode" = all ]; then
	part bench benchmark
fi
if [ "$mode" != --asan ]; then
	wait "$beside"
	cat "$results/aside.said"
fi
[ "$mode" != all ] || machines
/usr/bin/python3 scripts/count.py "$results" tests/allowed-skips.txt
