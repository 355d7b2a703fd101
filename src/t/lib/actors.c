#include "actors.h"

#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "vclock.h"

struct actor actors[ACTORS];
static struct reactor *r;

/* What was called, a letter a call. */
static char trail[256];

void
actors_note(char c)
{
	size_t n = strlen(trail);

	if (n + 1 < sizeof(trail)) {
		trail[n] = c;
		trail[n + 1] = '\0';
	}
}

const char *
actors_trail(void)
{
	static char taken[sizeof(trail)];

	memcpy(taken, trail, sizeof(taken));
	trail[0] = '\0';
	return taken;
}

void
actors_run(void)
{
	while (trail[0] == '\0')
		ck_assert(reactor_turn(r));
}

static void
on_call(void *ctx)
{
	struct actor *a = ctx;

	actors_note(a->letter);
	a->calls++;
	if (a->act != NULL)
		a->act(a);
}

static void
on_fd(void *ctx, short events)
{
	struct actor *a = ctx;

	a->events = events;
	on_call(a);
}

static void
pair(struct actor *a)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a->fd = fds[0];
	a->peer = fds[1];
}

void
actors_poke(struct actor *a)
{
	if (write(a->peer, "x", 1) != 1)
		ck_abort_msg("write: %s", strerror(errno));
}

struct reactor *
actors_begin(void)
{
	vclock_install(1764000000);
	r = reactor_new();
	trail[0] = '\0';
	memset(actors, 0, sizeof(actors));
	for (int i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];

		a->letter = (char)('a' + i);
		watch_init(&a->watch, on_fd, a);
		timer_init(&a->timer, on_call, a);
		task_init(&a->task, on_call, a);
		pair(a);
	}
	return r;
}

void
actors_end(struct reactor **reactor)
{
	for (int i = 0; i < ACTORS; i++) {
		watch_remove(r, &actors[i].watch);
		timer_disarm(r, &actors[i].timer);
		task_cancel(&actors[i].task);
		close(actors[i].fd);
		close(actors[i].peer);
	}
	reactor_free(reactor);
	ck_assert_ptr_null(*reactor);
	reactor_free(reactor); /* once more is harmless */
	sys = sys_libc;
}

void
actors_ready(void)
{
	for (int i = 0; i < ACTORS; i++) {
		watch_add(r, &actors[i].watch, actors[i].fd, POLLIN);
		actors_poke(&actors[i]);
	}
}

void
actors_remove_all(struct actor *self)
{
	(void)self;
	for (int i = 0; i < ACTORS; i++)
		watch_remove(r, &actors[i].watch);
}

void
actors_add_again(struct actor *self)
{
	watch_remove(r, &self->watch);
	watch_add(r, &self->watch, self->fd, POLLIN);
}
