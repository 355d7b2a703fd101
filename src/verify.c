/*
 * verify.c: -bv: route, hosts, TLS, and whether the login works, without sending.
 */
#include "verify.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "confine.h"
#include "dial.h"
#include "helper.h"
#include "network.h"
#include "proto/address.h"
#include "route.h"
#include "session.h"
#include "site.h"

/* What is at home here, as local delivery will find it. */
enum user { USER_NONE_NEEDED, USER_FOUND, USER_ROOT, USER_UNKNOWN, USER_NOT_NOW };

struct verify {
	const struct verify_options *options;
	FILE *out;
	struct network network;
	int rc; /* of all addresses */
	enum user *users; /* of each of them */
	size_t nusers, users_cap;
	/* the one being looked at */
	char *address;
	struct route *route;
	struct dial *dial;
	enum user user;
	size_t next; /* hop */
	bool done, ready;
	bool next_host; /* another may do better */
};

enum { WHY_MAX = VERDICT_TEXT_MAX + VERDICT_ENHANCED_MAX + 8 };

static void
found(struct verify *v, int rc)
{
	if (v->rc == EX_OK)
		v->rc = rc;
}

static int
code_of(const struct verdict *why)
{
	return why->fate == FATE_FAIL ? EX_NOHOST : EX_TEMPFAIL;
}

/* --- the session -------------------------------------------------------------------------- */

static struct job *
on_next_job(void *ctx, struct session *s, bool *last_hop)
{
	(void)ctx;
	(void)s;
	(void)last_hop;
	return NULL;
}

static void
on_settled(void *ctx, struct session *s, struct job *j, size_t rcpt, const struct verdict *why)
{
	(void)ctx;
	(void)s;
	(void)j;
	(void)rcpt;
	(void)why;
}

static void
on_finished(void *ctx, struct session *s, struct job *j, const struct verdict *host, bool again)
{
	(void)ctx;
	(void)s;
	(void)j;
	(void)host;
	(void)again;
}

/* Greeted, encrypted, logged in: as far as it goes without mail. */
static void
on_idle(void *ctx, struct session *s)
{
	struct verify *v = ctx;
	const struct tls_facts *f = session_tls(s);

	if (v->ready)
		return;
	v->ready = true;
	fprintf(v->out, "  host: %s answers\n", session_relay(s));
	if (f == NULL)
		fprintf(v->out, "  TLS: none, mail goes in clear text\n");
	else
		fprintf(v->out, "  TLS: %s, %s with %s; certificate of %s, issued by %s, %s%s%s\n",
		    f->verified  ? "verified"
		    : f->trusted ? "trusted, not verified"
				 : "not verified",
		    f->protocol, f->cipher, f->subject, f->issuer, f->fingerprint,
		    f->why[0] != '\0' ? ": " : "", f->why);
	if (session_login(s) != NULL)
		fprintf(v->out, "  login: accepted for %s\n", session_login(s));
	session_quit(s);
}

static void
on_closed(void *ctx, struct session *s, const struct session_end *end)
{
	struct verify *v = ctx;
	char why[WHY_MAX];

	if (!v->ready) {
		fprintf(v->out, "  host: %s: %s\n", session_relay(s),
		    verdict_line(end->verdict, why, sizeof(why)));
		v->next_host = end->verdict->scope != SCOPE_ROUTE;
	}
	v->done = true;
}

static const struct session_ops session_ops = {
    NULL, on_next_job, on_settled, on_finished, on_idle, on_closed, NULL};

/* --- the connection ----------------------------------------------------------------------- */

static enum route_state
on_next(void *ctx, const struct hop **hop, size_t *index)
{
	struct verify *v = ctx;
	enum route_state state = route_hop(v->route, v->next, hop);

	if (state == ROUTE_HOP)
		*index = v->next++;
	return state;
}

static void
on_failed(void *ctx, size_t index, const struct verdict *why)
{
	struct verify *v = ctx;

	(void)index;
	fprintf(v->out, "  host: %s\n", why->text); /* begins with its name */
}

static void
on_opened(void *ctx, struct conn *conn, size_t index, int64_t connect_ms)
{
	struct verify *v = ctx;
	struct config *c = v->options->config;
	struct session_options so = {
	    .network = &v->network.session,
	    .helo = config_hostname(c),
	    .hop_index = index,
	    .connect_ms = connect_ms,
	};

	dial_cancel(&v->dial);
	if (conn == NULL) {
		v->done = true;
		return;
	}
	route_hop(v->route, index, &so.hop);
	so.domain = so.hop->tls_domain;
	memcpy(so.patience_s, c->patience_s, sizeof(so.patience_s));
	session_new(v->network.reactor, conn, &so, &session_ops, v);
}

static void
on_spare(void *ctx, struct conn *conn, size_t index)
{
	(void)ctx;
	(void)index;
	conn_close(&conn);
}

static const struct dial_ops dial_ops = {on_next, on_failed, on_opened, on_spare};

/* As delivery would: from host to host, until one is ready for mail. */
static void
talk(struct verify *v)
{
	const struct config *c = v->options->config;
	struct dial_options d = {.connect_s = c->connect_s, .bind4 = &c->bind4, .bind6 = &c->bind6};
	const struct hop *h;

	do {
		v->done = v->next_host = false;
		v->dial = dial_start(v->network.reactor, &d, &dial_ops, v);
		while (!v->done)
			reactor_turn(v->network.reactor);
	} while (v->next_host && route_hop(v->route, v->next, &h) != ROUTE_END);
	if (!v->ready)
		found(v, EX_TEMPFAIL);
}

/* --- the route ---------------------------------------------------------------------------- */

static void
on_route(void *ctx)
{
	struct verify *v = ctx;

	if (v->dial != NULL)
		dial_more(v->dial);
}

/* Waits for the hops; true when there is one. */
static bool
look_up(struct verify *v)
{
	const struct hop *h;
	enum route_state state;

	while ((state = route_hop(v->route, 0, &h)) == ROUTE_WAIT)
		reactor_turn(v->network.reactor);
	return state == ROUTE_HOP;
}

static void
list_hops(struct verify *v)
{
	const struct hop *h;
	enum route_state state;
	size_t n = 0;

	while ((state = route_hop(v->route, n, &h)) != ROUTE_END) {
		if (state == ROUTE_WAIT)
			reactor_turn(v->network.reactor);
		else if (n++ < SIZE_MAX)
			fprintf(v->out, "  hop %zu: %s%s\n", n, h->host, h->peer);
	}
}

/* What delivery would say: local/serve.c, site_local.c. */
static void
verify_local(struct verify *v)
{
	switch (v->user) {
	case USER_UNKNOWN:
		fprintf(v->out, "%s... undeliverable: 5.1.1 no such user\n", v->address);
		found(v, EX_NOHOST);
		break;
	case USER_NOT_NOW:
		fprintf(v->out, "%s... not deliverable now: the user cannot be looked up\n",
		    v->address);
		found(v, EX_TEMPFAIL);
		break;
	case USER_ROOT:
		fprintf(v->out,
		    "%s... not deliverable now: root's mailbox is not written as root: make an "
		    "alias for root\n",
		    v->address);
		found(v, EX_TEMPFAIL);
		break;
	case USER_NONE_NEEDED:
	case USER_FOUND:
		fprintf(
		    v->out, "%s... deliverable: mailer local, user %s\n", v->address, v->address);
		break;
	}
}

static void
verify_one(struct verify *v)
{
	const char *domain = address_domain(v->address);
	const struct hop *h;
	struct buf key;

	if (router_keeps(v->network.router, domain)) {
		verify_local(v);
		return;
	}
	v->ready = false;
	v->next = 0;
	v->route = route_open(v->network.router, v->options->sender, domain, on_route, v);
	buf_init(&key, 4096);
	router_site_key(v->network.router, v->options->sender, domain, &key);
	if (!look_up(v)) {
		const struct verdict *why = route_verdict(v->route);
		char line[WHY_MAX];

		fprintf(v->out, "%s... %s: %s\n", v->address,
		    why->fate == FATE_FAIL ? "undeliverable" : "not deliverable now",
		    verdict_line(why, line, sizeof(line)));
		found(v, code_of(why));
	} else {
		route_hop(v->route, 0, &h);
		fprintf(v->out, "%s... deliverable: mailer %s, host %s, user %s\n", v->address,
		    h->lmtp ? "lmtp" : "smtp", h->host, v->address);
		if (v->options->connect) {
			fprintf(v->out, "  route: %s\n", buf_str(&key));
			list_hops(v);
			talk(v);
		}
	}
	buf_free(&key);
	route_close(&v->route);
}

/* --- addresses ---------------------------------------------------------------------------- */

/* With its domain; freed by the caller. */
static char *
whole_address(const struct verify *v, const char *mailbox)
{
	struct config *c = v->options->config;
	const char *domain = c->domain != NULL ? c->domain : config_hostname(c);
	struct buf whole;
	char *address;

	buf_init(&whole, 2 * ADDRESS_MAX);
	buf_adds(&whole, mailbox);
	if (address_domain(mailbox) == NULL && domain != NULL)
		buf_addf(&whole, "@%s", domain);
	address = xstrdup(buf_str(&whole));
	buf_free(&whole);
	return address;
}

static enum user
user_of(const struct verify *v, const char *address)
{
	enum config_local how = v->options->config->local;
	local_lookup_fn *lookup = v->options->lookup;
	static struct local_user u; /* 4 KB */
	char name[LOCAL_NAME_MAX + 1];
	int n;

	if ((how != CONFIG_LOCAL_MAILDIR && how != CONFIG_LOCAL_MBOX) ||
	    !router_keeps(v->network.router, address_domain(address)))
		return USER_NONE_NEEDED;
	if (!site_local_user(address, name))
		return USER_UNKNOWN;
	n = lookup != NULL ? lookup(name, &u) : local_look_up(name, &u);
	if (n == 1)
		return u.uid == 0 ? USER_ROOT : USER_FOUND;
	return n == 0 ? USER_UNKNOWN : USER_NOT_NOW;
}

/* Of every address one, whatever it is: on_address() counts them alike. */
static void
on_user(void *ctx, const char *mailbox, enum address_error e)
{
	struct verify *v = ctx;
	enum user user = USER_NONE_NEEDED;
	char *address;

	if (e == ADDRESS_OK && address_check(mailbox, true) == ADDRESS_OK) {
		address = whole_address(v, mailbox);
		user = user_of(v, address);
		free(address);
	}
	v->users = xgrow(v->users, v->nusers, &v->users_cap, sizeof(*v->users));
	v->users[v->nusers++] = user;
}

static void
on_address(void *ctx, const char *mailbox, enum address_error e)
{
	struct verify *v = ctx;

	v->user = v->users[v->nusers++];
	if (e == ADDRESS_OK)
		e = address_check(mailbox, true);
	if (e != ADDRESS_OK) {
		fprintf(v->out, "%s... %s\n", mailbox, address_error_text(e));
		found(v, EX_DATAERR);
		return;
	}
	v->address = whole_address(v, mailbox);
	verify_one(v);
	free(v->address);
}

static void
each_address(struct verify *v, address_fn *fn)
{
	v->nusers = 0;
	for (int i = 0; i < v->options->naddresses; i++)
		address_argument(v->options->addresses[i], fn, v);
}

int
verify_run(const struct verify_options *o, FILE *out)
{
	struct verify v = {.options = o, .out = out};
	int rc;

	if (confine_allowed())
		helpers_begin(o->config);
	if ((rc = network_open(&v.network, o->config)) == EX_OK) {
		each_address(&v, on_user); /* a run that is confined cannot look users up */
		if (confine_enter(o->config) == -1) {
			v.rc = EX_TEMPFAIL;
		} else {
			network_load_sessions(&v.network, o->spool);
			each_address(&v, on_address);
		}
		network_close(&v.network, o->spool);
		rc = v.rc;
	}
	helpers_end();
	free(v.users);
	return rc;
}
