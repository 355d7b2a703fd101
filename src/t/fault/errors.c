#include "errors.h"

#include <errno.h>
#include <stddef.h>

#ifdef __linux__
#include <sys/syscall.h>

enum { ERRORS_MAX = 5 };

/*
 * close(2) is not among them: a close that fails has closed all the same, and one that is not made
 * would keep a lock that no real failure keeps. Nor is brk(2), which fails by doing nothing. What
 * send(2) says of a connection that is dead is not said of one that lives: the program would wait,
 * rightly, for the last words of a server who waits for it.
 */
static const struct row {
	long nr;
	int errors[ERRORS_MAX];
} table[] = {
    {SYS_openat, {EMFILE, EIO, ENOSPC, ENOMEM}},
    {SYS_read, {EIO, EINTR}},
    {SYS_pread64, {EIO, EINTR}},
    {SYS_write, {EIO, ENOSPC, EINTR}},
    {SYS_fsync, {EIO, ENOSPC, EINTR}},
    {SYS_fdatasync, {EIO, ENOSPC, EINTR}},
    {SYS_ftruncate, {EIO, EINTR}},
    {SYS_flock, {ENOLCK, EINTR}},
    {SYS_fstat, {EIO}},
    {SYS_newfstatat, {EIO, ENOMEM}},
    {SYS_getdents64, {EIO}},
    {SYS_renameat, {EIO, ENOSPC}},
    {SYS_linkat, {EIO, ENOSPC}},
    {SYS_unlinkat, {EIO, EINTR}},
    {SYS_mkdirat, {EIO, ENOSPC}},
    {SYS_mknodat, {EIO, ENOSPC}},
    {SYS_utimensat, {EIO}},
    {SYS_fchmod, {EIO}},
    {SYS_chdir, {EIO}},
    {SYS_socket, {EMFILE, ENFILE, ENOBUFS}},
    {SYS_socketpair, {EMFILE, ENFILE}},
    {SYS_connect, {ECONNREFUSED, ENETUNREACH, EINTR}},
    {SYS_bind, {EADDRINUSE}},
    {SYS_sendto, {EINTR}},
    {SYS_recvfrom, {ECONNRESET, ENOMEM, EINTR}},
    {SYS_sendmsg, {EINTR}},
    {SYS_recvmsg, {ECONNRESET, ENOMEM, EINTR}},
    {SYS_getsockopt, {ENOBUFS}},
    {SYS_setsockopt, {ENOMEM}},
    {SYS_ppoll, {ENOMEM, EINTR}},
    {SYS_pipe2, {EMFILE, ENFILE}},
    {SYS_dup3, {EMFILE, EBUSY}},
    {SYS_clone, {EAGAIN, ENOMEM}},
    {SYS_mmap, {ENOMEM}},
    {SYS_getrandom, {EINTR, ENOSYS}},
    {SYS_prctl, {EINVAL}},
    {SYS_setresuid, {EAGAIN}},
    {SYS_setresgid, {EPERM}},
    {SYS_setgroups, {EPERM}},
#ifdef SYS_open /* the older calls, which newer machines do not have */
    {SYS_open, {EMFILE, EIO, ENOSPC, ENOMEM}},
    {SYS_stat, {EIO, ENOMEM}},
    {SYS_lstat, {EIO, ENOMEM}},
    {SYS_rename, {EIO, ENOSPC}},
    {SYS_link, {EIO, ENOSPC}},
    {SYS_unlink, {EIO, EINTR}},
    {SYS_mkdir, {EIO, ENOSPC}},
    {SYS_mknod, {EIO, ENOSPC}},
    {SYS_pipe, {EMFILE, ENFILE}},
    {SYS_dup2, {EMFILE, EBUSY}},
    {SYS_poll, {ENOMEM, EINTR}},
    {SYS_fork, {EAGAIN, ENOMEM}},
#endif
#ifdef SYS_landlock_create_ruleset
    {SYS_landlock_create_ruleset, {ENOSYS, EOPNOTSUPP}},
#endif
#ifdef SYS_seccomp
    {SYS_seccomp, {ENOSYS, EINVAL}},
#endif
};

int
errors_of(long nr, unsigned k)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].nr == nr)
			return k < ERRORS_MAX ? table[i].errors[k] : 0;
	return 0;
}

#else /* nothing is traced here */

int
errors_of(long nr, unsigned k)
{
	(void)nr, (void)k;
	return 0;
}

#endif
