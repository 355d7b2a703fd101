/*
 * import_citadel.c: a Citadel queue room, exported: a folder of files.
 *
 * Whichever of them is a delivery list (spool/envelope.h) is a mail's control message. Its msgid names
 * the file that has the mail, as it is or with .eml behind it. Who has got the mail, and who cannot get
 * it, is not tried again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "bounce_original.h"
#include "ctl/import.h"
#include "ctl/import_folder.h"
#include "proto/address.h"
#include "spool/envelope.h"

enum { LIST_BYTES = 16 << 20 };

static bool
is_citadel_item(const char *name)
{
	(void)name;
	return true;
}

/* What it is told by, before all of it is read: a mail may be large. */
static bool
is_list(int fd)
{
	static const char start[] = "Content-type: application/x-citadel-delivery-list";
	char text[sizeof(start)];

	return pread(fd, text, sizeof(start) - 1, 0) == (ssize_t)sizeof(start) - 1 &&
	       str_neqi(text, start, sizeof(start) - 1);
}

static int
open_body(struct folder *f, const char *msgid, struct import_mail *m)
{
	static const char *const endings[] = {"", ".eml"};
	struct folder_file body;
	char name[IMPORT_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", msgid, endings[i]);
		if (folder_file(f, name, false, &body) == -1)
			continue;
		m->fd = body.fd;
		str_copy(
		    m->files[1], sizeof(m->files[1]), name); /* the list first: it is the mail */
		return EX_OK;
	}
	snprintf(m->why, sizeof(m->why), "its message, %s: %s", msgid, strerror(errno));
	return errno == ENOENT ? EX_DATAERR : EX_TEMPFAIL;
}

static void
take_recipients(struct import_mail *m, const struct envelope *e)
{
	for (size_t i = 0; i < e->nrcpts; i++) {
		const struct recipient *r = &e->rcpts[i];

		if (r->status != RCPT_DELIVERED && r->status != RCPT_FAILED)
			import_add_recipient(m, r->address, strlen(r->address));
	}
	if (m->nrecipients < e->nrcpts)
		snprintf(m->note, sizeof(m->note), "%zu recipients of it are settled already",
		    e->nrcpts - m->nrecipients);
	else if (e->bounceto != NULL)
		snprintf(
		    m->note, sizeof(m->note), "reports go to its sender, not to %s", e->bounceto);
}

static int
set_sender(struct import_mail *m, const struct envelope *e)
{
	char from[ADDRESS_MAX + 1];

	if (e->sender != NULL)
		from[0] = '\0';
	else if (original_from(m->fd, from, sizeof(from)) == -1)
		return EX_TEMPFAIL;
	m->sender = xstrdup(e->sender != NULL ? e->sender : from);
	return EX_OK;
}

static int
take_list(struct folder *f, struct import_mail *m, const struct envelope *e)
{
	int rc = open_body(f, e->msgid, m);

	if (rc != EX_OK)
		return rc;
	take_recipients(m, e);
	if (m->nrecipients == 0) {
		snprintf(m->why, sizeof(m->why), "nobody waits for it any more");
		return EX_DATAERR;
	}
	if (e->submitted > 0)
		m->submitted = e->submitted;
	return set_sender(m, e);
}

static int
read_list(struct folder *f, struct import_mail *m, int fd)
{
	char *text = xmalloc(LIST_BYTES), why[256];
	ssize_t n = pread(fd, text, LIST_BYTES, 0);
	struct envelope e;
	int rc = EX_DATAERR;

	envelope_init(&e);
	if (n == -1) {
		snprintf(m->why, sizeof(m->why), "%s", strerror(errno));
		rc = EX_TEMPFAIL;
	} else if (n == LIST_BYTES) {
		snprintf(m->why, sizeof(m->why), "it is too large");
	} else if (envelope_parse(&e, text, (size_t)n, why, sizeof(why)) != ENVELOPE_OK) {
		snprintf(m->why, sizeof(m->why), "%s", why);
	} else {
		rc = take_list(f, m, &e);
	}
	envelope_free(&e);
	free(text);
	return rc;
}

static int
citadel_load(struct folder *f, const char *name, struct import_mail *m)
{
	struct folder_file list;
	int rc = IMPORT_NONE;

	if (folder_file(f, name, false, &list) == -1) {
		snprintf(m->why, sizeof(m->why), "%s", strerror(errno));
		return errno == EINVAL || errno == ELOOP || errno == ENOENT ? IMPORT_NONE
									    : EX_TEMPFAIL;
	}
	if (is_list(list.fd)) {
		m->submitted = list.mtime;
		m->submitted_once = true;
		str_copy(m->files[0], sizeof(m->files[0]), name);
		rc = read_list(f, m, list.fd);
	}
	close(list.fd);
	return rc;
}

const struct import_from import_citadel = {
    .name = "citadel",
    .has_queue = true,
    .is_item = is_citadel_item,
    .load = citadel_load,
};
