/*
 * slowsync: a disk whose every sync takes longer, for any program:
 *
 *	LD_PRELOAD=build/slowsync.so SLOWSYNC_MS=5 PROGRAM...
 *
 * The wait is a poll(2) of nothing, a call that a confined program may make, too. Programs that run
 * setuid, or clean their environment for those they start, must be made to pass it on.
 */
#include <sys/syscall.h>

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void
wait_longer(void)
{
	static int ms = -1; /* asked once: a program may clear its environment later */
	const char *value;
	long long end;

	if (ms < 0)
		ms = (value = getenv("SLOWSYNC_MS")) != NULL ? (int)strtol(value, NULL, 10) : 5;
	for (end = now_ms() + ms; now_ms() < end;)
		poll(NULL, 0, (int)(end - now_ms()));
}

int
fsync(int fd)
{
	wait_longer();
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	wait_longer();
	return (int)syscall(SYS_fdatasync, fd);
}
