/*
 * ledger.c: what a run has seen, appended to the ledger.
 */
#include "ledger_impl.h"

#include <sys/stat.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"

enum {
	WAITING_MAX = 1024 * 1024, /* lines that could not be appended */
	SAVE_AT = 64 * 1024,
	SHORT_FILE = 256 * 1024, /* not written anew below that */
	LINE_ROOM = 4096, /* for the header, and the line of all */
};

const char ledger_file[] = "ledger";

struct ledger {
	struct spool *spool;
	struct buf lines; /* of sites */
	size_t save_at; /* the length of lines at which they are appended before their time */
	struct ledger_record all;
	bool changed, complained;
};

struct ledger *
ledger_new(struct spool *sp)
{
	struct ledger *l = xcalloc(1, sizeof(*l));

	l->spool = sp;
	l->save_at = SAVE_AT;
	buf_init(&l->lines, WAITING_MAX);
	return l;
}

/* --- lines -------------------------------------------------------------------------------- */

static void
add_text(struct buf *to, const char *text, size_t max)
{
	char clean[LEDGER_NAME_MAX + 1];

	str_clean(clean, max + 1, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
	buf_adds(to, clean);
}

void
ledger_line(struct buf *to, const char *name, const struct ledger_record *r)
{
	add_text(to, name, LEDGER_NAME_MAX);
	buf_addf(to, "\t%" PRId64 "\t%" PRId64 "\t%" PRId64, r->since, r->ok_at, r->bad_at);
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		buf_addf(to, "\t%" PRIu64, r->counts[i]);
	buf_addc(to, '\t');
	add_text(to, r->relay, LEDGER_NAME_MAX);
	buf_addc(to, '\t');
	add_text(to, r->tls, LEDGER_TEXT_MAX);
	buf_addc(to, '\t');
	add_text(to, r->reason, LEDGER_TEXT_MAX);
	buf_addc(to, '\n');
}

void
ledger_tell(struct ledger *l, const char *name, const struct ledger_record *r)
{
	static const enum ledger_counter of_all[] = {
	    LEDGER_BYTES, LEDGER_SESSIONS, LEDGER_TLS, LEDGER_FAILED, LEDGER_DUPLICATES};

	if (name[0] == '\0') {
		for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
			l->all.counts[i] += r->counts[i];
		if (r->ok_at > l->all.ok_at)
			l->all.ok_at = r->ok_at;
	} else {
		for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
			l->all.counts[of_all[i]] += r->counts[of_all[i]];
		ledger_line(&l->lines, name, r);
	}
	l->changed = true;
	if (buf_len(&l->lines) >= l->save_at)
		ledger_save(l);
}

/* --- the file ----------------------------------------------------------------------------- */

/*
 * An earlier run may have been cut off in the middle of a line: so that is ended first. One write(2), and what
 * a full disk has cut off is lost: none of it must be there twice. The sums come first, for they matter most.
 */
static int
append(struct ledger *l, int fd, bool *too_long)
{
	struct stat st;
	struct buf text;
	ssize_t n;

	if (sys.fstat(fd, &st) == -1)
		return -1;
	buf_init(&text, WAITING_MAX + LINE_ROOM);
	if (st.st_size == 0)
		buf_addf(&text, LEDGER_HEADER, 0LL);
	else
		buf_addc(&text, '\n');
	l->all.since = clock_wall_s();
	ledger_line(&text, "", &l->all);
	buf_add(&text, buf_data(&l->lines), buf_len(&l->lines));
	st.st_size += (off_t)buf_len(&text);
	*too_long = st.st_size > SHORT_FILE &&
		    (st.st_size / 2 > ledger_base(fd) || st.st_size > LEDGER_ROOM);
	do
		n = sys.write(fd, buf_data(&text), buf_len(&text));
	while (n == -1 && errno == EINTR);
	buf_free(&text);
	return n == -1 ? -1 : 0;
}

static int
save(struct ledger *l)
{
	bool too_long = false;
	int fd = spool_state_append(l->spool, ledger_file), rc, saved;

	if (fd == -1)
		return -1;
	rc = append(l, fd, &too_long);
	saved = errno;
	if (rc == 0) {
		buf_clear(&l->lines);
		l->all = (struct ledger_record){.since = 0};
		l->changed = false;
	}
	if (rc == 0 && too_long)
		(void)ledger_write_anew(l->spool, fd, NULL, NULL); /* or the next one does */
	sys.close(fd);
	errno = saved;
	return rc;
}

/*
 * Who has the file for himself may have been stopped (SIGSTOP, a terminal's ^Z): each try waits for him a little,
 * so there is not one for each site that is told of.
 */
void
ledger_save(struct ledger *l)
{
	if (l->changed && save(l) == -1) {
		if (!l->complained && errno != EWOULDBLOCK)
			log_warn("cannot keep what is known of sites: %s", strerror(errno));
		l->complained = true;
		if (l->lines
			.overflow) /* some are lost already, and it is for nothing but looking at */
			buf_clear(&l->lines);
	}
	l->save_at = buf_len(&l->lines) + SAVE_AT;
}

void
ledger_free(struct ledger **lp)
{
	struct ledger *l = *lp;

	if (l == NULL)
		return;
	ledger_save(l);
	buf_free(&l->lines);
	free(l);
	*lp = NULL;
}
