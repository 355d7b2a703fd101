/* vclock.c: the virtual clock and the poll(2) that drives it. */
#include "vclock.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"

enum { PROCESS_POLL_MS = 2, PROCESS_POLLS = 5000 };

static struct {
	bool waits_for_processes;
	int polls; /* left for them */
	long long mono_ns, wall_offset_ns;
	long long step_at_ns, step_ns; /* step_ns 0: none is to come */
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
	if (vc.step_ns != 0 && vc.mono_ns >= vc.step_at_ns) {
		vc.wall_offset_ns += vc.step_ns;
		vc.step_ns = 0;
	}
	return vc.mono_ns + vc.wall_offset_ns;
}

/* Other processes live in real time: whether one of these is where one answers. */
static bool
process_is_awaited(const struct pollfd *fds, nfds_t n)
{
	struct stat st;

	if (!vc.waits_for_processes || vc.polls == 0 || vc.world == NULL)
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= 0 && fstat(fds[i].fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
		    !vc.world->knows(fds[i].fd))
			return true;
	return false;
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
		if (process_is_awaited(fds, n)) {
			vc.polls--;
			if ((ready = sys_libc.poll(fds, n, PROCESS_POLL_MS)) != 0)
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
	vc.step_ns = 0;
	vc.world = NULL;
	vc.waits_for_processes = false;
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
vclock_waits_for_processes(void)
{
	vc.waits_for_processes = true;
	vc.polls = PROCESS_POLLS;
}

void
vclock_step_wall(int64_t s)
{
	vc.wall_offset_ns += s * 1000000000;
}

void
vclock_step_wall_in(int64_t ms, int64_t s)
{
	vc.step_at_ns = vc.mono_ns + ms * 1000000;
	vc.step_ns = s * 1000000000;
}

void
vclock_world(const struct vclock_world *w)
{
	vc.world = w;
}
