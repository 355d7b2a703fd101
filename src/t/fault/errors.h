/*
 * errors.h: which system call may fail with what.
 */
#ifndef T_FAULT_ERRORS_H
#define T_FAULT_ERRORS_H

/* The k-th error that call number nr is to fail with; 0: it has no k-th. Calls that cannot fail, or
 * whose failure would mean something other than trouble, have none. */
int errors_of(long nr, unsigned k);

#endif
