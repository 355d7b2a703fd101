/*
 * sandbox.c: entering the sandbox: which mechanism where.
 *
 * FreeBSD's Capsicum does not fit. Its capability mode has neither connect(2) nor open(2), so a helper
 * outside of it would have to open every connection and file on demand, and whoever takes over a
 * program whose trade it is to connect would ask the helper. There, as everywhere, what can be limited
 * is: no new processes, nobody who traces or dumps, no rights by setuid files.
 */
#include "base/sandbox_impl.h"

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/time.h>
#if defined(__linux__)
#include <sys/prctl.h>
#elif defined(__FreeBSD__)
#include <sys/procctl.h>
#endif

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Sanitizers look at more of the system than any program. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#if defined(NO_CONFINE) || defined(SANITIZED)

int
sandbox_enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n)
{
	(void)kind, (void)paths, (void)n;
	return 0;
}

#else

#if defined(__linux__) || defined(__OpenBSD__)

/* Not there, or we could not open it later, either. Without its spool a run has nothing to do. */
bool
sandbox_may_lack(const struct sandbox_path *p, int error)
{
	return p->access != SANDBOX_SPOOL &&
	       (error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP);
}

int
sandbox_cannot_grant(const struct sandbox_path *p)
{
	log_tell("%s: a confined run cannot be given it: %s", p->path, strerror(errno));
	return -1;
}

#endif

/* For systems and machines where nothing else holds; root is above this limit. */
static void
limit_processes(void)
{
#ifdef RLIMIT_NPROC
	struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_NPROC, &none);
#endif
}

#if defined(__linux__)

static int
enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n)
{
	int has = 0, files;

	/* Without it the kernel takes no filter from anybody but root. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
		return 0;
	has |= SANDBOX_HAS_NO_NEW_PRIVS;
	if ((files = sandbox_files(paths, n)) == -1)
		return -1;
	if (files == 1)
		has |= SANDBOX_HAS_FILES;
	if (sandbox_calls(kind)) /* afterwards the calls that set up the other half are gone */
		has |= SANDBOX_HAS_CALLS;
	return has;
}

#elif defined(__OpenBSD__)

static int
enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n)
{
	/* flock and fattr (futimens) for the spool; recvfd for sockets that the broker has connected, sendfd for
	 * messages to the local helper */
	static const char runner[] = "stdio rpath wpath cpath flock fattr inet route sendfd recvfd";
	static const char broker[] = "stdio unix sendfd";
	int has = 0;

	if (kind == SANDBOX_RUNNER) {
		for (size_t i = 0; i < n; i++)
			if (unveil(paths[i].path, paths[i].access == SANDBOX_SPOOL ? "rwc" : "r") ==
				-1 &&
			    !sandbox_may_lack(&paths[i], errno))
				return sandbox_cannot_grant(&paths[i]);
		if (unveil(NULL, NULL) == 0)
			has |= SANDBOX_HAS_FILES;
	}
	if (pledge(kind == SANDBOX_RUNNER ? runner : broker, NULL) == 0)
		has |= SANDBOX_HAS_CALLS | SANDBOX_HAS_NO_NEW_PRIVS; /* there is no exec */
	return has;
}

#elif defined(__FreeBSD__)

static int
enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n)
{
	int no_trace = PROC_TRACE_CTL_DISABLE;
	int has = 0;

	(void)kind, (void)paths, (void)n;
	(void)procctl(P_PID, 0, PROC_TRACE_CTL, &no_trace);
#ifdef PROC_NO_NEW_PRIVS_CTL
	int no_new = PROC_NO_NEW_PRIVS_ENABLE;

	if (procctl(P_PID, 0, PROC_NO_NEW_PRIVS_CTL, &no_new) == 0)
		has |= SANDBOX_HAS_NO_NEW_PRIVS;
#endif
	return has;
}

#else

static int
enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n)
{
	(void)kind, (void)paths, (void)n;
	return 0;
}

#endif

int
sandbox_enter(enum sandbox_kind kind, const struct sandbox_path *paths, size_t n)
{
	limit_processes();
	return enter(kind, paths, n);
}

#endif
