/*
 * session_tls.c: what comes before the conversation, or into it: credentials, the TLS policy, the
 * handshake.
 *
 * Credentials are looked up first, for whether there are any decides the policy: a host that gets
 * them is verified unless a tls line says otherwise.
 */
#include "session_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

static const struct tls_policy clear_text = {.level = TLS_NONE}; /* there is no TLS to be had */
static const struct tls_policy anybody = {.level = TLS_ENCRYPT};

/* The end, before an engine could have said so. */
static void
end_early(struct session *s, const struct verdict *v)
{
	struct session_end end = {.verdict = v, .benign = v->fate == FATE_SENT};

	session_end(s, &end);
}

static enum smtp_tls
engine_tls(const struct session *s)
{
	switch (s->policy->level) {
	case TLS_NONE:
		return SMTP_CLEAR;
	case TLS_MAY:
		return s->options.in_clear && s->credentials == NULL ? SMTP_CLEAR : SMTP_TLS_MAY;
	case TLS_ENCRYPT:
	case TLS_VERIFY:
	case TLS_FINGERPRINT:
		break;
	}
	return SMTP_TLS_MUST;
}

/* A socket in the file system: nobody listens on the way, and no machine has its name. */
static bool
is_local(const struct hop *h)
{
	return h->addr.ss_family == AF_UNIX;
}

static struct sasl_binding
bindings(const struct session *s)
{
	struct sasl_binding b;

	b.nexporter = conn_tls_binding(s->conn, "tls-exporter", b.exporter, sizeof(b.exporter));
	b.nend_point =
	    conn_tls_binding(s->conn, "tls-server-end-point", b.end_point, sizeof(b.end_point));
	return b;
}

static void
begin_engine(struct session *s, bool secured)
{
	const struct session_network *net = s->options.network;
	struct sasl_binding b;
	struct smtp_options so = {.tls = engine_tls(s), .secured = secured, .auth = s->credentials};

	if (secured) {
		b = bindings(s);
		so.binding = &b;
	}
	so.auth_in_clear = net != NULL && net->config != NULL &&
			   config_auth_in_clear(net->config, s->options.hop->host);
	session_start_engine(s, &so);
}

void
session_start_tls(struct session *s)
{
	const struct session_network *net = s->options.network;

	s->shaking = true;
	conn_deadline(s->conn, reactor_now(s->reactor) + (int64_t)net->config->tls_s * 1000);
	conn_start_tls(s->conn, net->tls, s->policy, s->options.hop->host);
}

static void
choose_tls(struct session *s)
{
	const struct session_network *net = s->options.network;
	const struct hop *h = s->options.hop;

	if (net == NULL || net->config == NULL || net->tls == NULL || is_local(h))
		s->policy = &clear_text;
	else
		s->policy = config_tls_policy(net->config, h->host, s->options.domain,
		    h->submission || h->user != NULL || s->credentials != NULL);
	if (!h->tls_first || s->policy == &clear_text) {
		begin_engine(s, false);
		return;
	}
	if (s->policy->level == TLS_NONE) /* smtps is TLS, whatever else was said about the name */
		s->policy = &anybody;
	session_start_tls(s);
}

static void
on_credentials(void *ctx, const struct sasl_credentials *c, const struct verdict *v)
{
	struct session *s = ctx;

	if (v != NULL) {
		end_early(s, v);
		return;
	}
	s->credentials = c;
	if (c != NULL)
		s->login = xstrdup(c->user != NULL ? c->user : "the client certificate");
	choose_tls(s);
}

void
session_prepare(struct session *s)
{
	const struct session_network *net = s->options.network;
	const struct hop *h = s->options.hop;
	struct verdict over = verdict_make(FATE_SENT, SCOPE_HOST, "2.0.0", NULL, "not needed");

	if (s->stop != 0) {
		end_early(s, &over);
	} else if (s->asked) {
		return; /* for credentials, or shaking hands */
	} else {
		s->asked = true;
		if (net != NULL && net->auth != NULL && h->own_name && !is_local(h))
			auth_lookup(
			    net->auth, &s->query, h->host, h->port, h->user, on_credentials, s);
		else
			choose_tls(s);
	}
}

/* --- the handshake ------------------------------------------------------------------------ */

static void
log_facts(const struct session *s)
{
	const struct tls_facts *f = conn_tls(s->conn);

	char text[512];

	snprintf(text, sizeof(text), "%s TLS connection established to %s: %s with cipher %s%s",
	    f->verified  ? "Verified"
	    : f->trusted ? "Trusted"
			 : "Untrusted",
	    s->relay, f->protocol, f->cipher, f->resumed ? ", resumed" : "");
	log_info("%s", text);
	trace_note(s->options.trace, "-- %s", text);
	trace_line(s->options.trace, "-- certificate of %s, issued by %s, %s%s%s", f->subject,
	    f->issuer, f->fingerprint, f->why[0] != '\0' ? "; not verified: " : "", f->why);
}

static void
shaken(struct session *s)
{
	struct sasl_binding b = bindings(s);

	log_facts(s);
	if (s->smtp == NULL) {
		begin_engine(s, true);
		return;
	}
	smtp_secured(s->smtp, &b);
	session_pump(s);
}

static void
not_shaken(struct session *s, const char *why)
{
	const struct tls_facts *f = conn_tls(s->conn);
	char text[VERDICT_TEXT_MAX];

	/* whoever keeps a list has to look at it now, and wants to know what for */
	if (s->policy->level == TLS_FINGERPRINT && f->fingerprint[0] != '\0')
		snprintf(text, sizeof(text), "%s; it is %s", why, f->fingerprint);
	else
		str_copy(text, sizeof(text), why);
	if (s->smtp == NULL) {
		struct verdict v = verdict_make(
		    FATE_RETRY, SCOPE_HOST, "4.7.5", "shaking hands for TLS", "%s", text);

		end_early(s, &v);
		return;
	}
	smtp_not_secured(s->smtp, text);
	session_pump(s);
}

bool
session_tls_event(struct session *s, enum conn_event event)
{
	if (!s->shaking)
		return s->smtp == NULL; /* waiting for credentials: what comes can wait */
	switch (event) {
	case CONN_SECURE:
		s->shaking = false;
		shaken(s);
		break;
	case CONN_INSECURE:
		s->shaking = false;
		not_shaken(s, conn_tls(s->conn)->why);
		break;
	case CONN_DEADLINE:
		s->shaking = false;
		not_shaken(s, "the server took too long");
		break;
	case CONN_OPEN:
	case CONN_FAILED:
	case CONN_READY:
		break;
	}
	return true;
}
