#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# deb.sh    (make deb)
#
# Builds BUILD/millrace_VERSION_ARCH.deb from what make built: make install
# into a staging folder, Debian's own rules for what lies there, dpkg-deb.
# The version is that of the last tag, or 0.1.0, and the commit's date; two
# builds of one commit are the same bytes. DEB_MAINTAINER: who answers for it.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null ||
	stat -c %Y README.md)}
export SOURCE_DATE_EPOCH=$epoch
version=0.1.0+$(date -u -d "@$epoch" +%Y%m%d.%H%M)
maintainer=${DEB_MAINTAINER:-the millrace authors <authors@millrace.example>}
arch=$(dpkg --print-architecture)

work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
doc=$root/usr/share/doc/millrace

DESTDIR=$root PREFIX=/usr SYSCONFDIR=/etc UNITDIR=/lib/systemd/system \
	BUILD=$build scripts/install.sh install
strip --strip-unneeded --remove-section=.comment --remove-section=.note \
	"$root"/usr/bin/millrace*
find "$root/usr/share/man" -name '*.[1-8]' -exec gzip -9n {} +
{
	sed '/^#/d' scripts/debian/copyright
	sed -e 's/^$/./;s/^/ /' LICENSE
} >"$doc/copyright"
changelog="millrace ($version) bookworm; urgency=medium

  * What is new: the repository's log.

 -- $maintainer  $(date -u -R -d "@$epoch")"
printf '%s\n' "$changelog" | gzip -9n >"$doc/changelog.gz"
install -D -m 644 scripts/debian/lintian-overrides \
	"$root/usr/share/lintian/overrides/millrace"

# The libraries that the programs were linked with, in the versions it needs.
mkdir -p "$work/debian" "$root/DEBIAN"
printf 'Source: millrace\n\nPackage: millrace\nArchitecture: any\n' \
	>"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O "$root"/usr/bin/millrace* |
	sed -n 's/^shlibs:Depends=//p')
sed -e "/^#/d;s/@VERSION@/$version/;s/@ARCH@/$arch/" \
	-e "s/@LIBRARIES@/$libraries/;s|@MAINTAINER@|$maintainer|" \
	-e "s/@SIZE@/$(du -k -s --apparent-size "$root" | cut -f1)/" \
	scripts/debian/control >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
	install -m 755 "scripts/debian/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find etc -type f -printf '/%p\n') >"$root/DEBIAN/conffiles"
(cd "$root" &&
	find usr lib -type f -print0 | LC_ALL=C sort -z |
	xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$epoch" -exec touch -h -d "@$epoch" {} +
rm -f "$build"/millrace_*.deb
dpkg-deb --root-owner-group --build -Zxz "$root" \
	"$build/millrace_${version}_$arch.deb" >/dev/null
echo "$build/millrace_${version}_$arch.deb"
