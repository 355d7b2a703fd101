/*
 * fault.c: a counting wrapper around each system call.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

enum { NAMES = 32 };

enum { ALLOCATES = 1 }; /* the call needs space on the disk */

static struct {
	struct sys real;
	bool armed;
	unsigned n, calls, moves; /* moves: reads and writes, what FAULT_SHORT counts */
	unsigned limit, random;
	struct fault_call *trace;
	unsigned trace_max;
	enum fault_kind kind;
	int err;
	const char *where;
	struct {
		const char *name;
		unsigned calls;
	} counts[NAMES];
} fault;

static void
count(const char *name, int flags)
{
	int i;

	if (fault.calls < fault.trace_max)
		fault.trace[fault.calls] =
		    (struct fault_call){.name = name, .allocates = (flags & ALLOCATES) != 0};
	fault.calls++;
	if (fault.limit != 0 && fault.calls > fault.limit) {
		fprintf(
		    stderr, "fault: no end after %u calls, the last is %s\n", fault.calls, name);
		abort();
	}
	for (i = 0; i < NAMES - 1; i++)
		if (fault.counts[i].name == NULL || strcmp(fault.counts[i].name, name) == 0)
			break;
	fault.counts[i].name = name;
	fault.counts[i].calls++;
}

/* Whether this call is to go wrong. */
static bool
hit(const char *name, int flags)
{
	bool now;

	count(name, flags);
	if (fault.n == 0)
		return false;
	switch (fault.kind) {
	case FAULT_DEAD:
		now = fault.calls >= fault.n;
		break;
	case FAULT_FULL:
		now = fault.calls >= fault.n && (flags & ALLOCATES) != 0;
		break;
	case FAULT_EVER:
		now = fault.calls >= fault.n &&
		      fault_can(&(struct fault_call){name, (flags & ALLOCATES) != 0}, fault.err);
		break;
	case FAULT_SHORT:
	case FAULT_RANDOM:
		return false;
	default:
		now = fault.calls == fault.n;
	}
	if (now && fault.where[0] == '\0')
		fault.where = name;
	return now;
}

/* The call, or its failure. */
#define FAULTY(type, name, flags, call) \
	do { \
		if (!hit(name, flags)) \
			return fault.real.call; \
		if (fault.kind == FAULT_LOST) \
			fault.real.call; \
		errno = fault.err; \
		return (type)-1; \
	} while (0)

/* Half of n when this call is to be a short one. */
static size_t
half(const char *name, size_t n)
{
	fault.moves++;
	if (fault.kind != FAULT_SHORT || fault.moves != fault.n)
		return n;
	fault.where = name;
	return (n + 1) / 2;
}

static int
faulty_openat(int dir, const char *path, int flags, mode_t mode)
{
	if (!hit("openat", (flags & O_CREAT) != 0 ? ALLOCATES : 0))
		return fault.real.openat(dir, path, flags, mode);
	errno = fault.err; /* never LOST: it would cost the test a descriptor */
	return -1;
}

/* Close lets go of the descriptor even when it fails. */
static int
faulty_close(int fd)
{
	int r = fault.real.close(fd);

	if (!hit("close", 0))
		return r;
	errno = fault.err;
	return -1;
}

static ssize_t
faulty_read(int fd, void *buf, size_t n)
{
	if (!hit("read", 0))
		return fault.real.read(fd, buf, half("read", n));
	errno = fault.err;
	return -1;
}

static ssize_t
faulty_pread(int fd, void *buf, size_t n, off_t at)
{
	if (!hit("pread", 0))
		return fault.real.pread(fd, buf, half("pread", n), at);
	errno = fault.err;
	return -1;
}

/* A full disk takes what fits before it refuses. */
static ssize_t
faulty_write(int fd, const void *buf, size_t n)
{
	if (!hit("write", ALLOCATES))
		return fault.real.write(fd, buf, half("write", n));
	if (fault.kind == FAULT_FULL && fault.calls == fault.n && n > 1)
		return fault.real.write(fd, buf, n / 2);
	errno = fault.err;
	return -1;
}

static int
faulty_fsync(int fd)
{
	FAULTY(int, "fsync", 0, fsync(fd));
}

static int
faulty_fdatasync(int fd)
{
	FAULTY(int, "fdatasync", 0, fdatasync(fd));
}

static int
faulty_ftruncate(int fd, off_t size)
{
	FAULTY(int, "ftruncate", 0, ftruncate(fd, size));
}

static int
faulty_flock(int fd, int op)
{
	FAULTY(int, "flock", 0, flock(fd, op));
}

static int
faulty_fstat(int fd, struct stat *st)
{
	FAULTY(int, "fstat", 0, fstat(fd, st));
}

static int
faulty_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	FAULTY(int, "fstatat", 0, fstatat(dir, path, st, flags));
}

static int
faulty_futimens(int fd, const struct timespec ts[2])
{
	FAULTY(int, "futimens", 0, futimens(fd, ts));
}

static int
faulty_fchmod(int fd, mode_t mode)
{
	FAULTY(int, "fchmod", 0, fchmod(fd, mode));
}

static int
faulty_linkat(int olddir, const char *old, int newdir, const char *new, int flags)
{
	FAULTY(int, "linkat", ALLOCATES, linkat(olddir, old, newdir, new, flags));
}

static int
faulty_renameat(int olddir, const char *old, int newdir, const char *new)
{
	FAULTY(int, "renameat", ALLOCATES, renameat(olddir, old, newdir, new));
}

static int
faulty_unlinkat(int dir, const char *path, int flags)
{
	FAULTY(int, "unlinkat", 0, unlinkat(dir, path, flags));
}

static int
faulty_mkdirat(int dir, const char *path, mode_t mode)
{
	FAULTY(int, "mkdirat", ALLOCATES, mkdirat(dir, path, mode));
}

static int
faulty_mkfifoat(int dir, const char *path, mode_t mode)
{
	FAULTY(int, "mkfifoat", ALLOCATES, mkfifoat(dir, path, mode));
}

static DIR *
faulty_fdopendir(int fd)
{
	if (!hit("fdopendir", 0))
		return fault.real.fdopendir(fd);
	errno = fault.err;
	return NULL;
}

static struct dirent *
faulty_readdir(DIR *d)
{
	if (!hit("readdir", 0))
		return fault.real.readdir(d);
	errno = fault.err;
	return NULL;
}

static int
faulty_closedir(DIR *d)
{
	int r = fault.real.closedir(d);

	if (!hit("closedir", 0))
		return r;
	errno = fault.err;
	return -1;
}

static int
faulty_socket(int domain, int type, int protocol)
{
	if (!hit("socket", 0))
		return fault.real.socket(domain, type, protocol);
	errno = fault.err;
	return -1;
}

static int
faulty_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	FAULTY(int, "connect", 0, connect(fd, to, len));
}

static int
faulty_connect_path(const char *path)
{
	if (!hit("connect_path", 0))
		return fault.real.connect_path(path);
	errno = fault.err;
	return -1;
}

static int
faulty_bind(int fd, const struct sockaddr *at, socklen_t len)
{
	FAULTY(int, "bind", 0, bind(fd, at, len));
}

static ssize_t
faulty_send(int fd, const void *buf, size_t n, int flags)
{
	if (!hit("send", 0))
		return fault.real.send(fd, buf, half("send", n), flags);
	errno = fault.err;
	return -1;
}

static ssize_t
faulty_recv(int fd, void *buf, size_t n, int flags)
{
	if (!hit("recv", 0))
		return fault.real.recv(fd, buf, half("recv", n), flags);
	errno = fault.err;
	return -1;
}

static int
faulty_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	FAULTY(int, "poll", 0, poll(fds, n, timeout_ms));
}

static int
faulty_getifaddrs(struct ifaddrs **all)
{
	if (!hit("getifaddrs", 0))
		return fault.real.getifaddrs(all);
	errno = fault.err;
	return -1;
}

/* Not one of the calls that are counted: no spool and no network fails like this. */
static int
faulty_getentropy(void *buf, size_t n)
{
	if (fault.kind != FAULT_RANDOM || ++fault.random != fault.n)
		return fault.real.getentropy(buf, n);
	fault.where = "getentropy";
	errno = fault.err;
	return -1;
}

void
fault_arm(unsigned n, enum fault_kind kind, int err)
{
	fault_disarm();
	memset(fault.counts, 0, sizeof(fault.counts));
	fault.real = sys;
	fault.n = n;
	fault.calls = fault.moves = fault.random = 0;
	fault.kind = kind;
	fault.err = err;
	fault.where = "";
	fault.armed = true;
	sys.openat = faulty_openat;
	sys.close = faulty_close;
	sys.read = faulty_read;
	sys.pread = faulty_pread;
	sys.write = faulty_write;
	sys.fsync = faulty_fsync;
	sys.fdatasync = faulty_fdatasync;
	sys.ftruncate = faulty_ftruncate;
	sys.flock = faulty_flock;
	sys.fstat = faulty_fstat;
	sys.fstatat = faulty_fstatat;
	sys.futimens = faulty_futimens;
	sys.fchmod = faulty_fchmod;
	sys.linkat = faulty_linkat;
	sys.renameat = faulty_renameat;
	sys.unlinkat = faulty_unlinkat;
	sys.mkdirat = faulty_mkdirat;
	sys.mkfifoat = faulty_mkfifoat;
	sys.fdopendir = faulty_fdopendir;
	sys.readdir = faulty_readdir;
	sys.closedir = faulty_closedir;
	sys.socket = faulty_socket;
	sys.connect = faulty_connect;
	sys.connect_path = faulty_connect_path;
	sys.bind = faulty_bind;
	sys.send = faulty_send;
	sys.recv = faulty_recv;
	sys.poll = faulty_poll;
	sys.getifaddrs = faulty_getifaddrs;
	sys.getentropy = faulty_getentropy;
}

void
fault_disarm(void)
{
	if (fault.armed)
		sys = fault.real;
	fault.armed = false;
}

bool
fault_fired(void)
{
	return fault.where != NULL && fault.where[0] != '\0';
}

const char *
fault_where(void)
{
	return fault.where != NULL ? fault.where : "";
}

unsigned
fault_calls(const char *name)
{
	if (name == NULL)
		return fault.calls;
	for (int i = 0; i < NAMES; i++)
		if (fault.counts[i].name != NULL && strcmp(fault.counts[i].name, name) == 0)
			return fault.counts[i].calls;
	return 0;
}

unsigned
fault_moves(void)
{
	return fault.moves;
}

void
fault_trace(struct fault_call *calls, unsigned max)
{
	fault.trace = calls;
	fault.trace_max = calls != NULL ? max : 0;
}

void
fault_limit(unsigned calls)
{
	fault.limit = calls;
}

unsigned
fault_open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}
