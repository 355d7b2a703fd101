/*
 * ctl_select.h: which messages, said alike to all commands: by id, sender, recipient, site, age.
 *
 * Of several that are given all must hold. With --recipient and --site a message is meant when one of its
 * open recipients is (view.h): those who have got it are none of a command's business any more.
 */
#ifndef CTL_CTL_SELECT_H
#define CTL_CTL_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "spool/envelope.h"

#define SELECTION_HELP \
	"  ID...                these messages; -: those on standard input, one a line\n" \
	"  --sender PATTERN     joe@example.org, *@example.org, example.org, or\n" \
	"                       .example.org: below it; <>: the null sender\n" \
	"  --recipient PATTERN  the same for somebody who has not got it yet\n" \
	"  --site DOMAIN        somebody there has not got it yet; .DOMAIN: below it\n" \
	"  --older AGE          in the queue for so long or longer: 90s 15m 2h 3d\n" \
	"  --newer AGE          for less than that\n" \
	"  --held               held\n" \
	"  --all                every message\n" \
	"Of several of these all must hold.\n"

struct selection {
	const char *sender, *recipient, *site; /* patterns; NULL: any */
	const char *older, *newer; /* as typed */
	int64_t older_s, newer_s; /* -1: not given */
	bool held, all;
	char **ids;
	size_t nids;
	int64_t now;
};

/* Takes the selection and the options of `more` out of argv. EX_OK or EX_USAGE, which has been said. */
int selection_parse(
    struct ctl *c, struct selection *s, const struct ctl_option *more, int argc, char **argv);
/* Whether anything was said about which messages. */
bool selection_given(const struct selection *s);

/* Whether it is meant, but for its id. */
bool selection_matches(const struct selection *s, const struct envelope *e);
/* Whether that recipient is open, and meant by --recipient and --site, where they are given. */
bool selection_recipient(const struct selection *s, const struct envelope *e, size_t rcpt);

/*
 * Every id that is given, or else every id in the queue, oldest first. EX_OK; EX_TEMPFAIL when not all
 * of the queue, EX_IOERR when not all of standard input could be read; EX_DATAERR for what cannot be an
 * id. It has been said.
 */
typedef bool selection_fn(void *ctx, const char *id);
int selection_walk(struct ctl *c, const struct selection *s, selection_fn *fn, void *ctx);

#endif
