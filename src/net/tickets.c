/*
 * tickets.c: TLS sessions that can be resumed.
 *
 * A ticket is on two lists: its shelf's (those of one key), and the list of all, oldest first, by
 * which the oldest is found when there are too many. The file is, for each of them,
 *
 *	ticket KEY EXPIRES once|many LENGTH LF bytes LF
 *
 * and reading it ends where it does not look like that.
 */
#include "net/tickets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "base/sys.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

struct shelf {
	struct map_node node;
	char key[TICKET_KEY_LEN + 1];
	struct list tickets; /* newest first */
	size_t n;
};

struct ticket {
	struct list link, age;
	struct shelf *shelf;
	int64_t expires_at;
	bool once;
	size_t n;
	unsigned char bytes[];
};

struct tickets {
	struct map shelves;
	struct list all; /* oldest first */
	size_t n;
	bool changed;
};

struct tickets *
tickets_new(void)
{
	struct tickets *t = xcalloc(1, sizeof(*t));

	map_init(&t->shelves);
	list_init(&t->all);
	return t;
}

static void
discard(struct tickets *t, struct ticket *k)
{
	struct shelf *s = k->shelf;

	list_remove(&k->link);
	list_remove(&k->age);
	free(k);
	t->n--;
	t->changed = true;
	if (--s->n == 0) {
		map_remove(&t->shelves, &s->node);
		free(s);
	}
}

void
tickets_free(struct tickets **tp)
{
	struct tickets *t = *tp;

	if (t == NULL)
		return;
	while (!list_empty(&t->all))
		discard(t, list_item(t->all.next, struct ticket, age));
	map_free(&t->shelves);
	free(t);
	*tp = NULL;
}

static struct shelf *
shelf_of(const struct tickets *t, const char *key)
{
	struct map_node *n = map_get(&t->shelves, key);

	return n == NULL ? NULL : map_item(n, struct shelf, node);
}

static struct shelf *
shelf_add(struct tickets *t, const char *key)
{
	struct shelf *s = xcalloc(1, sizeof(*s));

	str_copy(s->key, sizeof(s->key), key);
	list_init(&s->tickets);
	map_put(&t->shelves, &s->node, s->key);
	return s;
}

void
tickets_put(struct tickets *t, const char *key, const unsigned char *bytes, size_t n,
    int64_t expires_at, bool once)
{
	struct shelf *s;
	struct ticket *k;

	if (n == 0 || n > TICKET_BYTES_MAX || strlen(key) != TICKET_KEY_LEN)
		return;
	s = shelf_of(t, key);
	if (s != NULL && s->n >= TICKETS_A_KEY)
		discard(t, list_item(s->tickets.prev, struct ticket, link));
	else if (t->n >= TICKETS_MAX)
		discard(t, list_item(t->all.next, struct ticket, age));
	s = shelf_of(t, key); /* the last of it may have gone */
	if (s == NULL)
		s = shelf_add(t, key);

	k = xmalloc(sizeof(*k) + n);
	*k = (struct ticket){.shelf = s, .expires_at = expires_at, .once = once, .n = n};
	memcpy(k->bytes, bytes, n);
	list_init(&k->link);
	list_init(&k->age);
	list_add_head(&s->tickets, &k->link);
	list_add_tail(&t->all, &k->age);
	s->n++;
	t->n++;
	t->changed = true;
}

unsigned char *
tickets_take(struct tickets *t, const char *key, int64_t now, size_t *n)
{
	for (;;) {
		struct shelf *s = shelf_of(t, key);
		struct ticket *k;
		unsigned char *bytes;

		if (s == NULL)
			return NULL;
		k = list_item(s->tickets.next, struct ticket, link);
		if (k->expires_at <= now) {
			discard(t, k);
			continue;
		}
		*n = k->n;
		bytes = xmalloc(k->n);
		memcpy(bytes, k->bytes, k->n);
		if (k->once)
			discard(t, k);
		return bytes;
	}
}

void
tickets_drop(struct tickets *t, const char *key)
{
	struct shelf *s;

	while ((s = shelf_of(t, key)) != NULL)
		discard(t, list_item(s->tickets.next, struct ticket, link));
}

bool
tickets_changed(const struct tickets *t)
{
	return t->changed;
}

size_t
tickets_count(const struct tickets *t)
{
	return t->n;
}

/* --- the file --- */

/* All that is there, up to the ceiling; what an error cuts off is lost, and that is all. */
static void
read_all(int fd, struct buf *b)
{
	enum { BLOCK = 65536 };

	for (;;) {
		char *room = buf_reserve(b, BLOCK);
		ssize_t got;

		if (room == NULL)
			return;
		got = sys.read(fd, room, BLOCK);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		buf_commit(b, (size_t)got);
	}
}

/* The next word of the line, and the byte that ended it gone; NULL: no such word. */
static char *
word(char **at, char end)
{
	char *w = *at, *e = strchr(w, end);

	if (e == NULL || e == w)
		return NULL;
	*e = '\0';
	*at = e + 1;
	return w;
}

static bool
is_key(const char *s)
{
	return strlen(s) == TICKET_KEY_LEN && strspn(s, "0123456789abcdef") == TICKET_KEY_LEN;
}

/* Reads one ticket at *at; false: there is none, and nothing after it will be read. */
static bool
load_one(struct tickets *t, char **at, const char *end, int64_t now)
{
	char *tag = word(at, ' '), *key, *expires, *uses, *length;
	uint64_t expires_at, n;

	if (tag == NULL || strcmp(tag, "ticket") != 0)
		return false;
	if ((key = word(at, ' ')) == NULL || (expires = word(at, ' ')) == NULL ||
	    (uses = word(at, ' ')) == NULL || (length = word(at, '\n')) == NULL)
		return false;
	if (!is_key(key) || !str_u64(expires, INT64_MAX, &expires_at) ||
	    !str_u64(length, TICKET_BYTES_MAX, &n))
		return false;
	if (n >= (size_t)(end - *at) || (*at)[n] != '\n')
		return false;
	if ((int64_t)expires_at > now)
		tickets_put(t, key, (unsigned char *)*at, (size_t)n, (int64_t)expires_at,
		    strcmp(uses, "many") != 0);
	*at += n + 1;
	return true;
}

void
tickets_load(struct tickets *t, int fd, int64_t now)
{
	struct buf b;
	char *text, *at;
	size_t n;

	buf_init(&b, FILE_MAX);
	read_all(fd, &b);
	n = buf_len(&b);
	at = text = xmalloc(n + 1);
	memcpy(text, buf_data(&b), n);
	text[n] = '\0';
	buf_free(&b);
	while (at < text + n && load_one(t, &at, text + n, now))
		;
	free(text);
	t->changed = false;
}

static int
write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t put = sys.write(fd, data, n);

		if (put == -1 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		data += put;
		n -= (size_t)put;
	}
	return 0;
}

int
tickets_save(struct tickets *t, int fd, int64_t now)
{
	struct buf b;
	int rc;

	buf_init(&b, FILE_MAX);
	list_each (l, &t->all) {
		const struct ticket *k = list_item(l, struct ticket, age);

		if (k->expires_at <= now)
			continue;
		buf_addf(&b, "ticket %s %" PRId64 " %s %zu\n", k->shelf->key, k->expires_at,
		    k->once ? "once" : "many", k->n);
		buf_add(&b, k->bytes, k->n);
		buf_addc(&b, '\n');
	}
	rc = write_all(fd, buf_data(&b), buf_len(&b));
	buf_free(&b);
	if (rc == 0)
		t->changed = false;
	return rc;
}
