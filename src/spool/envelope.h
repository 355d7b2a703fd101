/*
 * envelope.h: one queued message: who sent it, to whom, and what became of each
 * (the control file). Pure: text <-> struct. The grammar is at the top of envelope_parse.c.
 *
 * An envelope owns all it points to. Recipients keep their index for the life of the envelope, so
 * others refer to them by it; a pointer to one lives until the next envelope_add().
 */
#ifndef SPOOL_ENVELOPE_H
#define SPOOL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"

enum { ENVELOPE_ID_MAX = 64, ENVELOPE_REASON_MAX = 1023 };

enum rcpt_status { /* the numbers of the file */
	RCPT_NEW = 0, /* not tried */
	RCPT_DELIVERED = 2,
	RCPT_UNREACHED = 3, /* transient trouble reaching the host */
	RCPT_DEFERRED = 4, /* the server said "later" */
	RCPT_FAILED = 5,
};

struct recipient {
	struct map_node node; /* by address */
	char *address;
	/* name=value fields behind the remote line (notify, orcpt), as written; or NULL */
	char *extra;
	char *reason; /* the last text, NULL: none */
	char *mta; /* in memory only: the host whose reply that is, NULL: none or unknown */
	enum rcpt_status status;
	unsigned report; /* FAILED: the N of the report|N line that covers it; 0: none yet */
};

struct envelope {
	char id[ENVELOPE_ID_MAX + 1]; /* name in ctl/; not in the file */
	char msgid[ENVELOPE_ID_MAX + 1]; /* name in msg/; the same as id */
	char *sender; /* "" the null sender; NULL: Citadel's "take the From header" */
	char *bounceto; /* NULL: the sender */
	char *source_room;
	long long uid; /* -1: unknown (Citadel) */
	uint64_t size;
	bool eightbit, utf8, dots; /* body|8bit,utf8,dots */
	unsigned longest; /* body|longest=N */
	bool citadel; /* no format|1 */
	bool ended; /* recipients|N was there; only a Citadel list may lack it */
	int64_t submitted; /* seconds since 1970, 0: unknown */
	int64_t attempted, first_attempted; /* the last attempt and the first, 0: never */
	int64_t retry; /* seconds from attempted until the next, 0: none yet */
	bool hold; /* hold|1 */
	bool warned; /* warned|1: the sender has been told of the delay */
	struct recipient *rcpts;
	size_t nrcpts, rcpts_cap;
	size_t waiting; /* recipients with status 0, 3 or 4 */
	struct map by_address;
	unsigned reports; /* highest report|N */
	unsigned reported; /* highest reported|N */
	size_t unreported; /* FAILED recipients that no report|N covers yet */
	bool torn; /* the last line is unfinished; spool_append() cuts it off */
	uint64_t whole_size; /* bytes up to the last newline */
	unsigned bad_lines; /* progress lines skipped */
	struct buf unknown; /* unknown instructions of the first part, kept */
};

void envelope_init(struct envelope *e);
void envelope_free(struct envelope *e);
/* Adds a recipient (copied; what is not printable UTF-8 replaced); false: it is there already. */
bool envelope_add(struct envelope *e, const char *address);
struct recipient *envelope_find(const struct envelope *e, const char *address);

enum envelope_error { ENVELOPE_OK, ENVELOPE_DAMAGED };

/*
 * Parses a whole control file into an envelope that envelope_init() made. DAMAGED: the first part
 * is not whole (why says what); anything behind recipients|N never condemns it.
 */
enum envelope_error envelope_parse(
    struct envelope *e, const char *text, size_t n, char *why, size_t whysize);

/* The first part, from Content-type to recipients|N; nothing of what has happened since. */
void envelope_write(struct buf *out, const struct envelope *e);
/* What has happened since, as progress lines: behind the first part they read back to the same. */
void envelope_write_progress(struct buf *out, const struct envelope *e);

/* One progress line, newline included. reason may be NULL. They do not change the envelope. */
void envelope_write_remote(
    struct buf *out, const struct recipient *r, enum rcpt_status status, const char *reason);
void envelope_write_number(struct buf *out, const char *instruction, int64_t n); /* attempted|N */

/* Records in memory what a line says, as reading it back would: remote|, attempted| and retry|,
 * report|n (which covers the failed recipients that no earlier report does). */
void envelope_settle(struct envelope *e, size_t rcpt, enum rcpt_status status, const char *reason);
void envelope_attempted(struct envelope *e, int64_t at, int64_t retry);
void envelope_report(struct envelope *e, unsigned n);

/* When it is due: 0 when it never was tried; held: INT64_MAX. */
int64_t envelope_due_at(const struct envelope *e);

/* The submission time to reckon with: one in the future or before 2020 is the time of the
 * first attempt (or now). */
int64_t envelope_submitted(const struct envelope *e, int64_t now);

bool envelope_id_ok(const char *name); /* [0-9A-Za-z][0-9A-Za-z._-]{0,63} */

#endif
