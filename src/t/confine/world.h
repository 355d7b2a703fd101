/*
 * world.h: what a confined run may and may not do, each as a function of one line or two.
 *
 * world_make() makes a folder with a spool, a configuration, a program, and what else is tried; a
 * child enters the confinement with confine_enter() and then goes through both tables.
 */
#ifndef T_CONFINE_WORLD_H
#define T_CONFINE_WORLD_H

#include <sys/types.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct world {
	char dir[200];
	/* in it: */
	char spool[256], log[256], hosts[256], resolv[256], ca[256], auth[256]; /* confined to */
	char program[256], secret[256], local[256]; /* others': executable, file, socket */
	struct sockaddr_in server; /* listens */
	int spool_fd, log_fd;
	pid_t parent;
};
extern struct world world;

struct
try {
	const char *name;
	long (*fn)(void); /* -1 and errno: refused */
	unsigned by; /* what refuses it: SANDBOX_HAS_... */
};

extern const struct try refused[], granted[];
extern const size_t nrefused, ngranted;

#endif
