/* dialogue_options.c: how the engine is, out of a script's option lines. */
#include <string.h>

#include "base/str.h"
#include "proto/sasl_impl.h"
#include "t/dialogue/dialogue_impl.h"

/* USER SECRET [token] [external] [mechanism NAME] [host NAME PORT], "-": none */
static void
set_credentials(struct play *p, char *args)
{
	struct sasl_credentials *c = &p->credentials;
	const char *w;
	uint64_t port;

	str_copy(p->user, sizeof(p->user), dialogue_word(&args));
	str_copy(p->secret, sizeof(p->secret), dialogue_word(&args));
	*c = (struct sasl_credentials){.user = p->user, .secret = p->secret};
	if (strcmp(p->user, "-") == 0)
		c->user = NULL;
	if (strcmp(p->secret, "-") == 0)
		c->secret = NULL;
	leakwatch_hide(&p->watch, p->secret, strlen(p->secret));
	leakwatch_hide_base64(&p->watch, p->secret, strlen(p->secret));
	while (*(w = dialogue_word(&args)) != '\0') {
		if (strcmp(w, "token") == 0)
			c->token = true;
		else if (strcmp(w, "external") == 0)
			c->external = true;
		else if (strcmp(w, "mechanism") == 0) {
			str_copy(p->mechanism, sizeof(p->mechanism), dialogue_word(&args));
			c->mechanism = p->mechanism;
		} else if (strcmp(w, "host") == 0) {
			str_copy(p->host, sizeof(p->host), dialogue_word(&args));
			c->host = p->host;
			c->port = str_u64(dialogue_word(&args), 65535, &port) ? (unsigned)port : 0;
		} else
			dialogue_fail(p, "unknown word \"%s\"", w);
	}
	p->options.auth = c;
}

/* TEXT in base64 */
static void
set_bytes(struct play *p, const char *text, unsigned char *dst, size_t size, size_t *n)
{
	struct buf b;

	buf_init(&b, size);
	if (!sasl_decode(&b, text, strlen(text)))
		dialogue_fail(p, "not base64: %s", text);
	*n = buf_len(&b);
	memcpy(dst, buf_data(&b), *n);
	buf_free(&b);
}

static void
set_tls(struct play *p, const char *w)
{
	if (strcmp(w, "may") == 0)
		p->options.tls = SMTP_TLS_MAY;
	else if (strcmp(w, "must") == 0)
		p->options.tls = SMTP_TLS_MUST;
	else
		dialogue_fail(p, "TLS may or must, not \"%s\"", w);
}

static unsigned
number(struct play *p, const char *w)
{
	uint64_t n = 0;

	if (!str_u64(w, 1000, &n))
		dialogue_fail(p, "not a number: %s", w);
	return (unsigned)n;
}

void
dialogue_option(struct play *p, char *args)
{
	const char *w = dialogue_word(&args);

	if (strcmp(w, "lmtp") == 0)
		p->options.lmtp = true;
	else if (strcmp(w, "no-pipelining") == 0)
		p->options.may_pipeline = false;
	else if (strcmp(w, "no-chunking") == 0)
		p->options.may_chunk = false;
	else if (strcmp(w, "ahead") == 0)
		p->options.ahead = number(p, dialogue_word(&args));
	else if (strcmp(w, "not-behind-dot") == 0)
		p->options.one_behind_dot = false;
	else if (strcmp(w, "loop-ok") == 0)
		p->options.loop_ok = true;
	else if (strcmp(w, "tls") == 0)
		set_tls(p, dialogue_word(&args));
	else if (strcmp(w, "secured") == 0)
		p->options.secured = true;
	else if (strcmp(w, "auth-in-clear") == 0)
		p->options.auth_in_clear = true;
	else if (strcmp(w, "auth") == 0)
		set_credentials(p, args);
	else if (strcmp(w, "exporter") == 0)
		set_bytes(p, dialogue_word(&args), p->binding.exporter, sizeof(p->binding.exporter),
		    &p->binding.nexporter);
	else if (strcmp(w, "end-point") == 0)
		set_bytes(p, dialogue_word(&args), p->binding.end_point,
		    sizeof(p->binding.end_point), &p->binding.nend_point);
	else if (strcmp(w, "nonce") == 0)
		set_bytes(p, dialogue_word(&args), p->nonce, sizeof(p->nonce), &p->nnonce);
	else if (strcmp(w, "helo") == 0)
		str_copy(p->helo, sizeof(p->helo), dialogue_word(&args));
	else
		dialogue_fail(p, "unknown option \"%s\"", w);
	dialogue_begin(p);
}
