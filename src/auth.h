/*
 * auth.h: where credentials come from: a file in netrc's form, and the commands that it names.
 *
 *	machine smtp.example.com login me@example.com password "correct horse"
 *	machine smtp.example.net port 587 login me command "/usr/bin/pass show mail"
 *	machine smtp.example.org login me
 *		token-command "/usr/local/bin/oauth2-token --for smtp"
 *	default login nobody password x
 *
 * Words are separated by blanks and line ends. One with blanks stands in "...", where \" and \\ are
 * the characters themselves. A # where a keyword might stand begins a comment. The value of a keyword
 * stands on the same line. Keywords: machine HOST, default (when no machine fits), port N (default:
 * any), login USER (default: the one in the relay's URL), and one of
 *
 *	password SECRET        token SECRET           token: an OAuth 2.0 access token
 *	command "PATH ARG..."  token-command "..."    the first line that it prints
 *	external               the client certificate says who we are (EXTERNAL)
 *
 * and mechanism NAME: only that one. account X is skipped. The first entry that fits is taken.
 *
 * The file must be regular, owned by root or the effective user, and nobody else may read or write
 * it. It is read at every lookup, so a password put right is used at once, and no secret stays in
 * memory for longer than somebody needs it.
 *
 * A command is run by the effective user, without a shell: its words are separated by blanks, '...'
 * and "..." keep blanks together, \ takes the next character as it is; the path is absolute. It
 * gets PATH, HOME, USER, LOGNAME and LANG, the root directory, /dev/null as standard input and (but
 * where show_errors) standard error, a process group of its own, and AUTH_COMMAND_S seconds. It must exit
 * with 0. It is run once a run of the queue, and what came of it, good or bad, is kept until the next.
 * A process of its own runs them (auth_helper.h), forked by auth_new() when the file has any.
 *
 * No text made here, for log or people, holds anything of the file but host names, user names and
 * the paths of commands.
 */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/verdict.h"
#include "net/reactor.h"
#include "proto/sasl.h"

enum { AUTH_COMMAND_S = 30 };

struct auth_options {
	const char *path; /* of the file; NULL: none, every lookup finds nothing */
	bool missing_ok; /* a file that does not exist is an empty one */
	const char *home, *user; /* the effective user's, for commands; NULL: they get none */
	const char *spool; /* a home in here becomes "/"; NULL: there is none */
	bool show_errors; /* what commands say on their standard error goes to ours */
};

struct auth;

/* From now on this process leaves no core dump behind, nor do its children. Before OpenSSL is used. */
struct auth *auth_new(struct reactor *r, const struct auth_options *o);
/* Every query has been released; not from within an auth_fn. Commands still running are killed. */
void auth_free(struct auth **a);

/* At start: whether the file can be used. 0, or EX_CONFIG and one line in why, "FILE:LINE: what". */
int auth_check(const struct auth *a, char *why, size_t whysize);
/* At start: whether the file has credentials for that server. user as in auth_lookup(). */
bool auth_has(const struct auth *a, const char *host, unsigned port, const char *user);
/*
 * A command had to be run and no process could be started for it: a confined runner whose file had no
 * command before. It should begin anew.
 */
bool auth_wants_helper(const struct auth *a);
/* A new run begins: commands are run again when somebody asks. Not from within an auth_fn. */
void auth_new_run(struct auth *a);

/*
 * The answer, never before auth_lookup() has returned. c: here they are, until auth_release(). Else v:
 * they cannot be had now (RETRY, ROUTE), and what to do about it. Both NULL: there are none for that
 * host, and the URL named no user, so none are expected.
 */
typedef void auth_fn(void *ctx, const struct sasl_credentials *c, const struct verdict *v);

struct auth_query { /* embedded in whoever asks; nothing in it is theirs to touch */
	struct auth *auth; /* NULL: not under way */
	struct list link; /* among those that wait for one command */
	struct task task;
	auth_fn *fn;
	void *ctx;
	bool found, failed;
	struct sasl_credentials c;
	struct verdict v;
	char *memory; /* all that c points to, in one piece */
	size_t size;
};

void auth_query_init(struct auth_query *q); /* once, before anything else */
/*
 * For the server of that name and port; user: the one in the relay's URL, or NULL. An answered query
 * may be used again, after auth_release().
 */
void auth_lookup(struct auth *a, struct auth_query *q, const char *host, unsigned port,
    const char *user, auth_fn *fn, void *ctx);
/* Cancels it if it is under way, and wipes the credentials if they are there. Harmless at any time. */
void auth_release(struct auth_query *q);

#endif
