/* sys.c: the table of system calls, filled with libc's. */
#include "base/sys.h"

#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* openat(2) is variadic; a table needs one type. */
static int
libc_openat(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

static int
libc_connect_path(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd, err;

	if (n >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, path, n);
	if ((fd = sys_socket(AF_UNIX, SOCK_STREAM)) == -1)
		return -1;
	/* one that is not at once goes on by itself */
	if (sys.connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 ||
	    errno == EINPROGRESS || errno == EINTR)
		return fd;
	err = errno;
	sys.close(fd);
	errno = err;
	return -1;
}

static long long
read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		return 0; /* both clocks exist everywhere we run */
	return (long long)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static long long
libc_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static long long
libc_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* An initializer, because C11 has no way to initialize one object from another at compile time. */
#define LIBC \
	{ \
		.openat = libc_openat, .close = close, .read = read, .pread = pread, \
		.write = write, .fsync = fsync, .fdatasync = fdatasync, .ftruncate = ftruncate, \
		.flock = flock, .fstat = fstat, .fstatat = fstatat, .futimens = futimens, \
		.fchmod = fchmod, .linkat = linkat, .renameat = renameat, .unlinkat = unlinkat, \
		.mkdirat = mkdirat, .mkfifoat = mkfifoat, .fdopendir = fdopendir, \
		.readdir = readdir, .closedir = closedir, .socket = socket, .connect = connect, \
		.connect_path = libc_connect_path, .bind = bind, .send = send, .recv = recv, \
		.poll = poll, .getifaddrs = getifaddrs, .freeifaddrs = freeifaddrs, \
		.mono_ns = libc_mono_ns, .wall_ns = libc_wall_ns, .getentropy = getentropy, \
	}

const struct sys sys_libc = LIBC;
struct sys sys = LIBC;

int
sys_socket(int domain, int type)
{
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
	return sys.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
	int fd = sys.socket(domain, type, 0);

	if (fd == -1)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
		int err = errno;

		sys.close(fd);
		errno = err;
		return -1;
	}
	return fd;
#endif
}

int
sys_socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	/* Solaris reports the pending error as a failure of getsockopt(2) itself. */
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		return errno;
	return err;
}

unsigned
sys_interface(const char *name)
{
#if defined(__linux__)
	struct ifreq r = {.ifr_ifindex = 0};
	int fd = sys_socket(AF_INET6, SOCK_DGRAM);
	unsigned index = 0;

	if (fd == -1 && (fd = sys_socket(AF_INET, SOCK_DGRAM)) == -1)
		return 0;
	if (str_copy(r.ifr_name, sizeof(r.ifr_name), name) && ioctl(fd, SIOCGIFINDEX, &r) == 0)
		index = (unsigned)r.ifr_ifindex;
	sys.close(fd);
	return index;
#else
	return if_nametoindex(name);
#endif
}
