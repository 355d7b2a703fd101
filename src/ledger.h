/*
 * ledger.h: what runs have seen: counters, and what is known of each site.
 *
 * A file in the spool by which nothing is decided, and which may be lost. A run counts in memory and
 * appends, once a minute and in the end; runs at once append to the same file, and reading adds their
 * lines up. When as much has been appended as there was before, the run writes the sum in its place, with
 * the LEDGER_SITES that were used last.
 *
 * A line is a record, its fields separated by tabs, none of which holds a control character:
 *
 *	NAME since ok_at bad_at COUNTER... relay tls reason
 *
 * The record without a name is that of all runs: its counters are never forgotten, its ok_at is when the last
 * pass over the whole queue began.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "spool/spool.h"

struct ledger;

enum { LEDGER_SITES = 10000, LEDGER_NAME_MAX = 400, LEDGER_TEXT_MAX = 240 };

enum ledger_counter {
	LEDGER_SENT, /* recipients */
	LEDGER_DEFERRED, /* attempts at recipients */
	LEDGER_BOUNCED, /* recipients, refused for good */
	LEDGER_EXPIRED, /* recipients, given up; of all runs alone: a site has deferred them */
	LEDGER_MESSAGES, /* of all runs: finished; of a site: that it took, for some recipient */
	LEDGER_BYTES, /* of the latter */
	LEDGER_SESSIONS, /* that were ready for mail */
	LEDGER_TLS, /* of those, with TLS */
	LEDGER_FAILED, /* connections that could not be had, or broke */
	LEDGER_DUPLICATES, /* recipients that may get it twice */
	LEDGER_PASSES, /* of all runs: over the whole queue */
	LEDGER_NCOUNTERS
};

struct
    ledger_record { /* times in seconds since 1970, 0: never; texts are clean, NULL or "": not known */
	uint64_t counts[LEDGER_NCOUNTERS];
	int64_t since, ok_at, bad_at; /* first seen; a recipient was taken; the last trouble */
	const char *relay,
	    *tls; /* of the last session: "mx.example.net[192.0.2.1]:25", "TLSv1.3, verified" */
	const char *reason; /* the last trouble */
};

/* --- for runs ----------------------------------------------------------------------------- */

struct ledger *ledger_new(struct spool *sp); /* which must outlive it */
/* What has been seen of that site, or (name "") of all, since it was told last; of a site's counters those
 * that are not said to be of all runs count for all as well. */
void ledger_tell(struct ledger *l, const char *name, const struct ledger_record *r);
/* Appends what was told. What cannot be now is tried again with the next; a line in the log says why. */
void ledger_save(struct ledger *l);
void ledger_free(struct ledger **l); /* saves */

/* --- for people --------------------------------------------------------------------------- */

struct ledger_site {
	struct map_node node; /* by name */
	struct ledger_record r; /* its texts are the site's */
	char *relay, *tls, *reason;
	char name[];
};

struct ledger_book {
	struct map sites;
	struct ledger_record all; /* of all runs */
};

/* 0, and an empty book when nothing was ever told; -1 and errno. To be freed in any case. */
int ledger_read(struct spool *sp, struct ledger_book *b);
void ledger_book_free(struct ledger_book *b);
/* All sites, those used last first; b->sites.count of them. Freed with free(3). */
struct ledger_site **ledger_sorted(const struct ledger_book *b);
int64_t ledger_used_at(const struct ledger_record *r);
/* Forgets the sites for which forget() says so. 0, or -1 and errno; EWOULDBLOCK: runs are in the way. */
typedef bool ledger_forget_fn(void *ctx, const struct ledger_site *s);
int ledger_forget(struct spool *sp, ledger_forget_fn *forget, void *ctx);

#endif
