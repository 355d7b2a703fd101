/*
 * import_dma.c: dma(8): dma.conf, auth.conf, and its spool.
 *
 *	dma.conf	KEY or KEY VALUE a line; # begins a comment, wherever it stands
 *	auth.conf	user|host:password, the host ending at a colon or blank
 *	the spool	for each recipient Qid ("ID: ...", "Sender: ...", "Recipient: ...") and Mid, the
 *			message, one inode for all of its recipients. Who works on one has Qid in flock(2).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ctl/import.h"
#include "ctl/import_folder.h"

enum { FILE_BYTES = 1 << 20, QUEUE_FILE_BYTES = 8192 };

/* --- configuration ------------------------------------------------------------------------ */

struct dma {
	struct import_out *o;
	const char *path;
	const char *smarthost, *port, *authpath, *certfile, *fingerprint, *masquerade;
	bool secure, starttls, opportunistic, insecure, verify, nullclient;
	char user[256]; /* at the smarthost; "" none */
};

static void
on_mailname(struct dma *d, const char *value)
{
	char name[256];

	if (value[0] != '/')
		out_line(d->o, "hostname %s", value);
	else if (import_first_line("", value, name, sizeof(name)))
		out_line(d->o, "hostname %s", name);
	else
		out_note(d->o, "MAILNAME %s: nothing can be read there; hostname NAME says it here",
		    value);
}

/* What is of no use to the relay. */
static void
on_other(struct dma *d, const char *key, const char *value)
{
	struct import_out *o = d->o;

	if (strcmp(key, "ALIASES") == 0 && !d->nullclient)
		out_line(o, "aliases %s", value);
	else if (strcmp(key, "ALIASES") == 0)
		out_note(o, "ALIASES: not used, because of NULLCLIENT");
	else if (strcmp(key, "SPOOLDIR") == 0)
		out_note(o,
		    "SPOOLDIR: what waits there is taken over by: sortiectl import dma "
		    "--queue %s",
		    value);
	else if (strcmp(key, "MAILNAME") == 0)
		on_mailname(d, value);
	else if (strcmp(key, "DEFER") == 0)
		out_note(o,
		    "DEFER: there is no such key. Mail is tried when it comes in; where nobody "
		    "is there to be connected to, it waits for the next run. sendmail -odq "
		    "only queues.");
	else if (strcmp(key, "FULLBOUNCE") == 0)
		out_note(o,
		    "FULLBOUNCE: there is no such key; how much of a message a report has is "
		    "fixed");
	else if (strcmp(key, "DEBUGLOG") == 0)
		out_note(
		    o, "DEBUGLOG: sortie -v -q shows what is said; the log's place is: log FILE");
	else
		out_note(o, "%s: unknown, left out", key);
}

static bool
on_string(struct dma *d, const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **at;
	} strings[] = {{"SMARTHOST", &d->smarthost}, {"PORT", &d->port}, {"AUTHPATH", &d->authpath},
	    {"CERTFILE", &d->certfile}, {"FINGERPRINT", &d->fingerprint},
	    {"MASQUERADE", &d->masquerade}};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strcmp(key, strings[i].key) != 0)
			continue;
		if (value[0] != '\0')
			*strings[i].at = value;
		return true;
	}
	return false;
}

static bool
on_switch(struct dma *d, const char *key)
{
	const struct {
		const char *key;
		bool *at;
	} switches[] = {{"SECURETRANSFER", &d->secure}, {"SECURETRANS", &d->secure},
	    {"STARTTLS", &d->starttls}, {"OPPORTUNISTIC_TLS", &d->opportunistic},
	    {"INSECURE", &d->insecure}, {"VERIFYCERT", &d->verify}, {"NULLCLIENT", &d->nullclient}};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (strcmp(key, switches[i].key) == 0)
			return *switches[i].at = true;
	return strcmp(key, "SECURE") == 0; /* which says nothing */
}

/* all: also what is for on_other(), whose turn comes when the switches are known. */
static void
walk(struct dma *d, const char *text, size_t n, bool others, char **kept)
{
	char *copy = xstrndup(text, n), *rest = copy, *line, *value;

	while ((line = import_line(&rest)) != NULL) {
		line[strcspn(line, "#")] = '\0';
		line = import_trim(line);
		if (*line == '\0')
			continue;
		value = line + strcspn(line, " \t");
		if (*value != '\0')
			*value++ = '\0';
		value = import_trim(value);
		if (!on_string(d, line, value) && !on_switch(d, line) && others)
			on_other(d, line, value);
	}
	*kept = copy;
}

/* MASQUERADE user@host, user@ or host. */
static void
put_masquerade(struct dma *d)
{
	const char *value = d->masquerade, *at;

	if (value == NULL)
		return;
	at = strrchr(value, '@');
	if (at == NULL)
		out_line(d->o, "masquerade-domain %s", value);
	else if (at[1] != '\0')
		out_line(d->o, "masquerade * %s", value);
	else
		out_note(d->o, "MASQUERADE %s: with this host's name it is: masquerade * %sHOST",
		    value, value);
	if (at == NULL)
		out_note(d->o,
		    "MASQUERADE changed every sender's domain, that of others too; "
		    "masquerade-domain changes those of this host. All: masquerade * @%s",
		    value);
}

static void
read_auth(struct dma *d)
{
	char *copy, *rest, *line, *host, *password;
	struct buf text;

	if (d->authpath == NULL)
		return;
	buf_init(&text, FILE_BYTES);
	(void)buf_reserve(&text, FILE_BYTES);
	if (import_read(&text, d->authpath) == -1)
		out_note(d->o, "AUTHPATH %s: %s", d->authpath, strerror(errno));
	copy = rest = xstrndup(buf_data(&text), buf_len(&text));
	while ((line = import_line(&rest)) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		if (*line == '#' || *line == '\0')
			continue;
		host = strchr(line, '|');
		password = host == NULL ? NULL : strpbrk(host + 1, ": \t");
		if (password == NULL) {
			out_note(d->o, "a line of %s is not user|host:password", d->authpath);
			continue;
		}
		*host++ = '\0';
		*password++ = '\0';
		out_login(
		    d->o, &(struct import_login){.host = host, .user = line, .secret = password});
		if (d->smarthost != NULL && strcmp(host, d->smarthost) == 0 && d->user[0] == '\0')
			str_copy(d->user, sizeof(d->user), line);
	}
	xwipe(copy, strlen(copy));
	free(copy);
	buf_wipe(&text);
	buf_free(&text);
}

static enum import_tls
tls_of(const struct dma *d)
{
	if (!d->secure)
		return IMPORT_TLS_NONE;
	if (!d->starttls)
		return IMPORT_TLS_FIRST;
	return d->opportunistic ? IMPORT_TLS_MAY : IMPORT_TLS_STARTTLS;
}

static void
put_relay(struct dma *d)
{
	struct import_relay r = {.host = d->smarthost,
	    .port = d->port != NULL ? import_port(d->port, 25) : 25,
	    .tls = tls_of(d),
	    .unchecked = !d->verify,
	    .fingerprint = d->fingerprint,
	    .user = d->user[0] != '\0' ? d->user : NULL};

	out_relay(d->o, &r);
	if (!d->secure && (d->starttls || d->opportunistic))
		out_note(d->o,
		    "STARTTLS, OPPORTUNISTIC_TLS: without SECURETRANSFER they did nothing. "
		    "Here TLS is used where it is offered.");
}

/* No smarthost: to the recipients' own servers. */
static void
put_direct(struct dma *d)
{
	out_note(d->o, "no SMARTHOST: mail goes to the recipients' own servers");
	if (d->port != NULL)
		out_line(d->o, "port %s", d->port);
	switch (tls_of(d)) {
	case IMPORT_TLS_STARTTLS:
		out_line(d->o, "tls encrypt");
		break;
	case IMPORT_TLS_FIRST:
		out_note(d->o,
		    "SECURETRANSFER without STARTTLS: TLS from the start is for relays here "
		    "(smtps://)");
		break;
	case IMPORT_TLS_MAY:
	case IMPORT_TLS_NONE:
		break; /* used where it is offered: the default */
	}
}

static void
put_rest(struct dma *d)
{
	if (d->certfile != NULL)
		out_line(d->o, "client-cert %s", d->certfile);
	put_masquerade(d);
	if (d->nullclient)
		out_note(d->o,
		    "NULLCLIENT: mail for users of this machine goes to the relay too, as "
		    "long as there is no local line");
	else
		out_note(d->o,
		    "dma put mail for users of this machine into their mailboxes. Here it "
		    "goes where other mail goes, unless there is this line, which needs "
		    "runs that root starts: local mbox:/var/mail");
	if (d->nullclient)
		out_line(d->o, "aliases none");
}

static int
dma_read(struct import_out *o, const char *path, char *why, size_t whysize)
{
	struct dma d = {.o = o, .path = path};
	char *first, *second;
	struct buf text;

	buf_init(&text, FILE_BYTES);
	if (import_read(&text, path) == -1) {
		snprintf(why, whysize, "%s: %s", path, strerror(errno));
		buf_free(&text);
		return EX_NOINPUT;
	}
	walk(&d, buf_data(&text), buf_len(&text), false, &first);
	walk(&d, buf_data(&text), buf_len(&text), true, &second);
	read_auth(&d);
	if (d.smarthost != NULL)
		put_relay(&d);
	else
		put_direct(&d);
	put_rest(&d);
	free(first);
	free(second);
	buf_free(&text);
	return EX_OK;
}

/* --- its spool ---------------------------------------------------------------------------- */

static bool
is_dma_item(const char *name)
{
	return name[0] == 'Q';
}

static bool
take_line(struct import_mail *m, char *line, bool *has_sender)
{
	char *value = strchr(line, ':');

	if (value == NULL)
		return false;
	*value++ = '\0';
	value = import_trim(value);
	if (strcmp(line, "Sender") == 0) {
		free(m->sender);
		m->sender = xstrdup(value);
		*has_sender = true;
	} else if (strcmp(line, "Recipient") == 0 && *value != '\0') {
		import_add_recipient(m, value, strlen(value));
	}
	return true;
}

/* Every line of a file that was written whole ends. */
static bool
parse_queue_file(struct import_mail *m, char *text, size_t n)
{
	bool has_sender = false, good = n > 0 && text[n - 1] == '\n' && strlen(text) == n;
	char *rest = text, *line;

	while (good && (line = import_line(&rest)) != NULL)
		good = take_line(m, line, &has_sender);
	return good && has_sender && m->nrecipients == 1;
}

static int
load_queue_file(struct import_mail *m, const char *name)
{
	char text[QUEUE_FILE_BYTES + 1];
	ssize_t n = pread(m->lock, text, QUEUE_FILE_BYTES, 0);

	if (n == -1) {
		snprintf(m->why, sizeof(m->why), "%s: %s", name, strerror(errno));
		return EX_TEMPFAIL;
	}
	text[n] = '\0';
	if (parse_queue_file(m, text, (size_t)n))
		return EX_OK;
	snprintf(m->why, sizeof(m->why), "it does not say who sent it, and to whom");
	return EX_DATAERR;
}

static int
dma_load(struct folder *f, const char *name, struct import_mail *m)
{
	struct folder_file queue, message;
	char other[IMPORT_NAME_MAX + 1];
	int rc;

	if (folder_file(f, name, true, &queue) == -1) {
		if (errno == ENOENT)
			return IMPORT_NONE; /* dma has sent it meanwhile */
		snprintf(m->why, sizeof(m->why), "%s",
		    errno == EWOULDBLOCK ? "dma is working on it" : strerror(errno));
		return EX_TEMPFAIL;
	}
	m->lock = queue.fd;
	m->submitted = queue.mtime; /* by which dma reckons, too */
	m->submitted_once = true;
	if ((rc = load_queue_file(m, name)) != EX_OK)
		return rc;
	str_copy(other, sizeof(other), name);
	other[0] = 'M';
	if (folder_file(f, other, false, &message) == -1) {
		snprintf(m->why, sizeof(m->why), "its message %s: %s", other, strerror(errno));
		return errno == ENOENT ? EX_DATAERR : EX_TEMPFAIL;
	}
	m->fd = message.fd;
	/* Whoever is killed between the two leaves a message that nobody sends, not half a mail. */
	str_copy(m->files[0], sizeof(m->files[0]), name);
	str_copy(m->files[1], sizeof(m->files[1]), other);
	return EX_OK;
}

const struct import_from import_dma = {
    .name = "dma",
    .config = "/etc/dma/dma.conf",
    .read = dma_read,
    .has_queue = true,
    .queue = "/var/spool/dma",
    .is_item = is_dma_item,
    .load = dma_load,
};
