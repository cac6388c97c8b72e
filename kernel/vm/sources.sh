#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sources.sh SUITE    SUITE: stable, backports, trixie or sid
#
# Prints apt's sources (deb822) for that Debian suite, made of this host's own
# for Debian 12: they know the mirror, the key and whatever else the host needs,
# and only the suites are ours to say. The security entry is another one, with
# another address, and belongs to stable releases alone.
set -euo pipefail

suite=${1:?which suite?}
# The suites are named from Debian 12's point of view, as the aliases are.
debian=bookworm
out=$(
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		awk -v RS= -v debian="$debian" -v suite="$suite" '
		function rest_of(want) {
			if (suite == "stable")
				return want
			if (suite == "trixie") {
				gsub(debian, suite, want)
				return want
			}
			if (want !~ ("(^| )" debian "( |$)"))
				return ""
			return suite == "sid" ? "sid" : debian "-backports"
		}
		{
			lines = split($0, line, "\n")
			out = types = suites = ""
			for (i = 1; i <= lines; i++) {
				if (tolower(line[i]) ~ /^enabled: *(no|false)/)
					next
				if (tolower(line[i]) ~ /^types:/)
					types = line[i]
				if (tolower(line[i]) ~ /^suites:/) {
					suites = line[i]
					sub(/^[^:]*:[ \t]*/, "", suites)
				} else if (line[i] !~ /^#/)
					out = out line[i] "\n"
			}
			if (types !~ /deb( |$)/ ||
			    suites !~ ("(^| )" debian "(-[a-z]+)?( |$)"))
				next
			suites = rest_of(suites)
			if (suites != "")
				print out "Suites: " suites "\n"
		}' "$file"
	done
)
case $out in
*Suites:*) printf '%s\n\n' "$out" ;;
*)
	echo "sources.sh: no deb822 entry for $debian in" \
		"/etc/apt/sources.list.d" >&2
	exit 1
	;;
esac
