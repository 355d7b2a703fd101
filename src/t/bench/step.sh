#!/bin/sh
# step.sh: calls one function of a program's script, in a process of its own.
#
#	step.sh PROGRAM FUNCTION [ARGUMENT]...
#	step.sh PROGRAM has FUNCTION		is there one?
#
# PROGRAM is NAME or NAME-VARIANT; peers/NAME.sh is sourced with VARIANT set. What the functions are
# and what they find in the environment, peers/lib.sh says.
set -u
PROGRAM=$1 function=$2
shift 2
name=${PROGRAM%%-*}
VARIANT=${PROGRAM#"$name"}
VARIANT=${VARIANT#-}
export PROGRAM VARIANT

. "$BENCH/peers/lib.sh"
. "$BENCH/peers/$name.sh" || exit 1

if [ "$function" = has ]; then
	command -v "$1" > /dev/null
	exit
fi
"$function" "$@"
