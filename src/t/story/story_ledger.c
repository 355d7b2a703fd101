/* story_ledger.c: what runs have written into the ledger of the story's spool. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "ledger.h"
#include "t/story/story.h"
#include "vclock.h"

enum { TEXT_MAX = 4096 };

static void
add_time(struct buf *b, const char *what, int64_t at)
{
	char text[32] = "never";

	if (at != 0)
		str_duration_text(vclock_wall_s() - at, text, sizeof(text));
	buf_addf(b, "%s %s ", what, text);
}

/* All of it in one line, in this order; a blank at either end. */
static void
describe(struct buf *b, const struct ledger_record *r)
{
	static const char *const names[LEDGER_NCOUNTERS] = {[LEDGER_SENT] = "sent",
	    [LEDGER_DEFERRED] = "deferred",
	    [LEDGER_BOUNCED] = "bounced",
	    [LEDGER_EXPIRED] = "expired",
	    [LEDGER_MESSAGES] = "messages",
	    [LEDGER_BYTES] = "bytes",
	    [LEDGER_SESSIONS] = "sessions",
	    [LEDGER_TLS] = "secured",
	    [LEDGER_FAILED] = "failed",
	    [LEDGER_DUPLICATES] = "duplicates",
	    [LEDGER_PASSES] = "passes"};

	buf_addc(b, ' ');
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		buf_addf(b, "%s %" PRIu64 " ", names[i], r->counts[i]);
	add_time(b, "ok", r->ok_at);
	add_time(b, "bad", r->bad_at);
	buf_addf(b, "relay %s tls %s reason %s ", r->relay != NULL ? r->relay : "-",
	    r->tls != NULL ? r->tls : "-", r->reason != NULL ? r->reason : "-");
}

/* A number is all of it. */
static bool
has(struct buf *text, const char *part)
{
	size_t n = strlen(part);
	bool number = n > 0 && part[n - 1] >= '0' && part[n - 1] <= '9';

	for (const char *p = buf_str(text); (p = strstr(p, part)) != NULL; p++)
		if (p[-1] == ' ' && (!number || p[n] == ' '))
			return true;
	return false;
}

static const struct ledger_record *
find(const struct ledger_book *book, const char *name)
{
	struct map_node *n;

	if (strcmp(name, "all") == 0)
		return &book->all;
	n = map_get(&book->sites, name);
	return n == NULL ? NULL : &map_item(n, struct ledger_site, node)->r;
}

void
story_expect_ledger(struct story *s, const char *p, bool no)
{
	char name[256], path[STORY_PATH_MAX + 16], why[256] = "";
	const struct ledger_record *r;
	struct ledger_book book;
	struct spool *sp = NULL;
	struct buf text;

	if (!story_word(&p, name, sizeof(name)))
		story_fail(s, "expect ledger SITE TEXT");
	for (char *at = name; *at != '\0'; at++)
		if (*at == '_')
			*at = ' ';
	snprintf(path, sizeof(path), "%s/spool", s->dir);
	if (spool_open(&sp, path, why, sizeof(why)) != 0 || ledger_read(sp, &book) != 0)
		story_fail(s, "the ledger cannot be read: %s", why);
	r = find(&book, name);
	if (r == NULL && !no)
		story_fail(s, "nothing is known of %s", name);
	buf_init(&text, TEXT_MAX);
	if (r != NULL)
		describe(&text, r);
	if (r != NULL && has(&text, p) == no)
		story_fail(
		    s, "ledger %s %s: %s\n%s", name, no ? "has" : "has not", p, buf_str(&text));
	buf_free(&text);
	ledger_book_free(&book);
	spool_close(&sp);
}
