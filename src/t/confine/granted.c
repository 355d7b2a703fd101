/*
 * granted.c: what a run does all the time.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "t/confine/world.h"

static long
read_some(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long n = fd == -1 ? -1 : read(fd, &byte, 1);

	if (fd != -1)
		close(fd);
	return n == 1 ? 0 : -1;
}

static long
read_resolv_conf(void)
{
	return read_some(world.resolv);
}

static long
read_hosts(void)
{
	return read_some(world.hosts);
}

static long
read_ca(void)
{
	return read_some(world.ca);
}

static long
read_auth(void)
{
	return read_some(world.auth);
}

/* A control file's life, and a body's. */
static long
work_in_spool(void)
{
	const struct timespec ts[2] = {{1, 0}, {2, 0}};
	int fd = openat(world.spool_fd, "tmp/x", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	long rc = fd;

	if (fd == -1)
		return -1;
	if (write(fd, "12345", 5) != 5 || flock(fd, LOCK_EX | LOCK_NB) == -1 || fsync(fd) == -1 ||
	    ftruncate(fd, 3) == -1 || fdatasync(fd) == -1 || futimens(fd, ts) == -1 ||
	    renameat(world.spool_fd, "tmp/x", world.spool_fd, "msg/x") == -1 ||
	    linkat(world.spool_fd, "msg/x", world.spool_fd, "ctl/x", 0) == -1 ||
	    renameat(world.spool_fd, "ctl/x", world.spool_fd, "corrupt/x.ctl") == -1 ||
	    unlinkat(world.spool_fd, "msg/x", 0) == -1 ||
	    unlinkat(world.spool_fd, "corrupt/x.ctl", 0) == -1 ||
	    unlinkat(world.spool_fd, "ballast", 0) == -1)
		rc = -1;
	close(fd);
	return rc;
}

/* A message that is one of these is damaged. */
static long
quarantine(void)
{
	return renameat(world.spool_fd, "msg/folder", world.spool_fd, "corrupt/folder") == 0 &&
		       renameat(world.spool_fd, "msg/fifo", world.spool_fd, "corrupt/fifo") == 0
		   ? renameat(world.spool_fd, "msg/link", world.spool_fd, "corrupt/link")
		   : -1;
}

static long
list_spool(void)
{
	DIR *d = opendir(world.spool);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n > 2 ? 0 : -1;
}

static long
write_log(void)
{
	struct stat before, after;

	fstat(world.log_fd, &before);
	log_info("from inside");
	fstat(world.log_fd, &after);
	return after.st_size > before.st_size ? 0 : -1;
}

static long
talk(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	long rc = fd == -1
		      ? -1
		      : connect(fd, (const struct sockaddr *)&world.server, sizeof(world.server));
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (rc == 0 && (poll(&p, 1, 1000) != 1 || send(fd, "x", 1, MSG_NOSIGNAL) != 1))
		rc = -1;
	if (fd != -1)
		close(fd);
	return rc;
}

static long
connect_over_tcp(void)
{
	return talk(SOCK_STREAM);
}

static long
ask_over_udp(void)
{
	return talk(SOCK_DGRAM);
}

static long
ask_for_own_addresses(void)
{
	struct ifaddrs *all = NULL;
	long rc = getifaddrs(&all);

	if (rc == 0)
		freeifaddrs(all);
	return rc;
}

/* Every Linux has it. */
static long
find_interface(void)
{
#if defined(__linux__)
	return sys_interface("lo") != 0 ? 0 : -1;
#else
	return 0;
#endif
}

static long
use_much_memory(void)
{
	enum { SIZE = 64 << 20 };
	char *p = malloc(SIZE / 2), *q;

	if (p == NULL || (q = realloc(p, SIZE)) == NULL)
		return -1;
	memset(q, 1, SIZE);
	free(q);
	return 0;
}

static long
tell_the_time(void)
{
	time_t now = time(NULL);
	struct tm tm;
	char name[64];
	unsigned char chance[16];

	return now > 0 && localtime_r(&now, &tm) != NULL && gethostname(name, sizeof(name)) == 0
		   ? getentropy(chance, sizeof(chance))
		   : -1;
}

const struct try granted[] = {
    {"work in the spool", work_in_spool, 0},
    {"move odd files out of the way", quarantine, 0},
    {"list the spool", list_spool, 0},
    {"read resolv.conf", read_resolv_conf, 0},
    {"read the hosts file", read_hosts, 0},
    {"read the CA store", read_ca, 0},
    {"read the credentials", read_auth, 0},
    {"write to the log", write_log, 0},
    {"connect over TCP", connect_over_tcp, 0},
    {"ask over UDP", ask_over_udp, 0},
    {"ask for our own addresses", ask_for_own_addresses, 0},
    {"find an interface by its name", find_interface, 0},
    {"use much memory", use_much_memory, 0},
    {"tell the time, our name, and something by chance", tell_the_time, 0},
};
const size_t ngranted = sizeof(granted) / sizeof(granted[0]);
