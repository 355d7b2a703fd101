/* vclock.c: the virtual clock and the poll(2) that drives it. */
#include "vclock.h"

#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"

enum { CHILD_POLL_MS = 2, CHILD_POLLS = 5000 };

static struct {
	bool waits_for_children;
	int polls; /* left for children */
	long long mono_ns, wall_offset_ns;
	const struct vclock_world *world;
} vc;

static long long
vclock_mono_ns(void)
{
	return vc.mono_ns;
}

static long long
vclock_wall_ns(void)
{
	return vc.mono_ns + vc.wall_offset_ns;
}

/* Children live in real time. One that has ended is seen by whoever looks for it, in virtual time. */
static bool
child_runs(void)
{
	siginfo_t si = {0};

	return vc.waits_for_children && vc.polls > 0 &&
	       waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0;
}

/*
 * Time does not pass while the world acts or a descriptor is ready, so bytes are never in flight
 * when it jumps (the world's sockets are local pairs: what was sent has arrived).
 */
static int
vclock_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int64_t limit = timeout_ms < 0 ? INT64_MAX : vclock_ms() + timeout_ms;

	for (;;) {
		int64_t next;
		int ready;

		while (vc.world != NULL && vc.world->service())
			;
		ready = sys_libc.poll(fds, n, 0);
		if (ready != 0 || vclock_ms() >= limit)
			return ready;
		if (child_runs()) {
			vc.polls--;
			if ((ready = sys_libc.poll(fds, n, CHILD_POLL_MS)) != 0)
				return ready;
			continue;
		}
		next = vc.world != NULL ? vc.world->next_ms() : INT64_MAX;
		if (next > limit)
			next = limit;
		if (next == INT64_MAX) {
			fputs("vclock: poll would wait for ever, and nothing is to come\n", stderr);
			abort();
		}
		if (next > vclock_ms())
			vc.mono_ns = next * 1000000;
	}
}

void
vclock_install(int64_t wall_s)
{
	vc.mono_ns = 1000000LL * 1000000;
	vc.wall_offset_ns = wall_s * 1000000000 - vc.mono_ns;
	vc.world = NULL;
	vc.waits_for_children = false;
	sys.mono_ns = vclock_mono_ns;
	sys.wall_ns = vclock_wall_ns;
	sys.poll = vclock_poll;
}

int64_t
vclock_ms(void)
{
	return vc.mono_ns / 1000000;
}

int64_t
vclock_wall_s(void)
{
	return vclock_wall_ns() / 1000000000;
}

void
vclock_advance(int64_t ms)
{
	vc.mono_ns += ms * 1000000;
}

void
vclock_waits_for_children(void)
{
	vc.waits_for_children = true;
	vc.polls = CHILD_POLLS;
}

void
vclock_step_wall(int64_t s)
{
	vc.wall_offset_ns += s * 1000000000;
}

void
vclock_world(const struct vclock_world *w)
{
	vc.world = w;
}
