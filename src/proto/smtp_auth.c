/*
 * smtp_auth.c: AUTH (RFC 4954), both columns of its rows, and what of it nobody may see.
 *
 * Whatever goes wrong here is the host's trouble or the configuration's, never the mail's: the verdict
 * has HOST scope and RETRY, and says what to put right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/sasl.h"
#include "proto/smtp_impl.h"

enum { WHY_MAX = 256, REPEAT_MIN = 4 /* base64 of one to three bytes */ };

struct smtp_auth {
	const struct sasl_credentials *credentials;
	struct sasl *sasl; /* NULL: not begun */
	struct sasl_binding binding;
	bool cancelled; /* "*" was sent */
	struct buf said; /* our last word, base64: to know it again when the server repeats it */
};

struct smtp_auth *
smtp_auth_new(const struct sasl_credentials *c)
{
	struct smtp_auth *a = xcalloc(1, sizeof(*a));

	a->credentials = c;
	buf_init(&a->said, SASL_LINE_MAX);
	return a;
}

void
smtp_auth_free(struct smtp_auth **ap)
{
	struct smtp_auth *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	sasl_free(&a->sasl);
	buf_wipe(&a->said);
	buf_free(&a->said);
	free(a);
}

void
smtp_auth_bind(struct smtp_auth *a, const struct sasl_binding *b)
{
	if (b != NULL)
		a->binding = *b;
}

/* --- what may be seen ----------------------------------------------------------------------- */

/*
 * How much of a line the trace may show. The server's challenges are hidden too: who has both sides
 * of CRAM-MD5 or SCRAM can try passwords at home.
 */
size_t
smtp_auth_shown(const struct smtp *s, char dir, const char *line, size_t n)
{
	static const char verb[] = "AUTH ", challenge[] = "334 ";
	const char *space;

	if (dir == '<')
		return s->auth != NULL && n > 4 && memcmp(line, challenge, 4) == 0 ? 4 : n;
	if (s->state == S_RESPONSE)
		return n == 1 && line[0] == '*' ? n : 0;
	if (n < strlen(verb) || !str_neqi(line, verb, strlen(verb)))
		return n;
	space = memchr(line + strlen(verb), ' ', n - strlen(verb));
	return space != NULL ? (size_t)(space + 1 - line) : n;
}

static bool
was_said(const struct smtp_auth *a, const char *part, size_t n)
{
	const char *said = buf_data(&a->said);

	for (size_t i = 0; i + n <= buf_len(&a->said); i++)
		if (str_neqi(said + i, part, n))
			return true;
	return false;
}

/* Three asterisks for n bytes of text, n >= 3; returns what follows them. */
static char *
blot_out(char *text, size_t n)
{
	memcpy(text, "***", 3);
	memmove(text + 3, text + n, strlen(text + n) + 1);
	return text + 3;
}

void
smtp_auth_scrub(const struct smtp *s, char *text)
{
	static const char base64[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	const struct smtp_auth *a = s->auth;
	const char *secret;

	if (a == NULL || buf_len(&a->said) == 0)
		return;
	secret = a->credentials->secret;
	for (char *p = text; *p != '\0';) {
		size_t n = strspn(p, base64);

		if (n >= REPEAT_MIN && was_said(a, p, n))
			p = blot_out(p, n);
		else
			p += n > 0 ? n : 1;
	}
	if (secret == NULL || strlen(secret) < REPEAT_MIN)
		return;
	for (char *p = text; (p = strstr(p, secret)) != NULL;)
		p = blot_out(p, strlen(secret));
}

/* --- the send column ------------------------------------------------------------------------ */

/* Before a word of it is said: TLS, and a mechanism that fits. */
enum smtp_state
smtp_begin_auth(struct smtp *s)
{
	struct smtp_auth *a = s->auth;
	char why[WHY_MAX];

	if (!s->secured && !s->o.auth_in_clear)
		return smtp_refuse(s, S_AUTH, "4.7.11",
		    s->o.tls == SMTP_CLEAR
			? "credentials are not sent without TLS, which is switched off for this "
			  "host"
			: "credentials are not sent without TLS, which the server does not offer");
	a->sasl = sasl_new(a->credentials, s->secured ? &a->binding : NULL, s->ehlo.auth,
	    s->secured || s->o.auth_in_clear, why, sizeof(why));
	if (a->sasl == NULL)
		return smtp_refuse(s, S_AUTH, "4.7.0", why);
	buf_reserve(&a->said, SASL_LINE_MAX); /* growing would leave a copy behind */
	return S_AUTH;
}

/* What is in a->said, and CRLF. */
static enum smtp_state
say(struct smtp *s)
{
	const struct buf *said = &s->auth->said;

	buf_reserve(&s->out, buf_len(said) + 2);
	s->secret = true; /* until smtp_sent() or smtp_drop_output() */
	buf_add(&s->out, buf_data(said), buf_len(said));
	buf_adds(&s->out, "\r\n");
	smtp_push(s, s->state, NULL, 0);
	return s->state; /* until the answer */
}

enum smtp_state
smtp_send_auth(struct smtp *s)
{
	struct smtp_auth *a = s->auth;

	buf_addf(&s->out, "%s %s", smtp_rows[s->state].name, sasl_mechanism(a->sasl));
	if (sasl_initial(a->sasl, &a->said))
		buf_addc(&s->out, ' ');
	return say(s);
}

/* What stands behind the code in the reply's last line, as it came. */
static size_t
argument(const struct smtp *s, const char **text)
{
	size_t pos = 0, n = 0;
	const char *line = "";

	while (reply_line(&s->reply, &pos, &line, &n))
		;
	*text = n > 4 ? line + 4 : "";
	return n > 4 ? n - 4 : 0;
}

/* RFC 4954 4: the answer to a challenge, or "*": we do not go on. */
enum smtp_state
smtp_send_response(struct smtp *s)
{
	struct smtp_auth *a = s->auth;
	const char *text;
	size_t n = argument(s, &text);

	buf_wipe(&a->said);
	a->cancelled = sasl_challenge(a->sasl, text, n, &a->said) == SASL_FAILED;
	return say(s);
}

/* --- the reply column ----------------------------------------------------------------------- */

/* RFC 4954 6, RFC 5248: what to do about a refusal; "for" somebody. */
static const char *
advice(int code, const struct sasl_credentials *c)
{
	switch (code) {
	case 432:
		return "the password has to be changed first";
	case 454:
		return "logins cannot be checked at the moment";
	case 530:
	case 538:
		return "TLS is wanted";
	case 534:
		return "a stronger mechanism or an application password is wanted";
	case 535:
		return c->token      ? "the token is not taken, perhaps it has expired,"
		       : c->external ? "the certificate is not taken"
				     : "wrong user or password";
	case 500:
	case 502:
	case 504:
		return "the server does not do what it has offered, another mechanism can be set";
	default:
		return "login refused";
	}
}

static enum smtp_state
refused(struct smtp *s, enum smtp_state row)
{
	struct verdict v = smtp_judge(s, row, FATE_RETRY, SCOPE_HOST);
	const struct sasl_credentials *c = s->auth->credentials;
	const char *why = sasl_why(s->auth->sasl);
	const char *whom = c->user != NULL && c->user[0] != '\0' ? c->user : "this client";
	char hint[WHY_MAX], said[VERDICT_TEXT_MAX - WHY_MAX - 4];

	if (why[0] != '\0')
		str_copy(hint, sizeof(hint), why);
	else
		snprintf(hint, sizeof(hint), "%s for %s", advice(s->reply.code, c), whom);
	str_copy(said, sizeof(said), v.text);
	snprintf(v.text, sizeof(v.text), "%s%s(%s)", said, said[0] != '\0' ? " " : "", hint);
	str_clean(v.text, sizeof(v.text), v.text, strlen(v.text));
	return smtp_hang_up(s, &v, SMTP_REFUSED);
}

/* The server has shown that it is not the one we know, or broke the exchange. */
static enum smtp_state
distrust(struct smtp *s, enum smtp_state row)
{
	char why[WHY_MAX];

	snprintf(
	    why, sizeof(why), "%s: %s", sasl_mechanism(s->auth->sasl), sasl_why(s->auth->sasl));
	return smtp_refuse(s, row, "4.7.0", why);
}

enum smtp_state
smtp_on_auth(struct smtp *s, const struct smtp_command *c)
{
	const char *text;
	size_t n = argument(s, &text);

	if (s->auth->cancelled) /* whatever it says to that */
		return distrust(s, c->state);
	if (s->reply.code >= 400)
		return refused(s, c->state);
	if (s->reply.code == 334) {
		if (s->reply.nlines > 1)
			return smtp_protocol_error(s, c->state, "a challenge of several lines");
		return S_RESPONSE;
	}
	if (!sasl_success(s->auth->sasl, text, n))
		return distrust(s, c->state);
	return smtp_after_auth(s);
}
