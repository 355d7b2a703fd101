/*
 * smtp_server_mail.c: MAIL and RCPT.
 *
 *	mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF	RFC 5321 4.1.1.2
 *	rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF	4.1.1.3
 *	Path = "<" [ A-d-l ":" ] Mailbox ">"				4.1.2
 *
 * A blank behind the colon is let pass, since so many write one.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "proto/smtp_server_impl.h"

enum { FULL_SIZE = 2 * ADDRESS_MAX };

/* What is behind the path at p; NULL: it is none. It has no blanks and no comments, as addresses in
 * headers do. */
static const char *
path_end(const char *p)
{
	bool quoted = false;

	if (*p++ != '<')
		return NULL;
	for (; *p != '\0'; p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && *p == '>')
			return p + 1;
		else if (!quoted && strchr(" (<", *p) != NULL)
			return NULL;
	}
	return NULL;
}

struct path {
	const char *domain; /* completes it */
	enum address_error error;
	char full[FULL_SIZE];
};

static void
take_mailbox(void *ctx, const char *mailbox, enum address_error e)
{
	struct path *path = ctx;
	bool complete = e != ADDRESS_OK || path->domain == NULL || address_domain(mailbox) != NULL;

	snprintf(path->full, sizeof(path->full), "%s%s%s", mailbox, complete ? "" : "@",
	    complete ? "" : path->domain);
	path->error = e == ADDRESS_OK ? address_check(path->full, path->domain == NULL) : e;
}

/* RFC 6531 3.5 has 553 and x.6.7 for an address that is not ASCII. RFC 3463: x.1.3 a recipient's, x.1.7 a
 * sender's is malformed. A mistake in a list of recipients is the list's, not the client's: it may
 * make many. */
static void
refuse_address(struct smtp_server *s, enum address_error e, bool sender)
{
	const char *text = address_error_text(e);

	if (e == ADDRESS_NONASCII)
		smtp_server_say(s, 553, "5.6.7", "%s", text);
	else
		smtp_server_say(s, 501, sender ? "5.1.7" : "5.1.3", "%s", text);
}

/* The mailbox of a command, completed; "" for the null reverse-path. Returns what is behind it; NULL: it
 * has been answered. A source route is dropped (RFC 5321 appendix C). */
static const char *
take_path(struct smtp_server *s, const char *args, bool sender, char mailbox[ADDRESS_MAX + 1])
{
	const char *word = sender ? "FROM:" : "TO:", *end = NULL;
	struct path path = {.domain = s->o.domain, .error = ADDRESS_SYNTAX};
	size_t n = strlen(word);

	if (strlen(args) >= n && str_neqi(args, word, n)) {
		args += n + strspn(args + n, " ");
		end = path_end(args);
	}
	if (end == NULL || (*end != '\0' && *end != ' ')) {
		smtp_server_fault(s, 501, "5.5.4",
		    sender ? "it is MAIL FROM:<address>" : "it is RCPT TO:<address>");
		return NULL;
	}
	if (sender && end - args == 2) {
		mailbox[0] = '\0';
		return end;
	}
	if (address_list(args, (size_t)(end - args), take_mailbox, &path) != 1 &&
	    path.error == ADDRESS_OK)
		path.error = ADDRESS_SYNTAX;
	if (path.error == ADDRESS_OK && !str_copy(mailbox, ADDRESS_MAX + 1, path.full))
		path.error = ADDRESS_TOO_LONG;
	if (path.error == ADDRESS_OK)
		return end;
	refuse_address(s, path.error, sender);
	return NULL;
}

/* RFC 1870 4: size-value is up to twenty digits. One too large for us is too large for any limit. */
static bool
take_size(const char *p, size_t n, uint64_t *size)
{
	if (n == 0 || n > 20 || strspn(p, "0123456789") < n)
		return false;
	if (!str_u64n(p, n, UINT64_MAX, size))
		*size = UINT64_MAX;
	return true;
}

/* RFC 5321 4.1.1.11: 555 for parameters that are not known. False: it has been answered. */
static bool
take_parameters(struct smtp_server *s, const char *p, bool sender)
{
	static const char name[] = "SIZE=";
	size_t n, m = sizeof(name) - 1;
	uint64_t size = 0;
	bool given = false;

	for (p += strspn(p, " "); *p != '\0'; p += n + strspn(p + n, " ")) {
		n = strcspn(p, " ");
		if (!sender || n < m || !str_neqi(p, name, m)) {
			smtp_server_fault(s, 555, "5.5.4", "a parameter that is not known here");
			return false;
		}
		if (given || !take_size(p + m, n - m, &size)) {
			smtp_server_fault(s, 501, "5.5.4", "it is SIZE=number, once");
			return false;
		}
		given = true;
	}
	if (s->o.max_size == 0 || size <= s->o.max_size)
		return true;
	smtp_server_say(s, 552, "5.3.4",
	    "larger than %llu bytes, the max-size of the configuration",
	    (unsigned long long)s->o.max_size);
	return false;
}

void
smtp_server_mail(struct smtp_server *s, const char *args)
{
	char mailbox[ADDRESS_MAX + 1];
	const char *rest;

	if (s->helo[0] == '\0') {
		smtp_server_fault(s, 503, "5.5.1", "EHLO or HELO comes first");
		return;
	}
	if (s->mail) {
		smtp_server_fault(s, 503, "5.5.1", "MAIL has been said; RSET takes it back");
		return;
	}
	rest = take_path(s, args, true, mailbox);
	if (rest == NULL || !take_parameters(s, rest, true))
		return;
	(void)str_copy(s->sender, sizeof(s->sender), mailbox);
	s->mail = true;
	smtp_server_say(s, 250, "2.1.0", "Ok");
}

void
smtp_server_rcpt(struct smtp_server *s, const char *args)
{
	char mailbox[ADDRESS_MAX + 1];
	const char *rest;
	size_t n;

	if (!s->mail) {
		smtp_server_fault(s, 503, "5.5.1", "MAIL comes first");
		return;
	}
	rest = take_path(s, args, false, mailbox);
	if (rest == NULL || !take_parameters(s, rest, false))
		return;
	n = strlen(mailbox) + 1;
	/* RFC 5321 4.5.3.1.10: 452, and the client sends the rest in another transaction. */
	if (s->nrcpts == SMTP_SERVER_RCPTS_MAX || n > buf_room(&s->rcpts)) {
		smtp_server_say(s, 452, "4.5.3", "too many recipients in one message");
		return;
	}
	buf_add(&s->rcpts, mailbox, n);
	s->nrcpts++;
	smtp_server_say(s, 250, "2.1.5", "Ok");
}
