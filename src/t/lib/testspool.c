#include "testspool.h"

#include <sys/stat.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "whole.h"

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

struct spool *
testspool_open(void)
{
	char dir[] = "/tmp/testspool.XXXXXX", why[256] = "";
	struct spool *sp = NULL;

	sys.fsync = sys.fdatasync = no_sync;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_msg(spool_open(&sp, dir, why, sizeof(why)) == 0, "%s: %s", dir, why);
	return sp;
}

void
testspool_close(struct spool **sp)
{
	char dir[1024];

	str_copy(dir, sizeof(dir), spool_path(*sp));
	spool_close(sp);
	whole_remove(dir);
}

void
testspool_add(struct spool *sp, const struct testspool_message *m, char id[ENVELOPE_ID_MAX + 1])
{
	size_t n = m->size != 0 ? m->size : strlen(m->body);
	const char *const *to;
	struct envelope e;
	struct draft d;

	envelope_init(&e);
	e.sender = xstrdup(m->sender != NULL ? m->sender : "alice@example.org");
	e.bounceto = m->bounceto != NULL ? xstrdup(m->bounceto) : NULL;
	e.source_room = m->source_room != NULL ? xstrdup(m->source_room) : NULL;
	e.uid = m->uid;
	e.submitted = m->submitted;
	e.size = n;
	for (to = m->recipients; *to != NULL; to++)
		envelope_add(&e, *to);

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, m->body, n), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	str_copy(id, ENVELOPE_ID_MAX + 1, d.id);
	draft_abort(sp, &d);
	envelope_free(&e);
}

void
testspool_load(struct spool *sp, const char *id, struct envelope *e)
{
	char why[256] = "";
	off_t size;

	ck_assert_msg(spool_load(sp, id, -1, e, &size, why, sizeof(why)) == SPOOL_LOADED,
	    "ctl/%s: %s", id, why);
}

char *
testspool_body(struct spool *sp, const char *id, size_t *n)
{
	int fd = spool_open_body(sp, id, NULL);
	struct stat st;
	char *text;

	ck_assert_msg(fd >= 0, "no msg/%s", id);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*n = (size_t)st.st_size;
	text = xcalloc(*n + 1, 1);
	ck_assert_int_eq(read(fd, text, *n), (ssize_t)*n);
	close(fd);
	return text;
}

static bool
count_one(void *ctx, const struct spool_entry *entry)
{
	(void)entry;
	++*(size_t *)ctx;
	return true;
}

size_t
testspool_count(struct spool *sp)
{
	size_t n = 0;

	ck_assert_int_eq(spool_scan(sp, count_one, &n), 0);
	return n;
}
