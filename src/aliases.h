/*
 * aliases.h: a file of aliases(5): to whom mail for a name of this machine goes.
 *
 *	name: target, target, ...
 *
 * A line that starts with a blank continues the one before it; # at the start of a line, or alone behind
 * a blank, starts a comment. Names stand bare or in quotes and are compared without case. A target is
 *
 *	an address or name	a name of this machine is looked up again; inside its own alias, or with a
 *				backslash in front, it means the name as it is
 *	:include:/path		a file of targets, which everybody may read
 *	/dev/null		nobody
 *	|command, /file		refused: nothing is run, and no file is written, for anybody
 *
 * "*:" (or "default:") is for every name without an alias, but not for users of this machine who have a
 * mailbox here. Nobody need name postmaster and MAILER-DAEMON: they go to the configuration's postmaster, else
 * to root.
 *
 * A file is read when the first name is looked up, and as whoever we are: what he may not read is an error.
 */
#ifndef ALIASES_H
#define ALIASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config.h"
#include "proto/address.h"

struct aliases;

/* The file of the configuration; c and hostname (ours, NULL: none) stay valid while it lives. */
struct aliases *aliases_new(const struct config *c, const char *hostname);
/*
 * For a run, which may not look up users: what is for any name ("*") is for none, as it might be a user's. Nor may
 * it read lists everywhere, so it does nowhere. Its mail is ours already: a file that is not to be had is EX_TEMPFAIL.
 */
struct aliases *aliases_new_for_run(const struct config *c, const char *hostname);
void aliases_free(struct aliases **a);

/* Gets an address, which has a domain only if it was written with one. False: no more of them. */
typedef bool aliases_fn(void *ctx, const char *mailbox);

/*
 * Gives fn what an address (as proto/address.h has it) stands for: itself, unless it is of this machine and
 * has an alias. Over the life of `a` no alias is given twice. A target that is bad or refused is logged, and
 * the others are given. Returns EX_OK; EX_CONFIG: a loop (5.4.6), a list that is not there, or no good target
 * at all; EX_TEMPFAIL: a file cannot be read now. Then one line is in why, and some of it may have been given.
 */
int aliases_expand(
    struct aliases *a, const char *mailbox, aliases_fn *fn, void *ctx, char *why, size_t whysize);
/*
 * The one address that mail for a name of this machine leads to first, for reports; false: it has no alias, is
 * not of this machine, or the file cannot be read.
 */
bool aliases_first(struct aliases *a, const char *mailbox, char first[ADDRESS_MAX + 1]);
/* Whether some address so far has come to nobody, by /dev/null. */
bool aliases_discarded(const struct aliases *a);

/*
 * newaliases: looks at all of the file and of the lists in it, and prints a line for each thing that is wrong,
 * with what to do, then how many aliases there are. Returns EX_OK, EX_DATAERR, or EX_CONFIG: the file cannot
 * be read.
 */
int aliases_check(const struct config *c, const char *hostname, FILE *out);

#endif
