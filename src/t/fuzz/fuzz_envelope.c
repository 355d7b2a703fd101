/*
 * fuzz_envelope.c: whatever is in a control file, the counts fit the recipients, and what we would
 * write ourselves reads back to the same.
 */
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "spool/envelope.h"
#include "fuzz.h"

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

static void
check_counts(const struct envelope *e)
{
	size_t waiting = 0, unreported = 0;

	for (size_t i = 0; i < e->nrcpts; i++) {
		const struct recipient *r = &e->rcpts[i];

		require(envelope_find(e, r->address) == r, "a recipient that is not found");
		require(r->reason == NULL || str_is_clean(r->reason, strlen(r->reason)),
		    "a reason that is not clean");
		require(r->report <= e->reports, "a report that was never made");
		require(r->report == 0 || r->status == RCPT_FAILED, "a report on one not failed");
		waiting += r->status == RCPT_NEW || r->status == RCPT_UNREACHED ||
			   r->status == RCPT_DEFERRED;
		unreported += r->status == RCPT_FAILED && r->report == 0;
	}
	require(waiting == e->waiting, "a wrong count of waiting recipients");
	require(unreported == e->unreported, "a wrong count of unreported failures");
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_same(const struct envelope *a, const struct envelope *b)
{
	require(strcmp(a->msgid, b->msgid) == 0 && same_text(a->sender, b->sender) &&
		    same_text(a->bounceto, b->bounceto) &&
		    same_text(a->source_room, b->source_room),
	    "other texts");
	require(a->uid == b->uid && a->size == b->size && a->eightbit == b->eightbit &&
		    a->utf8 == b->utf8 && a->dots == b->dots && a->longest == b->longest,
	    "another origin or body");
	require(a->submitted == b->submitted && a->attempted == b->attempted &&
		    a->first_attempted == b->first_attempted && a->retry == b->retry &&
		    a->hold == b->hold && a->warned == b->warned,
	    "other times");
	require(a->nrcpts == b->nrcpts && a->reports == b->reports && a->reported == b->reported,
	    "other counts");
	require(buf_len(&a->unknown) == buf_len(&b->unknown) &&
		    memcmp(buf_data(&a->unknown), buf_data(&b->unknown), buf_len(&a->unknown)) == 0,
	    "other unknown instructions");
	for (size_t i = 0; i < a->nrcpts; i++) {
		const struct recipient *x = &a->rcpts[i], *y = &b->rcpts[i];

		require(same_text(x->address, y->address) && same_text(x->extra, y->extra) &&
			    same_text(x->reason, y->reason) && x->status == y->status &&
			    x->report == y->report,
		    "another recipient");
	}
}

void
fuzz_envelope(const uint8_t *data, size_t size)
{
	struct envelope e, back;
	struct buf text;
	char why[100];

	envelope_init(&e);
	envelope_init(&back);
	buf_init(&text, 16 << 20);
	if (envelope_parse(&e, (const char *)data, size, why, sizeof(why)) == ENVELOPE_OK) {
		check_counts(&e);
		require(e.whole_size <= size, "more whole lines than there is");
		envelope_write(&text, &e);
		envelope_write_progress(&text, &e);
		require(envelope_parse(&back, buf_data(&text), buf_len(&text), why, sizeof(why)) ==
			    ENVELOPE_OK,
		    "our own file is damaged");
		require(back.bad_lines == 0 && !back.torn && !back.citadel,
		    "our own file does not parse");
		check_counts(&back);
		check_same(&e, &back);
	}
	buf_free(&text);
	envelope_free(&back);
	envelope_free(&e);
}
