#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# install.sh install | uninstall        (make install, make uninstall)
#
# Puts millrace below DESTDIR, or takes away what it put there; what
# /etc/millrace holds is kept, a configuration is never overwritten.
#   PREFIX /usr/local   SYSCONFDIR /etc   UNITDIR PREFIX/lib/systemd/system
#   BUILD build         where the binary is
# With no DESTDIR it also says what remains to be done by root.
set -eu
cd "$(dirname "$0")/.."

action=${1:-}
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr/local}
SYSCONFDIR=${SYSCONFDIR:-/etc}
UNITDIR=${UNITDIR:-$PREFIX/lib/systemd/system}
BUILD=${BUILD:-build}

# put MODE SOURCE TARGET: one file. Paths in text files are filled in.
put() {
	target=$DESTDIR$3
	if [ "$action" = uninstall ]; then
		rm -f "$target"
		return 0
	fi
	mkdir -p "${target%/*}"
	case $2 in
	*.service | *.[158])
		sed -e "s,@BINDIR@,$PREFIX/bin,g" -e "s,@PREFIX@,$PREFIX,g" \
			-e "s,@SYSCONFDIR@,$SYSCONFDIR,g" "$2" >"$target"
		chmod "$1" "$target"
		;;
	*) install -m "$1" "$2" "$target" ;;
	esac
}

# folder MODE PATH: removed only when nothing is in it any more.
folder() {
	if [ "$action" = uninstall ]; then
		rmdir "$DESTDIR$2" 2>/dev/null || true
	else
		install -d -m "$1" "$DESTDIR$2"
	fi
}

case $action in
install | uninstall) ;;
*)
	echo "usage: install.sh install|uninstall" >&2
	exit 2
	;;
esac

put 755 "$BUILD/millrace" "$PREFIX/bin/millrace"
put 755 "$BUILD/millrace-bench" "$PREFIX/bin/millrace-bench"
for page in scripts/man/*.[1-8]; do
	put 644 "$page" "$PREFIX/share/man/man${page##*.}/${page##*/}"
done
for name in millrace millrace-bench; do
	put 644 "scripts/completion/$name" \
		"$PREFIX/share/bash-completion/completions/$name"
done
put 644 scripts/systemd/millrace.service "$UNITDIR/millrace.service"
put 644 scripts/systemd/millrace.slice "$UNITDIR/millrace.slice"
put 644 scripts/systemd/intercept.conf \
	"$PREFIX/share/doc/millrace/examples/intercept.conf"
put 644 scripts/systemd/sysusers.conf "$PREFIX/lib/sysusers.d/millrace.conf"
put 644 scripts/systemd/tmpfiles.conf "$PREFIX/lib/tmpfiles.d/millrace.conf"
put 644 scripts/systemd/modules-load.conf \
	"$PREFIX/lib/modules-load.d/millrace.conf"
put 644 scripts/systemd/sysctl.conf "$PREFIX/lib/sysctl.d/60-millrace.conf"
put 644 scripts/systemd/logrotate.conf "$SYSCONFDIR/logrotate.d/millrace"
put 644 scripts/grafana/millrace.json \
	"$PREFIX/share/millrace/grafana/millrace.json"
put 644 scripts/prometheus/millrace.rules.yml \
	"$PREFIX/share/millrace/prometheus/millrace.rules.yml"
put 644 scripts/millrace.yaml \
	"$PREFIX/share/doc/millrace/examples/millrace.yaml"
put 644 README.md "$PREFIX/share/doc/millrace/README.md"

# Stands in for the BPF file system of the host, see the unit.
folder 755 "$PREFIX/share/millrace/bpf/millrace"
folder 755 "$PREFIX/share/millrace/bpf/millrace-intercept"
etc=$SYSCONFDIR/millrace
folder 750 "$etc"
folder 750 "$etc/tls"
folder 700 "$etc/credentials"
if [ "$action" = install ] && ! [ -e "$DESTDIR$etc/millrace.yaml" ]; then
	put 640 scripts/millrace.yaml "$etc/millrace.yaml"
fi
if [ "$action" = uninstall ]; then
	for path in share/millrace/bpf share/millrace/grafana share/millrace/prometheus \
		share/millrace share/doc/millrace/examples share/doc/millrace; do
		folder 755 "$PREFIX/$path"
	done
	folder 750 "$etc"
	exit 0
fi
[ -z "$DESTDIR" ] || exit 0
cat <<TEXT
Installed. As root, once:
  systemd-sysusers $PREFIX/lib/sysusers.d/millrace.conf
  systemd-tmpfiles --create $PREFIX/lib/tmpfiles.d/millrace.conf
  chgrp -R millrace $etc && chgrp root $etc/credentials
  modprobe tls
  sysctl -p $PREFIX/lib/sysctl.d/60-millrace.conf
  systemctl daemon-reload
Then write $etc/millrace.yaml and: systemctl enable --now millrace
TEXT
