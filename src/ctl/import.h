/*
 * import.h: moving in from another program: what its configuration says, and the mail in its queue.
 *
 *	ctl_import.c	the command; what was made of a configuration is printed, or written
 *	import_out.c	sortie.conf and the credentials file, a line at a time
 *	import_queue.c	a queue: one mail after the other, durable before its source is touched
 *	import_folder.c	the folder it is in, by a process that has its owner's rights
 *	import_NAME.c	what NAME's files mean
 *
 * Nothing of theirs is dropped silently: what has no counterpart, or should not have one, becomes a
 * comment that says so. No comment holds a secret.
 */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctl/ctl.h"

/* --- configuration ------------------------------------------------------------------------ */

struct import_out {
	const char *peer; /* whose it was, "dma" */
	struct buf conf, auth; /* auth holds secrets; auth_end() wipes it */
};

void import_out_init(struct import_out *o, const char *peer);
void import_out_free(struct import_out *o);

/* A line of sortie.conf. One that config_parse() does not take becomes a comment that says why. */
void out_line(struct import_out *o, const char *fmt, ...) LOG_PRINTF(2, 3);
/* A comment, folded where it is long. */
void out_note(struct import_out *o, const char *fmt, ...) LOG_PRINTF(2, 3);

enum import_tls { IMPORT_TLS_NONE, IMPORT_TLS_MAY, IMPORT_TLS_STARTTLS, IMPORT_TLS_FIRST };

struct import_relay {
	const char *host; /* name or address */
	unsigned port;
	enum import_tls tls;
	bool unchecked; /* it took any certificate */
	const char *fingerprint; /* SHA-256 of the certificate in hex; NULL: none */
	const char *user; /* who logs in; NULL: nobody */
	const char *from; /* for these senders only; NULL: all */
	bool lmtp;
};

/* A relay line, the tls line it needs, and what is to be said about them. */
void out_relay(struct import_out *o, const struct import_relay *r);

struct import_login {
	const char *host;
	const char *user; /* NULL: the one of the relay's URL */
	const char *secret, *command; /* one of them, or external */
	bool token, external;
	const char *mechanism; /* NULL: any */
};

/* An entry of the credentials file; not twice for the same machine and user. */
void out_login(struct import_out *o, const struct import_login *l);

/* A small text file, whole. 0, or -1 and errno. */
int import_read(struct buf *text, const char *path);
/* The next line of a text that is cut up; *rest is NULL behind the last. NULL: there is none. */
char *import_line(char **rest);
/* Without blanks at both ends. */
char *import_trim(char *s);
/* The first line of a file, trimmed, into dst; false: there is no such file or nothing in it. */
bool import_first_line(const char *folder, const char *name, char *dst, size_t size);
/* "yes", "on", "1" and the like are for the peers to tell; this is str_u64() for a port. */
unsigned import_port(const char *s, unsigned otherwise);

/* --- queues ------------------------------------------------------------------------------- */

struct folder;

enum { IMPORT_NAME_MAX = 255 };

struct import_mail { /* one of theirs */
	char *sender; /* "" the null sender; NULL: the login of `uid` */
	char **recipients;
	size_t nrecipients, recipients_cap;
	bool from_headers; /* and those that the header names */
	bool submitted_once; /* it has been made good by that program, trace line and all */
	int fd, lock; /* the message; what holds its lock, -1: nothing */
	off_t at; /* where on fd it begins */
	int64_t submitted; /* seconds since 1970 */
	long long uid; /* who did; -1: unknown */
	char files[2][IMPORT_NAME_MAX + 1]; /* its own, to be removed in this order; "" none */
	char note[256]; /* for the person who looks on; "" nothing */
	char why[512]; /* load() did not return EX_OK */
};

void import_add_recipient(struct import_mail *m, const char *address, size_t n);

enum { IMPORT_NONE = -1 }; /* no mail of theirs */

struct import_from {
	const char *name;
	const char *config; /* where its configuration is, NULL: none is read */
	/* EX_OK, or a sysexits(3) code and why. */
	int (*read)(struct import_out *o, const char *path, char *why, size_t whysize);

	const char *queue; /* the usual folder; "~/..." below the caller's home; NULL: none */
	const char *below; /* the part of it that has the files, where there is such a part */
	bool has_queue;
	bool (*is_item)(const char *name);
	/* Before the first: nobody else works there. EX_OK, or EX_TEMPFAIL and why. NULL: no need. */
	int (*enter)(struct folder *f, char *why, size_t whysize);
	/* One mail, locked where they lock. EX_OK, IMPORT_NONE, or a sysexits(3) code and m->why. */
	int (*load)(struct folder *f, const char *name, struct import_mail *m);
};

extern const struct import_from import_dma, import_nullmailer, import_msmtp, import_msmtpq,
    import_ssmtp, import_citadel;

struct import_order { /* what is to be done with a queue */
	const struct import_from *from;
	bool remove, dry_run;
};

/* The caller has the spool's rights. A sysexits(3) code; it has been said why. */
int import_queue(struct ctl *c, const struct import_order *order, struct folder *f);

#endif
