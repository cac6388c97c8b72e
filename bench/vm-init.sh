#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# The guest of bench/vm.py: counts what millrace's worker runs for the same
# work in two amounts, so that what comes once falls out of the difference.
# Says "ENGINE CASE UNITS INSTRUCTIONS" for each on the second serial line.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
$b ifconfig lo up
for module in /modules/*; do
	$b insmod "$module"
done

say() {
	echo "$*" >/dev/ttyS1
}

# The instructions of the threads of $1 that forward.
ran() {
	total=0
	for task in /proc/"$1"/task/*; do
		read -r name <"$task/comm"
		read -r ran rest <"$task/schedstat"
		case $name in
		worker*) total=$((total + ran)) ;;
		esac
	done
	echo "$total"
}

# measure ENGINE PID PORT CASE UNITS OPTION...
measure() {
	engine=$1 pid=$2 port=$3 name=$4 units=$5
	shift 5
	before=$(ran "$pid")
	/bin/millrace-bench "127.0.0.1:$port" "$@" --tls \
		--ciphersuites TLS_AES_128_GCM_SHA256 || say "failed $name"
	say "$engine $name $units $(($(ran "$pid") - before))"
}

/bin/millrace-bench origin 127.0.0.1:9000 &
$b sleep 1
port=9100
for engine in user kernel; do
	port=$((port + 1))
	/bin/millrace run -c "/$engine.yaml" &
	pid=$!
	$b sleep 2
	for mib in 4 12; do
		size=$((mib << 20))
		measure $engine $pid $port down $size bulk --connections 1 \
			--count 1 --size $size
		measure $engine $pid $port up $size bulk --connections 1 \
			--count 1 --size 0 --body $size
	done
	for count in 100 300; do
		measure $engine $pid $port request $count requests \
			--connections 4 --size 1024 --body 1024 --count $count
	done
	for count in 10 30; do
		measure $engine $pid $port handshake $count handshakes \
			--count $count
		measure $engine $pid $port resumption $count handshakes \
			--resume --count $count
	done
	kill $pid
	wait $pid
done
say "done"
$b poweroff -f
