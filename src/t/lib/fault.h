/*
 * fault.h: the n-th system call goes wrong.
 *
 * Wraps every entry of sys, whatever it is at the moment, in one that counts; the clocks and the
 * kernel's randomness are neither counted nor harmed (without randomness the program dies, as it should).
 * A test does its work with n = 1, 2, ... until a run in which nothing was left to go wrong.
 */
#ifndef T_LIB_FAULT_H
#define T_LIB_FAULT_H

#include <stdbool.h>

enum fault_kind {
	FAULT_ONCE, /* call n fails with err, and does nothing */
	FAULT_LOST, /* call n fails with err, although it has done what it should (NFS) */
	FAULT_DEAD, /* call n and all later ones: what a killed process leaves behind */
	FAULT_FULL, /* from call n on, what needs space fails with err */
	FAULT_SHORT, /* the n-th read or write moves half of what it was asked for */
};

void fault_arm(unsigned n, enum fault_kind kind, int err);
void fault_disarm(void); /* sys is again what it was; harmless when not armed */
bool fault_fired(void); /* since fault_arm() */
const char *fault_where(void); /* the call that went wrong (first), "" none */
unsigned fault_calls(const char *name); /* made since fault_arm(); NULL: all */

/* The descriptors that are open now, of the first 256. */
unsigned fault_open_fds(void);

#endif
