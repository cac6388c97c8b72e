#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tidy.sh [--fast]: the rules that a program can check. Every violation is
# told; exit 1 when there is one. --fast leaves out cppcheck and clang-tidy.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failures=0
complain() {
	echo "tidy: $*"
	failures=$((failures + 1))
}

mapfile -t files < <(git ls-files --cached --others --exclude-standard)
mapfile -t sources < <(printf '%s\n' "${files[@]}" | grep -E '\.[ch]$')
mapfile -t scripts < <(grep -lE '^#!/bin/(ba)?sh' "${files[@]}" 2>/dev/null)

# ---- every file says its licence, and is short enough to be read
for file in "${files[@]}"; do
	case $file in
	LICENSE | *.md | *.txt | *.svg | *.png | *.csv | .gitignore | .clang-*) continue ;;
	esac
	head -n 5 "$file" | grep -q 'SPDX-License-Identifier:' ||
		complain "$file: no SPDX line"
	case $file in
	*.c | *.h | *.py | *.sh)
		lines=$(wc -l <"$file")
		[ "$lines" -le 600 ] || complain "$file: $lines lines"
		;;
	esac
done

# ---- nothing tracked reads what lies beside the tree
if git grep -nE '\.\./(shared|\.library)' -- . ':!scripts/tidy.sh'; then
	complain "a file reads outside the tree"
fi

# ---- floors: a file includes its own folder and lower ones
floor() {
	case $1 in
	base) echo 0 ;;
	config | net) echo 1 ;;
	tls | io | bpf) echo 2 ;;
	mesh | identity) echo 3 ;;
	flow) echo 4 ;;
	admin) echo 5 ;;
	service) echo 6 ;;
	cli) echo 7 ;;
	*) echo 8 ;;
	esac
}
while IFS=: read -r file include; do
	own=$(basename "$(dirname "$file")")
	other=${include%%/*}
	[ "$own" = "$other" ] && continue
	[ "$file" = user/main.c ] && continue
	# One floor may use another folder of the same floor by its contract.
	[ "$(floor "$own")" -gt "$(floor "$other")" ] ||
		complain "$file includes $include, of a floor that is not lower"
done < <(git ls-files --cached --others --exclude-standard 'user/*.[ch]' |
	xargs grep -noE '^#include "[a-z_]+/[a-z_.]+"' |
	sed -E 's/^([^:]*):[0-9]+:#include "([^"]*)"/\1:\2/' | grep -v skel)

# ---- format and linters
printf '%s\n' "${sources[@]}" | xargs clang-format --dry-run -Werror ||
	complain "clang-format"
shellcheck -x "${scripts[@]}" || complain "shellcheck"
if [ "${1:-}" != --fast ]; then
	# NULL is a pointer in every C library that this builds with.
	mapfile -t user < <(printf '%s\n' "${sources[@]}" |
		grep -E '^(user|kernel|bench)/.*\.c$')
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,portability,performance \
		--suppress=missingIncludeSystem --suppress=varFuncNullUB \
		-D__x86_64__ '-DLIBBPF_OPTS(type,name,...)=struct type name' \
		-Iuser -Iinclude -Ikernel -Ibench -j"$(nproc)" \
		"${user[@]}" || complain "cppcheck"
	make -s skeletons >/dev/null || complain "skeletons"
	printf '%s\n' "${user[@]}" |
		xargs -P"$(nproc)" -n 1 scripts/clang-tidy.sh ||
		complain "clang-tidy"
fi
[ "$failures" -eq 0 ]
