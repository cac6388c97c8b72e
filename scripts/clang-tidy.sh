#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# clang-tidy.sh FILE...: clang-tidy with the flags that the tree builds with.
exec clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -Iuser -Iinclude \
	-Ikernel -Ibench -isystem build 2>/dev/null
