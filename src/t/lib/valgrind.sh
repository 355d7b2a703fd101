#!/bin/sh
# valgrind.sh PROGRAM: runs it under memcheck; Check forks a child for every test and sees its exit status.
# An error ends with 99, which Check reports as an early exit. T_VALGRIND: what cannot work under it is
# left out, which is tests of limits on open files. The sweep of faults takes larger steps. Leaks are
# AddressSanitizer's to find: a forked child that ends by _exit(2) has lost what its parent knew in a register.
T_VALGRIND=1 FAULT_STEP=${FAULT_STEP:-301} CK_TIMEOUT_MULTIPLIER=30 exec valgrind -q --leak-check=no --error-exitcode=99 "$@"
