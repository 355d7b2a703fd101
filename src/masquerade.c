/* masquerade.c: under which address senders are known outside. */
#include "masquerade.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct sender {
	const char *mailbox;
	size_t nlocal;
	const char *domain; /* NULL: none */
	bool ours; /* a domain of this machine */
	/* ... or the one that we complete addresses with: the local part names a user here */
	bool user;
};

static bool
is_user(const struct sender *s, const char *user)
{
	return strlen(user) == s->nlocal && str_neqi(user, s->mailbox, s->nlocal);
}

/* Users without case, as aliases have them. */
static bool
fits(const struct sender *s, const char *whom)
{
	if (strcmp(whom, "*") == 0)
		return true;
	if (whom[0] == '@')
		return s->domain != NULL && str_eqi(whom + 1, s->domain);
	if (address_domain(whom) != NULL)
		return str_eqi(whom, s->mailbox);
	return s->user && is_user(s, whom);
}

static void
put(const struct sender *s, const char *domain, char becomes[2 * ADDRESS_MAX])
{
	snprintf(becomes, 2 * ADDRESS_MAX, "%.*s@%s", (int)s->nlocal, s->mailbox, domain);
}

bool
masquerade_any(const struct config *c)
{
	return c->nmasquerades > 0 || c->masquerade_domain != NULL;
}

bool
masquerade(const struct config *c, const char *hostname, const char *mailbox,
    char becomes[2 * ADDRESS_MAX])
{
	struct sender s = {.mailbox = mailbox, .domain = address_domain(mailbox)};

	if (mailbox[0] == '\0')
		return false;
	s.nlocal = s.domain != NULL ? (size_t)(s.domain - 1 - mailbox) : strlen(mailbox);
	s.ours = config_is_ours(c, hostname, s.domain);
	s.user = s.ours || (c->domain != NULL && str_eqi(s.domain, c->domain));
	for (size_t i = 0; i < c->nmasquerades; i++) {
		const struct masquerade *m = &c->masquerades[i];

		if (!fits(&s, m->whom))
			continue;
		if (m->as[0] == '@')
			put(&s, m->as + 1, becomes);
		else
			(void)str_copy(becomes, 2 * ADDRESS_MAX, m->as);
		return true;
	}
	if (c->masquerade_domain == NULL || !s.ours)
		return false;
	put(&s, c->masquerade_domain, becomes);
	return true;
}
