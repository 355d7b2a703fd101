/*
 * sandbox.h: giving up, for good, what a process does not need any more.
 *
 * sandbox_enter() is called once, when all is open that cannot be opened afterwards. From then on,
 * where the system can do it, the process
 *
 *	- gains no rights from a setuid file (Linux: no_new_privs)
 *	- opens no file but those listed, and none of them in another way than listed (Linux:
 *	  Landlock; OpenBSD: unveil)
 *	- makes no system call but those of its kind (Linux: a seccomp filter, the table in
 *	  sandbox_calls.c; OpenBSD: pledge)
 *
 * Where a listed path cannot be granted in the moment (no descriptor left, no memory), a process that is
 * confined all the same would be blind: nothing of all that holds then, and it must end.
 *
 * A call that is not granted fails with EPERM, EACCES or, where it is one that nobody has thought
 * of, ENOSYS, so that a C library falls back to an older one; on OpenBSD the kernel ends the process.
 * What is open already stays usable. A system without one of the mechanisms gets the others, and
 * nothing is said: what holds can be seen from the value returned.
 *
 * Compiled with -DNO_CONFINE, or for AddressSanitizer and its like, it does nothing.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

enum sandbox_kind {
	SANDBOX_RUNNER, /* connects over IP; works on files */
	SANDBOX_BROKER, /* connects to sockets in the file system, passes descriptors on; no files */
};

enum sandbox_access {
	SANDBOX_READ, /* a file; or all files below a directory */
	SANDBOX_SPOOL, /* everything below a directory but executing */
};

/* One that does not exist grants nothing; a symlink counts as what it names. */
struct sandbox_path {
	const char *path;
	enum sandbox_access access;
};

enum { /* what holds now */
	SANDBOX_HAS_NO_NEW_PRIVS = 1,
	SANDBOX_HAS_FILES = 2,
	SANDBOX_HAS_CALLS = 4,
};

/*
 * Bits of what holds from now on; 0: nothing. Descriptors that are open stay open. -1: a path cannot be
 * granted, which one is in the log.
 */
int sandbox_enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n);

#endif
