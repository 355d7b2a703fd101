/*
 * fault_errors.c: what each system call may end with, as far as a program can be expected to live
 * with it: failing hardware, full disks and tables, limits, interruptions, NFS, a network that comes and
 * goes. EBADF and its likes would be our own mistakes.
 */
#include <errno.h>
#include <string.h>

#include "fault.h"

/* A full disk stands last in its row: only what allocates meets it. */
static const struct {
	const char *name;
	int errors[FAULT_ERRORS_MAX]; /* up to a 0 */
	int when_allocating[3];
} table[] = {
    {"openat", {EIO, EMFILE, ENFILE, EINTR, EACCES, ENOMEM}, {ENOSPC, EDQUOT}},
    {"close", {EIO, EINTR, ENOSPC, EDQUOT}, {0}},
    {"read", {EIO, EINTR}, {0}},
    {"pread", {EIO, EINTR, ESTALE}, {0}},
    {"write", {EIO, EINTR, EFBIG}, {ENOSPC, EDQUOT}},
    {"fsync", {EIO, EINTR, ENOSPC, EDQUOT}, {0}},
    {"fdatasync", {EIO, EINTR, ENOSPC, EDQUOT}, {0}},
    {"ftruncate", {EIO, EINTR}, {0}},
    {"flock", {EWOULDBLOCK, EINTR, ENOLCK}, {0}},
    {"fstat", {EIO, ESTALE}, {0}},
    {"fstatat", {EIO, EACCES, ENOMEM}, {0}},
    {"futimens", {EIO, EPERM}, {0}},
    {"fchmod", {EIO, EPERM}, {0}},
    {"linkat", {EIO, EMLINK}, {ENOSPC, EDQUOT}},
    {"renameat", {EIO, EINTR}, {ENOSPC, EDQUOT}},
    {"unlinkat", {EIO, EROFS}, {0}},
    {"mkdirat", {EIO, EACCES}, {ENOSPC, EDQUOT}},
    {"mkfifoat", {EIO, EACCES}, {ENOSPC, EDQUOT}},
    {"fdopendir", {ENOMEM}, {0}},
    {"readdir", {EIO}, {0}},
    {"closedir", {EIO, EINTR}, {0}},
    {"socket", {EMFILE, ENFILE, ENOBUFS, EAFNOSUPPORT}, {0}},
    {"connect", {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EINTR}, {0}},
    {"connect_path", {ECONNREFUSED, ENOENT, EAGAIN, EMFILE}, {0}},
    {"bind", {EADDRNOTAVAIL}, {0}},
    {"send", {EAGAIN, EINTR, ECONNRESET, EPIPE, ENOBUFS}, {0}},
    {"recv", {EAGAIN, EINTR, ECONNRESET, ETIMEDOUT}, {0}},
    {"poll", {EINTR, EAGAIN, ENOMEM}, {0}},
    {"getifaddrs", {EMFILE, ENOBUFS, EACCES}, {0}},
};

const int *
fault_errors(const struct fault_call *call)
{
	static int all[FAULT_ERRORS_MAX + 3];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, call->name) != 0)
			continue;
		for (const int *e = table[i].errors; *e != 0; e++)
			all[n++] = *e;
		for (const int *e = table[i].when_allocating; call->allocates && *e != 0; e++)
			all[n++] = *e;
		all[n] = 0;
		return all;
	}
	return NULL;
}

bool
fault_can(const struct fault_call *call, int err)
{
	const int *e = fault_errors(call);

	while (e != NULL && *e != 0 && *e != err)
		e++;
	return e != NULL && *e != 0;
}
