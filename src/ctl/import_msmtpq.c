/*
 * import_msmtpq.c: the queue of the scripts that come with msmtp, in a user's home.
 *
 *	NAME.mail	the message as it was given to sendmail
 *	NAME.msmtp	the words of that command line, blanks between them
 *	.lock		a folder, or a file: somebody works on the queue
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

enum { ARGUMENTS_BYTES = 1 << 20 };

static const char suffix[] = ".mail";

static bool
is_msmtpq_item(const char *name)
{
	return str_ends_i(name, suffix) && strlen(name) > strlen(suffix);
}

static int
msmtpq_enter(struct folder *f, char *why, size_t whysize)
{
	if (folder_mark(f, ".lock") == 0)
		return EX_OK;
	if (errno == EEXIST)
		snprintf(why, whysize,
		    "its .lock is there: msmtpq is working on it. If it is not, it "
		    "was left behind; remove it (rmdir)");
	else
		snprintf(why, whysize, "cannot lock it: %s", strerror(errno));
	return EX_TEMPFAIL;
}

/* --- the command line --------------------------------------------------------------------- */

struct words {
	char *rest;
	struct import_mail *m;
};

static char *
next_word(struct words *w)
{
	char *word;

	w->rest += strspn(w->rest, " \t\n");
	if (*w->rest == '\0')
		return NULL;
	word = w->rest;
	w->rest += strcspn(w->rest, " \t\n");
	if (*w->rest != '\0')
		*w->rest++ = '\0';
	return word;
}

static void
set_sender(struct import_mail *m, const char *sender)
{
	free(m->sender);
	m->sender = xstrdup(strcmp(sender, "<>") == 0 ? "" : sender);
}

static void
note(struct import_mail *m, const char *what)
{
	snprintf(m->note, sizeof(m->note),
	    "%s of its command line does not count here: the relay is chosen by the sender", what);
}

static void
take_long(struct words *w, char *name)
{
	char *value = strchr(name, '=');

	if (value != NULL)
		*value++ = '\0';
	if (strcmp(name, "from") == 0 && value == NULL)
		value = next_word(w);
	if (strcmp(name, "from") == 0 && value != NULL)
		set_sender(w->m, value);
	else if (strcmp(name, "read-recipients") == 0)
		w->m->from_headers = true;
	else
		note(w->m, name);
}

/* Letters behind one dash; the rest of the word, or the next word, is the value of some. */
static void
take_short(struct words *w, char *letters)
{
	for (char *p = letters; *p != '\0'; p++) {
		char *value = p + 1;

		if (*p == 't')
			w->m->from_headers = true;
		if (strchr("CafFNRXBbhLOo", *p) == NULL)
			continue;
		if (*value == '\0')
			value = next_word(w);
		if (*p == 'f' && value != NULL)
			set_sender(w->m, value);
		if (*p == 'a' || *p == 'C')
			note(w->m, *p == 'a' ? "-a" : "-C");
		return;
	}
}

static void
take_words(struct import_mail *m, char *text)
{
	struct words w = {.rest = text, .m = m};
	bool ended = false;
	char *word;

	while ((word = next_word(&w)) != NULL) {
		if (ended || word[0] != '-' || word[1] == '\0')
			import_add_recipient(m, word, strlen(word));
		else if (strcmp(word, "--") == 0)
			ended = true;
		else if (word[1] == '-')
			take_long(&w, word + 2);
		else
			take_short(&w, word + 1);
	}
}

static int
read_words(struct import_mail *m, int fd)
{
	char *text = xmalloc(ARGUMENTS_BYTES + 1);
	ssize_t n = pread(fd, text, ARGUMENTS_BYTES, 0);
	int rc = EX_OK;

	if (n == -1) {
		snprintf(m->why, sizeof(m->why), "its command line: %s", strerror(errno));
		rc = EX_TEMPFAIL;
	} else {
		text[n] = '\0';
		if (n == 0 || n == ARGUMENTS_BYTES || text[n - 1] != '\n' ||
		    strlen(text) != (size_t)n)
			rc = EX_DATAERR;
		else
			take_words(m, text);
	}
	if (rc == EX_OK && m->nrecipients == 0 && !m->from_headers)
		rc = EX_DATAERR;
	if (rc == EX_DATAERR)
		snprintf(m->why, sizeof(m->why),
		    "its command line names no recipients, or is not whole");
	free(text);
	return rc;
}

static int
msmtpq_load(struct folder *f, const char *name, struct import_mail *m)
{
	struct folder_file mail, words;
	char other[IMPORT_NAME_MAX + 8];
	int rc;

	if (folder_file(f, name, false, &mail) == -1) {
		snprintf(m->why, sizeof(m->why), "%s", strerror(errno));
		return EX_TEMPFAIL;
	}
	m->fd = mail.fd;
	m->submitted = mail.mtime;
	m->uid = mail.uid;
	snprintf(other, sizeof(other), "%.*s.msmtp", (int)(strlen(name) - strlen(suffix)), name);
	if (folder_file(f, other, false, &words) == -1) {
		snprintf(
		    m->why, sizeof(m->why), "%s, which says to whom: %s", other, strerror(errno));
		return errno == ENOENT ? EX_DATAERR : EX_TEMPFAIL;
	}
	rc = read_words(m, words.fd);
	close(words.fd);
	str_copy(
	    m->files[0], sizeof(m->files[0]), name); /* what is left then is no mail for msmtpq */
	str_copy(m->files[1], sizeof(m->files[1]), other);
	return rc;
}

const struct import_from import_msmtpq = {
    .name = "msmtpq",
    .has_queue = true,
    .queue = "~/.msmtp.queue",
    .is_item = is_msmtpq_item,
    .enter = msmtpq_enter,
    .load = msmtpq_load,
};
