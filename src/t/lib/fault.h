/*
 * fault.h: the n-th system call goes wrong.
 *
 * Wraps every entry of sys, whatever it is at the moment, in one that counts; the clocks are neither
 * counted nor harmed, and the kernel's randomness has a kind of its own (without it the program dies,
 * as it should). A test does its work with n = 1, 2, ... until a run in which nothing was left to go
 * wrong; or it lets fault_trace() write down what is called, and asks for each call what it can end with.
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
	FAULT_EVER, /* from call n on, each that can end with err does: no descriptors any more */
	FAULT_RANDOM, /* the n-th call for random bytes fails with err, and nothing else */
};

struct fault_call {
	const char *name;
	bool allocates; /* it needs space on the disk */
};

enum { FAULT_ERRORS_MAX = 10 };

void fault_arm(unsigned n, enum fault_kind kind, int err);
void fault_disarm(void); /* sys is again what it was; harmless when not armed */
bool fault_fired(void); /* since fault_arm() */
const char *fault_where(void); /* the call that went wrong (first), "" none */
unsigned fault_calls(const char *name); /* made since fault_arm(); NULL: all */
unsigned fault_moves(void); /* those of them that FAULT_SHORT counts */
/* Calls are written down here from now on, at most max of them; NULL: no more. */
void fault_trace(struct fault_call *calls, unsigned max);
/* More calls than that are a loop without end, and abort. 0, the default: as many as you like. */
void fault_limit(unsigned calls);

/* What a call may end with, as errno values, up to a 0; fault_errors.c. NULL: with nothing. */
const int *fault_errors(const struct fault_call *call);
bool fault_can(const struct fault_call *call, int err);

/* The descriptors that are open now, of the first 256. */
unsigned fault_open_fds(void);

#endif
