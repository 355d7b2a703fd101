/*
 * local.h: mail into the mailboxes of this machine's users, written as those users.
 *
 * A runner that root started forks the local helper before it gives root up; the helper is the one
 * process of ours that stays root, and so it does next to nothing. It takes a request, forks a child,
 * and passes the child's answer on. The child becomes the user for good and then writes his Maildir or
 * mbox, or reads his .forward; what it says it says through a pipe of its own, so that a user who gets
 * hold of his child (it runs as him) can lie about his own mail and nobody else's. The helper sees
 * neither spool nor configuration nor network, and ends when the runner's end is closed.
 *
 * The runner trusts the helper with nothing but delivery; the helper takes from the runner a user's
 * name and an open message, never a path. Several runners may have the socket one after the other.
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LOCAL_NAME_MAX = 255, /* bytes of a user's name */
	LOCAL_ADDRESS_MAX = 2048,
	LOCAL_TEXT_MAX = 16384, /* of an answer; a .forward may have as much */
	LOCAL_AT_ONCE = 16, /* children; more requests wait */
	LOCAL_LIMIT_S = 300, /* a child that takes longer is killed */
};

enum local_kind { LOCAL_MAILDIR, LOCAL_MBOX, LOCAL_FORWARD };

struct local_user {
	uid_t uid;
	gid_t gid;
	char home[4096];
};

/* 1; 0: there is none; -1 and errno: not now (a directory service that is away). */
typedef int local_lookup_fn(const char *name, struct local_user *user);
local_lookup_fn local_look_up; /* the system's users, getpwnam_r(3) */

struct local_options {
	const char *maildir; /* below the home, "Maildir" */
	const char *spool; /* where mboxes are, "/var/mail" */
	local_lookup_fn *lookup; /* NULL: local_look_up */
	int limit_ms; /* 0: LOCAL_LIMIT_S */
};

struct local_request {
	uint64_t number; /* the caller's own; comes back with the answer */
	enum local_kind kind;
	const char *user;
	const char *sender, *recipient; /* for Return-Path (RFC 5321 4.4) and Delivered-To; clean */
	int message; /* CRLF lines, read from its start with pread(2); stays the caller's. -1: FORWARD */
};

enum local_outcome {
	LOCAL_DONE, /* written and synced; FORWARD: text is the file, empty when there is none */
	LOCAL_RETRY, /* text says why; nothing was written, or a sync failed and it may have been */
	LOCAL_FAIL, /* no such user */
};

struct local_answer {
	uint64_t number;
	enum local_outcome outcome;
	size_t n; /* bytes of text */
	char text[LOCAL_TEXT_MAX + 1]; /* NUL behind it; foreign when it is a .forward's */
};

/*
 * The helper: serves until the other end of sock (base/packet.h) is closed and every child has ended. In a
 * process of its own, root's; as anybody but root it serves its own user alone.
 */
void local_serve(int sock, const struct local_options *options);

/* What may be a user's name: it is looked up, becomes part of a path below the mbox folder, and is no
 * more than that. */
bool local_name_ok(const char *name);

/* 0; -1 and errno: EAGAIN, the helper is busy: ask again when the socket is writable; E2BIG, an
 * address is too long; EINVAL, it or the name is none; EPIPE, the helper has gone. */
int local_ask(int fd, const struct local_request *request);

/* 1: *answer has come; 0: none yet; -1 and errno: the helper has gone (EPIPE), or made no sense. */
int local_hear(int fd, struct local_answer *answer);

#endif
