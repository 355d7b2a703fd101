/*
 * sys.h: the system calls that the spool and the network code make, as one table.
 *
 * Production uses libc's (a confined process has connect_path done by a helper); tests replace
 * single entries to fail, shorten, delay or redirect them.
 * It is the only seam for faults: whoever touches the spool or a socket calls through here. Every
 * entry has libc's own contract (-1 and errno), or says it here. Sockets and files come back close-on-exec when the
 * caller asked for it with O_CLOEXEC; sys_socket() asks for nonblocking and close-on-exec itself.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dirent.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

struct ifaddrs;

struct sys {
	/* files; every name is relative to a directory descriptor */
	int (*openat)(int dir, const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*read)(int fd, void *buf, size_t n);
	ssize_t (*pread)(int fd, void *buf, size_t n, off_t at);
	ssize_t (*write)(int fd, const void *buf, size_t n);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t size);
	int (*flock)(int fd, int op);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatat)(int dir, const char *path, struct stat *st, int flags);
	int (*futimens)(int fd, const struct timespec ts[2]);
	int (*fchmod)(int fd, mode_t mode);
	int (*linkat)(int olddir, const char *old, int newdir, const char *new, int flags);
	int (*renameat)(int olddir, const char *old, int newdir, const char *new);
	int (*unlinkat)(int dir, const char *path, int flags);
	int (*mkdirat)(int dir, const char *path, mode_t mode);
	int (*mkfifoat)(int dir, const char *path, mode_t mode);
	DIR *(*fdopendir)(int fd);
	struct dirent *(*readdir)(DIR *d);
	int (*closedir)(DIR *d);

	/* sockets */
	int (*socket)(int domain, int type, int protocol);
	int (*connect)(int fd, const struct sockaddr *to, socklen_t len);
	/* A stream socket connected to that path, nonblocking and close-on-exec. */
	int (*connect_path)(const char *path);
	int (*bind)(int fd, const struct sockaddr *at, socklen_t len);
	ssize_t (*send)(int fd, const void *buf, size_t n, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t n, int flags);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout_ms);
	int (*getifaddrs)(struct ifaddrs **all);
	void (*freeifaddrs)(struct ifaddrs *all);

	/* Nanoseconds since an arbitrary start, never going back; and since 1970. */
	long long (*mono_ns)(void);
	long long (*wall_ns)(void);

	/* Fills buf from the kernel's CSPRNG, n <= 256. 0, or -1 and errno. */
	int (*getentropy)(void *buf, size_t n);
};

extern struct sys sys;
extern const struct sys sys_libc; /* what sys is at start; tests restore from it */

/* A nonblocking, close-on-exec socket, or -1 and errno. */
int sys_socket(int domain, int type);

/* The number of a network interface, 0: none is called so. if_nametoindex(3), over a socket that a
 * confined process may have. */
unsigned sys_interface(const char *name);

/* The pending error of a socket (SO_ERROR) as an errno value, 0 if none. Clears it. */
int sys_socket_error(int fd);

#endif
