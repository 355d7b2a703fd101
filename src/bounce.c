/* bounce.c: whom to tell, and the report as a new message in the spool. */
#include "bounce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "bounce_report.h"

/* The source_room of a report that the postmaster gets because its own addressee could not. */
static const char TO_POSTMASTER[] = "postmaster";

/*
 * Whom to tell; NULL or "": nobody. What came from the null sender is a report itself, and only the
 * postmaster hears of it; what went to him already ends here (RFC 5321 6.1: never a report about a
 * report to where it came from).
 */
static const char *
addressee(struct report *r)
{
	const struct envelope *e = r->e;

	if (e->bounceto != NULL && e->bounceto[0] != '\0')
		return e->bounceto;
	if (e->sender == NULL) {
		original_from_field(&r->original, r->to, sizeof(r->to));
		return r->to;
	}
	if (e->sender[0] != '\0')
		return e->sender;
	if (r->kind == BOUNCE_DELAYED ||
	    (e->source_room != NULL && strcmp(e->source_room, TO_POSTMASTER) == 0))
		return NULL;
	r->to_postmaster = true;
	return r->o->postmaster;
}

/* 128 random bits occur in no body, not even in one that was written to contain them. */
static int
choose_boundary(struct report *r)
{
	unsigned char random[16];
	size_t i;

	if (sys.getentropy(random, sizeof(random)) != 0)
		return -1;
	r->boundary[0] = '=';
	for (i = 0; i < sizeof(random); i++)
		snprintf(r->boundary + 1 + 2 * i, 3, "%02x", random[i]);
	return 0;
}

static int
commit_report(struct spool *sp, struct draft *d, const struct letter *l, const struct report *r)
{
	struct envelope e;
	int result;

	envelope_init(&e);
	str_copy(e.id, sizeof(e.id), r->id);
	str_copy(e.msgid, sizeof(e.msgid), r->id);
	e.sender = xstrdup("");
	e.source_room = xstrdup(r->to_postmaster ? TO_POSTMASTER : "report");
	e.uid = r->e->uid;
	e.size = l->size;
	e.eightbit = l->eightbit;
	e.dots = l->dots;
	e.longest = l->longest;
	e.submitted = r->now;
	envelope_add(&e, r->to);
	result = draft_commit(sp, d, &e, r->id);
	envelope_free(&e);
	return result;
}

/* 0, also when it was there already; or -1 and errno. */
static int
enter_report(struct spool *sp, struct report *r)
{
	struct draft d;
	struct letter l;
	int error = 0;

	if (choose_boundary(r) != 0 || draft_open(sp, &d) != 0)
		return -1;
	letter_init(&l, d.fd);
	if (report_write(&l, r) != 0 || letter_finish(&l) != 0)
		error = errno;
	else if (commit_report(sp, &d, &l, r) != 0 && errno != EEXIST)
		error = errno;
	draft_abort(sp, &d);
	letter_free(&l);
	errno = error;
	return error == 0 ? 0 : -1;
}

static enum bounce_outcome
make_report(struct spool *sp, struct report *r)
{
	const char *to;

	if (r->original.fd >= 0 && original_read(&r->original, r->o->whole_max) != 0)
		return BOUNCE_ERROR;
	to = addressee(r);
	if (to == NULL || address_check(to, true) != ADDRESS_OK)
		return r->kind == BOUNCE_FAILED ? BOUNCE_NOBODY : BOUNCE_MADE;
	if (to != r->to)
		str_copy(r->to, sizeof(r->to), to);
	return enter_report(sp, r) == 0 ? BOUNCE_MADE : BOUNCE_ERROR;
}

enum bounce_outcome
bounce_make(struct spool *sp, const struct bounce_options *o, const struct envelope *e,
    enum bounce_kind kind, unsigned n, const char *id, int64_t now)
{
	struct report r = {.o = o, .e = e, .kind = kind, .n = n, .id = id, .now = now};
	enum bounce_outcome outcome;
	int fd, error;
	size_t i;

	r.host = o->hostname != NULL ? o->hostname : "localhost";
	for (i = 0; i < e->nrcpts; i++)
		r.affected += report_affects(&r, &e->rcpts[i]);
	if (r.affected == 0)
		return BOUNCE_MADE;
	fd = spool_open_body(sp, e->msgid, NULL);
	if (fd < 0 && errno != ENOENT)
		return BOUNCE_ERROR;
	original_init(&r.original, fd);
	outcome = make_report(sp, &r);
	error = errno;
	if (fd >= 0)
		sys.close(fd);
	original_free(&r.original);
	errno = error;
	return outcome;
}
