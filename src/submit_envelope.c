/*
 * submit_envelope.c: who sends it, as the outside is to know him, and to whom it goes: complete addresses,
 * aliases expanded, each recipient once.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "aliases.h"
#include "base/alloc.h"
#include "base/str.h"
#include "masquerade.h"
#include "submit_impl.h"

enum {
	RECIPIENTS_MAX = 200000, /* what a runner holds in memory and a control file can tell of */
	SHOWN_MAX = 200
};

/* With the domain if it had none; false and a refusal: it is not one. */
static bool
qualify(struct submission *s, const char *mailbox, enum address_error e, char full[2 * ADDRESS_MAX])
{
	bool complete = address_domain(mailbox) != NULL;

	if (e == ADDRESS_OK) {
		snprintf(full, 2 * ADDRESS_MAX, "%s%s%s", mailbox, complete ? "" : "@",
		    complete ? "" : s->domain);
		e = address_check(full, false);
	}
	if (e == ADDRESS_OK)
		return true;
	return submit_refuse(s, EX_DATAERR, "%.*s%s: %s (%s)", SHOWN_MAX, mailbox,
	    strlen(mailbox) > SHOWN_MAX ? "..." : "", address_error_text(e),
	    e == ADDRESS_NONASCII ? "5.6.7" : "5.1.3");
}

/* RFC 3463 3.8: not authorised. */
static void
refuse_remote(struct submission *s, const char *full)
{
	const struct config *c = s->o->config;

	if (c != NULL && c->local_only > 0 &&
	    !config_is_local(c, s->o->hostname, address_domain(full)))
		submit_refuse(s, EX_NOPERM,
		    "%.*s: mail to remote recipients is turned off by %s:%d (5.7.1)", SHOWN_MAX,
		    full, c->path != NULL ? c->path : "the configuration", c->local_only);
}

/* aliases_fn */
static bool
take_recipient(void *ctx, const char *mailbox)
{
	struct submission *s = ctx;
	char full[2 * ADDRESS_MAX], *domain;

	if (!qualify(s, mailbox, ADDRESS_OK, full))
		return false;
	refuse_remote(s, full);
	/* In another case it is the same recipient (RFC 5321 2.4); but a literal goes out as it was
	 * written, [IPv6:...] (RFC 5321 4.1.3). */
	domain = strrchr(full, '@') + 1;
	if (domain[0] != '[')
		str_lowercase(domain);
	(void)envelope_add(&s->e, full);
	if (s->e.nrcpts > RECIPIENTS_MAX) /* RFC 3463 3.6: x.5.3 */
		submit_refuse(s, EX_DATAERR, "more than %d recipients (5.5.3)", RECIPIENTS_MAX);
	return s->rc == 0;
}

void
submit_envelope_add(void *ctx, const char *mailbox, enum address_error e)
{
	struct submission *s = ctx;
	char full[2 * ADDRESS_MAX], why[2 * ADDRESS_MAX];
	int rc;

	if (s->rc != 0)
		return;
	if (e != ADDRESS_OK) {
		(void)qualify(s, mailbox, e, full);
	} else if (s->aliases == NULL) {
		(void)take_recipient(s, mailbox);
	} else {
		rc = aliases_expand(s->aliases, mailbox, take_recipient, s, why, sizeof(why));
		if (rc != EX_OK)
			submit_refuse(s, rc, "%s", why);
	}
}

bool
submit_envelope_has_recipients(const struct submission *s)
{
	return s->e.nrcpts > 0 || (s->aliases != NULL && aliases_discarded(s->aliases));
}

/* As the sender is known outside. Rules hold for -f as well: programs name the login there unasked. */
static bool
qualify_sender(
    struct submission *s, const char *mailbox, enum address_error e, char full[2 * ADDRESS_MAX])
{
	const struct config *c = s->o->config;
	char becomes[2 * ADDRESS_MAX];
	bool masked =
	    e == ADDRESS_OK && c != NULL && masquerade(c, s->o->hostname, mailbox, becomes);

	return qualify(s, masked ? becomes : mailbox, e, full);
}

static void
set_sender(void *ctx, const char *mailbox, enum address_error e)
{
	struct submission *s = ctx;
	char full[2 * ADDRESS_MAX];

	if (s->e.sender != NULL)
		submit_refuse(s, EX_USAGE, "-f %s: more than one address", s->o->sender);
	else if (qualify_sender(s, mailbox, e, full))
		s->e.sender = xstrdup(full);
}

char *
submit_envelope_login(struct submission *s)
{
	const char *login = s->o->login == NULL ? "" : s->o->login;
	char full[2 * ADDRESS_MAX];
	char *address = NULL;
	struct buf local;

	buf_init(&local, ADDRESS_MAX);
	if (address_is_dot_atom(login, strlen(login))) {
		buf_adds(&local, login);
	} else {
		buf_addc(&local, '"');
		for (const char *p = login; *p != '\0'; p++)
			buf_addf(&local, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
		buf_addc(&local, '"');
	}
	if (login[0] == '\0' || local.overflow ||
	    address_check(buf_str(&local), true) != ADDRESS_OK) {
		buf_clear(&local);
		buf_addf(&local, "uid%lld", s->o->uid);
	}
	if (qualify_sender(s, buf_str(&local), ADDRESS_OK, full))
		address = xstrdup(full);
	buf_free(&local);
	return address;
}

/* Reports are made where aliases are not at hand: root's go where root's mail goes. */
static void
set_bounceto(struct submission *s)
{
	char first[ADDRESS_MAX + 1], full[2 * ADDRESS_MAX];

	if (s->e.sender != NULL && s->e.sender[0] != '\0' && s->aliases != NULL &&
	    aliases_first(s->aliases, s->e.sender, first) && qualify(s, first, ADDRESS_OK, full))
		s->e.bounceto = xstrdup(full);
}

bool
submit_envelope_begin(struct submission *s)
{
	const struct submit_options *o = s->o;

	if (o->sender == NULL)
		s->e.sender = submit_envelope_login(s);
	else if (o->sender[0] == '\0')
		s->e.sender = xstrdup("");
	else if (address_argument(o->sender, set_sender, s) == 0)
		submit_refuse(s, EX_USAGE, "-f %s: not a mail address", o->sender);
	for (int i = 0; i < o->nrecipients; i++)
		(void)address_argument(o->recipients[i], submit_envelope_add, s);
	if (s->rc == 0 && !submit_envelope_has_recipients(s) && !o->from_headers)
		submit_refuse(s, EX_USAGE,
		    "no recipients: name some, or use -t to take them from the header");
	set_bounceto(s);
	s->e.uid = o->uid;
	s->e.source_room = xstrdup(o->source == NULL ? "" : o->source);
	s->e.submitted = s->now;
	return s->rc == 0;
}
