#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2317 # steps are called by name
# guest.sh DEB    (run by kernel/vm/service.sh, as root, in a guest that systemd
# booted and that is thrown away; the folder it is in keeps its results)
#
# The life of the service, from its package to its purge, by the README's own
# commands. Each step is a line of guest.tap; a failed step ends it, as the
# later ones rest upon it.
set -u

deb=$1
tap=$PWD/guest.tap
folder=/root/service
readme=/usr/share/doc/millrace/README.md
mkdir -p "$folder"
cd "$folder" || exit 1

# The same machine, whose service manager may wait: what a start does within a
# second, this processor does within a minute when it is emulated beside others.
slow=/run/systemd/system/millrace.service.d
mkdir -p "$slow"
printf '[Service]\nTimeoutStartSec=5min\n' >"$slow/slow.conf"

count=0
failed=0
: >"$tap"

# step NAME: a function of that name, its output shown when it fails.
step() {
	local begun=$SECONDS status
	count=$((count + 1))
	[ "$failed" = 0 ] || return 0
	# Not as a condition, where errexit means nothing.
	(
		set -e
		"$1"
	) >step.log 2>&1
	status=$?
	if [ "$status" = 0 ]; then
		echo "ok $count - $1" | tee -a "$tap"
	else
		echo "not ok $count - $1" | tee -a "$tap"
		cat step.log
		systemctl status --no-pager -l millrace
		journalctl --no-pager -o short-precise -u millrace -n 60
		failed=1
	fi
	echo "# $((SECONDS - begun)) s, up $(cut -d" " -f1 /proc/uptime) s"
}

# until_true SECONDS COMMAND...: seconds of a machine that is emulated and shares
# its host with others
until_true() {
	local end=$((SECONDS + $1 * 4))
	shift
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "waited in vain for: $*"
			return 1
		fi
		sleep 0.2
	done
}

property() {
	systemctl show -P "$1" millrace.service
}

status_is() {
	local text
	text=$(property StatusText)
	# shellcheck disable=SC2254 # a pattern
	case $text in
	$1) ;;
	*)
		echo "$text"
		return 1
		;;
	esac
}

stat_of() {
	curl -s http://127.0.0.1:9901/stats | sed -n "s/^$1: //p"
}

is() {
	[ "$1" = "$2" ] || {
		echo "$1, not $2"
		return 1
	}
}

property_is() {
	is "$(property "$1")" "$2"
}

# readme NAME: the README's block "sh host NAME", as the package installed it.
readme() {
	echo "$1" >>readme.run
	sed -n "/^\`\`\`sh host $1\$/,/^\`\`\`\$/p" "$readme" | sed '1d;$d' >block.sh
	test -s block.sh
	bash -ex block.sh
}

no() {
	if "$@"; then
		echo "not to succeed: $*"
		return 1
	fi
}

# What purging must leave as it was: all but what dpkg alone puts there.
files() {
	find /etc /var /opt /srv /usr/local -xdev \( -path /var/lib/apt \
		-o -path /var/lib/dpkg -o -path /var/lib/logrotate \
		-o -path /var/lib/systemd -o -path /var/cache \
		-o -path /var/tmp -o -path /var/log/journal -o -path /var/log/apt \) -prune \
		-o ! -name '*-' ! -name '.pwd.lock' ! -path '/var/log/*.log' \
		-print | sort
}

# ---- the steps

installed_but_not_started() {
	files >before
	getent passwd >passwd.before
	mkdir build
	cp "${tap%/*}/$deb" build/
	: >readme.run
	readme=${tap%/*}/README.md readme install
	getent passwd millrace
	property_is ActiveState inactive
	is "$(systemctl is-enabled millrace)" disabled
	is "$(stat -c %U:%a /sys/fs/bpf/millrace)" millrace:755
	is "$(stat -c %U:%G:%a /etc/millrace)" root:millrace:750
	is "$(stat -c %U:%G:%a /etc/millrace/millrace.yaml)" root:millrace:640
	is "$(stat -c %a /etc/millrace/credentials)" 700
	is "$(cat /proc/sys/net/core/somaxconn)" 65535
	grep -q '^tls ' /proc/modules
}

# The example as it comes, by the words that stand at its head.
example_runs() {
	readme check
	readme start
	property_is ActiveState active
	status_is 'forwarding: 1 listener,*'
	systemctl disable --now millrace
	property_is Result success
}

configure() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout ca.key -out ca.pem -subj "/CN=test CA" -days 1
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout key.pem -out leaf.csr -subj "/CN=app"
	echo "subjectAltName=DNS:app.test,DNS:app.apps.local" >leaf.ext
	openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 1 \
		-out chain.pem -days 1 -extfile leaf.ext
	install -m 600 key.pem /etc/millrace/credentials/key.pem
	install -m 640 -g millrace chain.pem ca.pem /etc/millrace/tls/
	mkdir www
	head -c 8388608 /dev/urandom >www/file
	head -c 262144 /dev/urandom >www/small
	busybox httpd -p 127.0.0.1:8080 -h www
	write_configuration
	# What a crash would leave, limits or not.
	cat >/usr/local/sbin/keep-core <<'SH'
#!/bin/sh
cat >"/root/service/core.$1"
SH
	chmod 755 /usr/local/sbin/keep-core
	sysctl -qw kernel.core_pattern='|/usr/local/sbin/keep-core %P'
}

# write_configuration [LISTENER...]: more lines for the list of listeners
write_configuration() {
	cat >/etc/millrace/millrace.yaml <<YAML
admin: { listen: "127.0.0.1:9901" }
access_log: { file: /var/log/millrace/access.log }
drain_timeout: 40s
listeners:
  - name: ingress
    listen: "0.0.0.0:443"
    engine: kernel
    tls:
      mode: strict
      certificate:
        file:
          chain: tls/chain.pem
          key: /run/credentials/millrace.service/tls_key.pem
    cluster: app
  - name: egress
    listen: "127.0.0.1:15001"
    tls: { mode: disabled }
    cluster: mesh
$(printf '%s\n' "$@")
clusters:
  - name: app
    endpoints: ["127.0.0.1:8080"]
  - name: mesh
    engine: kernel
    endpoints: ["127.0.0.1:443"]
    tls:
      server_name: app.test
      validation: { trust: { file: tls/ca.pem } }
YAML
}

enabled_and_ready() {
	readme start
	property_is ActiveState active
	status_is 'forwarding: 2 listeners, 2 workers'
	property_is ControlGroup /millrace.slice/millrace.service
	curl -sf http://127.0.0.1:9901/ready
}

least_privilege() {
	local pid
	pid=$(property MainPID)
	is "$(stat -c %U "/proc/$pid/maps")" root # may not be traced or dumped
	is "$(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" "$(id -u millrace)"
	# NET_BIND_SERVICE is bit 10, BPF is bit 39
	is "$(awk '/^CapPrm/ { print $2 }' "/proc/$pid/status")" 0000008000000400
	is "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")" 0000008000000400
	is "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2
	is "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")" 1
	is "$(awk '/^Max core file/ { print $5 $6 }' "/proc/$pid/limits")" 00
	is "$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")" 1048576
	is "$(awk '/^Max locked/ { print $4 }' "/proc/$pid/limits")" unlimited
	systemd-analyze security --no-pager --threshold=30 millrace.service |
		tail -n 1
	# A key that only root can read.
	is "$(stat -c %U:%a /etc/millrace/credentials/key.pem)" root:600
}

fetch() {
	curl -sSf --max-time 300 --cacert ca.pem --resolve "app.test:$1:127.0.0.1" \
		"https://app.test:$1/file" | cmp - www/file
}

# slowly RATE NAME: the same into the file NAME, in the background, begun.
slowly() {
	curl -sS --limit-rate "$1" -o "$2" --max-time 300 --cacert ca.pem \
		--resolve app.test:443:127.0.0.1 https://app.test:443/file &
	slow=$!
	until_true 60 test -s "$2"
}

traffic_by_the_kernel() {
	fetch 443
	curl -sSf --max-time 300 http://127.0.0.1:15001/file | cmp - www/file
	is "$(stat_of 'listener.0.0.0.0_443.ssl.handshake')" 2
	is "$(stat_of 'listener.0.0.0.0_443.millrace.engine.tx_kernel')" 2
	is "$(stat_of 'listener.0.0.0.0_443.millrace.engine.rx_kernel')" 2
	is "$(stat_of 'cluster.mesh.millrace.engine.tx_kernel')" 1
	is "$(awk '/^TlsTxSw/ { print ($2 >= 3) }' /proc/net/tls_stat)" 1
	readme counters >counted
	cat counted
	grep -qx 'listener.0.0.0.0_443.ssl.handshake: 2' counted
	grep -qx 2 counted
	grep -q 'listener.0.0.0.0_443.millrace.rx_bytes' counted
}

proved_by_verify() {
	slowly 400k proved
	readme verify | tee verified
	grep -q '^ingress .* kernel  *kernel  *proved by the kernel$' verified
	millrace verify --strict -c /etc/millrace/millrace.yaml
	kill "$slow"
	wait "$slow" || true
}

# One line per connection, in the folder that the unit may write to; it goes on
# in a new file after the old one was turned away.
access_log() {
	local log=/var/log/millrace/access.log
	is "$(stat -c %U:%a /var/log/millrace)" millrace:750
	is "$(stat -c %U:%a "$log")" millrace:640
	until_true 30 grep -q 'listener=ingress cluster=app reason=done .*tx:kernel' "$log"
	logrotate -f /etc/logrotate.d/millrace
	test -s "$log.1"
	until_true 30 test -e "$log"
	fetch 443
	until_true 30 grep -q 'listener=ingress cluster=app reason=done' "$log" || {
		tail -n 3 "$log" "$log.1"
		return 1
	}
}

reloads() {
	local pid
	pid=$(property MainPID)
	slowly 1M slow
	write_configuration '  - { name: new, listen: "127.0.0.1:15002",' \
		'      tls: { mode: disabled }, cluster: app }'
	systemctl log-level debug
	readme reload
	until_true 30 status_is 'forwarding: 3 listeners, 2 workers'
	systemctl log-level info
	journalctl --no-pager _PID=1 | grep 'millrace.service.*RELOADING=1'
	curl -sSf --max-time 300 http://127.0.0.1:15002/file | cmp - www/file
	property_is MainPID "$pid"
	wait "$slow"
	cmp slow www/file
}

# priority_of TEXT: the journal's, of the daemon's last line with it.
priority_of() {
	journalctl --no-pager -u millrace -o json |
		jq -r --arg text "$1" 'select(.MESSAGE | strings |
			contains($text)) | .PRIORITY' | tail -n 1
}

bad_reload_changes_nothing() {
	echo 'listenrs: []' >>/etc/millrace/millrace.yaml
	no systemctl reload millrace
	journalctl -u millrace --no-pager | grep 'did you mean "listeners"'
	property_is ActiveState active
	# Whoever asks the daemon itself hears it, too.
	systemctl kill --kill-whom=main -s HUP millrace
	until_true 30 status_is '*the last reload failed*'
	is "$(priority_of 'the configuration stays as it was')" 3
	is "$(priority_of reloaded)" 6
	fetch 443
	write_configuration
	systemctl reload millrace
	until_true 30 status_is 'forwarding: 2 listeners, 2 workers'
}

# caller URL COMMAND...: calls again and again, until the file "enough" is there;
# the files "refused" and "carried" tell.
caller() {
	local url=$1
	shift
	while ! test -e enough; do
		if "$@" curl -sSf --max-time 200 -o /dev/null "$url" 2>>refused; then
			echo carried >>carried
		else
			date +%T.%N >>refused
		fi
	done
}

lines_are() {
	test "$(wc -l <"$1")" -ge "$2"
}

# restarts URL COMMAND...: three in a row, while four callers come. What listens is
# handed on (systemd's descriptor store): nobody is refused.
restarts() {
	local pids=() before
	rm -f enough refused carried
	touch carried
	for _ in 1 2 3 4; do
		caller "$@" &
		pids+=($!)
	done
	for _ in 1 2 3; do
		before=$(wc -l <carried)
		until_true 60 lines_are carried $((before + 4))
		systemctl restart millrace
	done
	before=$(wc -l <carried)
	until_true 60 lines_are carried $((before + 4))
	touch enough
	wait "${pids[@]}"
	wc -l carried
	cat refused
	curl -s http://127.0.0.1:9901/stats | grep 'intercept.*egress' || true
	no test -s refused
}

# Killed by SIGABRT, which would leave a core: another program's is kept.
restarted_by_watchdog() {
	local pid before other
	sh -c 'ulimit -c unlimited; kill -ABRT $$' &
	other=$!
	wait "$other" || true
	until_true 30 test -s "core.$other"
	pid=$(property MainPID)
	before=$(stat_of 'listener.0.0.0.0_443.ssl.handshake')
	kill -STOP "$pid"
	until_true 120 property_is NRestarts 1
	until_true 120 property_is ActiveState active
	journalctl -u millrace --no-pager | grep -i 'watchdog timeout'
	[ "$(property MainPID)" != "$pid" ]
	fetch 443
	# Counters outlive the daemon.
	is "$(stat_of 'listener.0.0.0.0_443.ssl.handshake')" $((before + 1))
	no test -e "core.$pid"
}

stops_with_drain() {
	slowly 1M slow2
	systemctl stop --no-block millrace
	until_true 30 status_is 'draining: 1 connections open'
	property_is ActiveState deactivating
	no curl -s --max-time 5 http://127.0.0.1:15001/file >/dev/null
	wait "$slow"
	cmp slow2 www/file
	until_true 60 property_is ActiveState inactive
	property_is Result success
}

# What both configurations of interception begin with.
ingress_listener() {
	cat <<YAML
admin: { listen: "127.0.0.1:9901" }
listeners:
  - name: ingress
    listen: "0.0.0.0:15000"
    tls:
      mode: strict
      certificate: { file: { chain: tls/chain.pem, key: tls/key.pem } }
    cluster: local-app
YAML
}

# The README's configuration, of an application in app.slice that knows nothing.
# shellcheck disable=SC2016 # backquotes of Markdown
write_interception() {
	cat >/etc/millrace/millrace.yaml <<YAML
$(ingress_listener)
  - name: egress
    listen: "127.0.0.1:15001"
    tls: { mode: disabled }
    cluster: mesh
$(sed -n '/^```yaml intercept$/,/^```$/p' "$readme" | sed '1d;$d')
YAML
}

logged() {
	journalctl --no-pager -u millrace | grep -q "$1"
}

# as_application COMMAND...: in app.slice
# shellcheck disable=SC2016 # the inner shell's
as_application() {
	sh -c 'echo $$ >/sys/fs/cgroup/app.slice/cgroup.procs && exec "$@"' \
		application "$@"
}

intercepts() {
	local before ended pid far
	install -m 640 -g millrace key.pem /etc/millrace/tls/
	install -m 640 -g millrace ca.pem /etc/millrace/
	write_interception
	systemctl start app.slice
	readme intercept
	property_is ActiveState active
	is "$(awk '/^CapPrm/ { print $2 }' "/proc/$(property MainPID)/status")" \
		000000c000001400
	# Another host, which speaks TLS alone.
	ip netns add far
	ip link add near type veth peer name far netns far
	ip addr add 10.9.9.1/24 dev near
	ip link set near up
	ip -n far addr add 10.9.9.9/24 dev far
	ip -n far link set far up
	(cd www && exec ip netns exec far openssl s_server -quiet -WWW \
		-accept 10.9.9.9:9090 -cert ../chain.pem -key ../key.pem) &
	far=$!
	busybox httpd -p 10.9.9.1:9090 -h www
	until_true 60 curl -sko /dev/null https://10.9.9.9:9090/small
	before=$(stat_of 'cluster.mesh.ssl.handshake')
	as_application curl -sSf --max-time 300 http://10.9.9.9:9090/small |
		cmp - www/small
	is "$(stat_of 'cluster.mesh.ssl.handshake')" $((before + 1))
	ip netns exec far curl -sSf --max-time 300 --cacert ca.pem \
		--resolve app.apps.local:9090:10.9.9.1 \
		https://app.apps.local:9090/small | cmp - www/small
	ended='listener=ingress reason=done down=10.9.9.9:.* up=10.9.9.1:9090'
	until_true 30 logged "$ended"
	pid=$(property MainPID)
	restarts http://10.9.9.9:9090/small as_application
	[ "$(property MainPID)" != "$pid" ]
	systemctl stop millrace
	# Nobody is there: refused, and not let through.
	no as_application curl -sSk --max-time 10 -o /dev/null \
		https://10.9.9.9:9090/small
	readme detach
	as_application curl -sSfk --max-time 300 https://10.9.9.9:9090/small |
		cmp - www/small
	kill "$far"
	ip netns del far
	rm -r /etc/systemd/system/millrace.service.d
	write_configuration
	systemctl daemon-reload
}

# A pod's, by the lines of the drop-in that are comments as it comes.
other_namespaces() {
	local dropin=/etc/systemd/system/millrace.service.d/intercept.conf
	install -D -m 644 /usr/share/doc/millrace/examples/intercept.conf "$dropin"
	sed -i 's/^#\([A-Z]\)/\1/' "$dropin"
	ip netns add pod
	ip link add near type veth peer name pod netns pod
	ip addr add 10.9.8.1/24 dev near
	ip link set near up
	ip -n pod addr add 10.9.8.8/24 dev pod
	ip -n pod link set pod up
	ip -n pod link set lo up
	ip netns exec pod busybox httpd -p 10.9.8.8:9090 -h www
	cat >/etc/millrace/millrace.yaml <<YAML
$(ingress_listener)
intercept:
  cgroup: /sys/fs/cgroup/millrace.slice
  sites:
    - name: pod
      netns: /run/netns/pod
      ingress: { listener: ingress, ports: [9090] }
clusters:
  - { name: local-app, type: original-destination }
YAML
	systemctl daemon-reload
	systemctl start millrace
	# NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN, PERFMON, BPF
	is "$(awk '/^CapBnd/ { print $2 }' "/proc/$(property MainPID)/status")" \
		000000c000201400
	curl -sSf --max-time 300 --cacert ca.pem \
		--resolve app.apps.local:9090:10.9.8.8 \
		https://app.apps.local:9090/small | cmp - www/small
	is "$(stat_of 'millrace.intercept.pod.ingress.steered')" 1
	systemctl stop millrace
	millrace detach --force
	ip netns pids pod | xargs kill
	ip netns del pod
	rm -r "${dropin%/*}"
	write_configuration
	systemctl daemon-reload
}

nothing_was_barred() {
	dmesg >kernel.log
	# clone3 (435) is glibc's first try for a thread; it then takes clone,
	# whose flags a filter can read.
	grep 'type=1326.*exe="/usr/bin/millrace"' kernel.log >barred || true
	no grep -v ' syscall=435 ' barred
	journalctl --no-pager -u millrace >millrace.log
	grep 'level=\(warning\|error\)' millrace.log >wrong || true
	no grep -v 'the configuration stays as it was' wrong
}

purged_without_a_trace() {
	systemctl start millrace
	dpkg -L millrace | grep millrace >shipped
	readme remove
	no pgrep -x millrace
	no getent passwd millrace
	no getent group millrace
	no test -e /sys/fs/bpf/millrace
	no test -e /run/millrace
	rm /usr/local/sbin/keep-core
	files >after
	diff before after
	while read -r path; do
		no test -e "$path"
	done <shipped
	getent passwd | diff passwd.before -
	is "$(systemctl show -P LoadState millrace)" not-found
}

every_command_was_run() {
	sed -n 's/^```sh host //p' "${tap%/*}/README.md" | sort >said
	sort -u readme.run | diff said -
}

for name in installed_but_not_started example_runs configure \
	enabled_and_ready least_privilege traffic_by_the_kernel \
	proved_by_verify access_log reloads bad_reload_changes_nothing \
	restarted_by_watchdog stops_with_drain intercepts other_namespaces \
	nothing_was_barred purged_without_a_trace every_command_was_run; do
	step "$name"
done
echo "1..$count" >>"$tap"
exit "$failed"
