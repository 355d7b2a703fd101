/*
 * procs.h: what /proc (Linux's) says of all the processes below one that is a subreaper, so that none
 * of them can leave the tree. A process that ends or begins meanwhile may be in the answer or not.
 */
#ifndef T_BENCH_PROCS_H
#define T_BENCH_PROCS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proc {
	pid_t pid, parent;
	char state; /* proc(5): R S D Z T ... */
	bool below; /* of the root */
	uint64_t ticks; /* of user and system time so far, children that it waited for included */
};

struct procs {
	struct proc *all; /* every process of the machine */
	size_t n, cap;
	size_t below; /* how many are; zombies are not */
	uint64_t ticks; /* of these */
	bool busy; /* one of them runs, or waits for a disk */
};

/* Looks anew; ps is all zero before the first time, and is freed with free(ps->all). */
void procs_look(struct procs *ps, pid_t root);

/* The sum of their proportional set sizes; what may not be read counts as nothing. */
uint64_t procs_pss_kib(const struct procs *ps);

void procs_kill(const struct procs *ps, int sig);

#endif
