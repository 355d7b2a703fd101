/* smtp_fake_commands.c: the server's side of RFC 5321, RFC 2033, RFC 3030 and RFC 4954. */
#include "smtp_fake_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "vclock.h"

enum { BODY_MAX = 128 << 20 };

static const char usual_offers[] =
    "PIPELINING, SIZE 104857600, 8BITMIME, ENHANCEDSTATUSCODES, CHUNKING";
static const char usual_mechanisms[] = "SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN";

static const char *
mechanisms(const struct talk *t)
{
	const struct smtp_script *s = &t->fake->script;

	return s->mechanisms != NULL ? s->mechanisms : usual_mechanisms;
}

/* What the script says, or all we can do. */
static void
make_offer(struct talk *t)
{
	const struct smtp_script *s = &t->fake->script;

	buf_clear(&t->offered);
	if (t->secured && s->offers_secured != NULL) {
		buf_adds(&t->offered, s->offers_secured);
		return;
	}
	buf_adds(&t->offered, s->offers != NULL ? s->offers : usual_offers);
	if (s->offers != NULL)
		return;
	if (s->tls != NULL && !t->secured)
		buf_adds(&t->offered, ", STARTTLS");
	if (s->user != NULL && (t->secured || s->auth_in_clear))
		buf_addf(&t->offered, ", AUTH %s", mechanisms(t));
}

static bool
offers(struct talk *t, const char *keyword)
{
	const char *p = buf_str(&t->offered);
	size_t n = strlen(keyword);

	while (t->esmtp && *p != '\0') {
		if (str_neqi(p, keyword, n) && (p[n] == '\0' || p[n] == ',' || p[n] == ' '))
			return true;
		p += strcspn(p, ",");
		p += strspn(p, ", ");
	}
	return false;
}

static void
message_free(struct fake_message *m)
{
	for (size_t i = 0; i < m->nrcpts; i++)
		free(m->rcpts[i]);
	free(m->rcpts);
	free(m->from);
	free(m->params);
	free(m->login);
	buf_free(&m->body);
	free(m);
}

void
fake_drop_mail(struct talk *t)
{
	if (t->mail != NULL)
		message_free(t->mail);
	t->mail = NULL;
}

void
fake_forget(struct talk *t)
{
	fake_drop_mail(t);
	free(t->login);
	t->login = NULL;
	t->hello = t->esmtp = false;
	t->reading = COMMANDS;
}

/* --- commands --- */

static void
cmd_hello(struct talk *t, const char *verb)
{
	const char *p;
	struct buf text;
	bool ok;

	fake_drop_mail(t);
	make_offer(t);
	p = buf_str(&t->offered);
	buf_init(&text, 1 << 16);
	t->esmtp = !str_eqi(verb, "HELO");
	if (!t->esmtp || *p == '\0')
		buf_addf(&text, "250 %s\r\n", t->fake->name);
	else
		buf_addf(&text, "250-%s\r\n", t->fake->name);
	while (t->esmtp && *p != '\0') {
		size_t n = strcspn(p, ",");
		const char *next = p + n + strspn(p + n, ", ");

		buf_addf(&text, "250%c%.*s\r\n", *next != '\0' ? '-' : ' ', (int)n, p);
		p = next;
	}
	ok = talk_answer(t, verb, "", buf_str(&text));
	t->hello = t->hello || ok;
	t->esmtp = t->esmtp && ok;
	buf_free(&text);
}

/* "<path> PARAMS" into address[size]; returns the params, NULL when it is no path. */
static const char *
take_path(const char *arg, char *address, size_t size)
{
	const char *p, *end;
	bool quoted = false;

	if (*arg != '<')
		return NULL;
	for (p = arg + 1; *p != '\0' && (quoted || *p != '>'); p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	end = p;
	if (*end != '>' || (size_t)(end - arg) > size)
		return NULL;
	memcpy(address, arg + 1, (size_t)(end - arg) - 1);
	address[end - arg - 1] = '\0';
	return end[1] == ' ' ? end + 2 : end + 1;
}

/* What was not offered must not be used (RFC 5321 4.1.1.11). */
static void
check_params(struct talk *t, const char *params)
{
	while (*params != '\0') {
		size_t n = strcspn(params, " ");

		if (!((str_neqi(params, "SIZE=", 5) && offers(t, "SIZE")) ||
			(str_neqi(params, "BODY=", 5) && offers(t, "8BITMIME")) ||
			(n == 8 && str_neqi(params, "SMTPUTF8", 8) && offers(t, "SMTPUTF8")) ||
			((str_neqi(params, "RET=", 4) || str_neqi(params, "ENVID=", 6)) &&
			    offers(t, "DSN")) ||
			(str_neqi(params, "AUTH=", 5) && offers(t, "AUTH"))))
			talk_complain(t, "MAIL parameter that was not offered: %s", params);
		params += n;
		params += strspn(params, " ");
	}
}

static void
cmd_mail(struct talk *t, const char *arg)
{
	char address[FAKE_COMMAND_MAX];
	const char *params =
	    str_neqi(arg, "FROM:", 5) ? take_path(arg + 5, address, FAKE_COMMAND_MAX) : NULL;

	if (params == NULL) {
		talk_complain(t, "not a reverse-path: %s", arg);
		talk_answer(t, "MAIL", "", "501 5.5.4 syntax\r\n");
		return;
	}
	if (!t->hello)
		talk_complain(t, "MAIL before EHLO was accepted");
	if (t->chunk_failed)
		talk_complain(t, "MAIL behind a BDAT that was refused");
	if (t->mail != NULL) {
		talk_complain(t, "MAIL within a transaction");
		talk_answer(t, "MAIL", address, "503 5.5.1 nested MAIL\r\n");
		return;
	}
	check_params(t, params);
	if (!talk_answer(t, "MAIL", address,
		t->fake->script.user != NULL && t->login == NULL
		    ? "530 5.7.0 authentication required\r\n"
		    : "250 2.1.0 sender ok\r\n"))
		return;
	t->mail = xcalloc(1, sizeof(*t->mail));
	t->mail->from = xstrdup(address);
	t->mail->params = xstrdup(params);
	t->mail->session = t->number;
	t->mail->secured = t->secured;
	t->mail->login = t->login != NULL ? xstrdup(t->login) : NULL;
	buf_init(&t->mail->body, BODY_MAX);
}

static void
cmd_rcpt(struct talk *t, const char *arg)
{
	char address[FAKE_COMMAND_MAX];
	const char *params =
	    str_neqi(arg, "TO:", 3) ? take_path(arg + 3, address, FAKE_COMMAND_MAX) : NULL;
	struct fake_message *m = t->mail;

	if (params == NULL) {
		talk_complain(t, "not a forward-path: %s", arg);
		talk_answer(t, "RCPT", "", "501 5.5.4 syntax\r\n");
		return;
	}
	if (m == NULL) {
		talk_answer(t, "RCPT", "", "503 5.5.1 no MAIL\r\n");
		return;
	}
	if (*params != '\0' && !offers(t, "DSN"))
		talk_complain(t, "RCPT parameter that was not offered: %s", params);
	if (!talk_answer(t, "RCPT", address, "250 2.1.5 recipient ok\r\n"))
		return;
	m->rcpts = xgrow(m->rcpts, m->nrcpts, &m->cap, sizeof(*m->rcpts));
	m->rcpts[m->nrcpts++] = xstrdup(address);
}

static void
start_body(struct talk *t, enum reading how)
{
	t->reading = how;
	t->body_begun = false;
	t->line_len = 0;
	memcpy(t->last, "..\r\n", 4); /* as if behind a line: a lone dot at once ends it */
}

static void
cmd_data(struct talk *t)
{
	if (t->mail == NULL || t->mail->nrcpts == 0) {
		talk_answer(t, "DATA", "", "503 5.5.1 no recipients\r\n");
		return;
	}
	if (talk_answer(t, "DATA", "", "354 go ahead\r\n"))
		start_body(t, BODY);
}

/* RFC 3030: the chunk follows at once, whatever the reply will be. */
static void
cmd_bdat(struct talk *t, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (!offers(t, "CHUNKING"))
		talk_complain(t, "BDAT was not offered");
	if (end == arg || (*end != '\0' && !str_eqi(end, " LAST")))
		talk_complain(t, "BDAT syntax: %s", arg);
	if (t->chunk_failed)
		talk_complain(t, "BDAT behind one that was refused");
	if (t->mail == NULL || buf_len(&t->mail->body) == 0)
		start_body(t, CHUNK);
	t->reading = CHUNK;
	t->chunk_answered = false;
	t->chunk = n;
	t->chunk_last = *end != '\0';
}

/* Takes the message, for those it was taken for. */
void
fake_end_of_data(struct talk *t)
{
	struct fake_message *m = t->mail;
	size_t kept = 0;
	bool taken = false;

	t->reading = COMMANDS;
	if (m == NULL || m->nrcpts == 0) {
		talk_answer(t, "DOT", "", "503 5.5.1 no recipients\r\n");
		fake_drop_mail(t);
		return;
	}
	if (!t->fake->lmtp)
		taken = talk_answer(t, "DOT", m->from, "250 2.0.0 taken\r\n");
	for (size_t i = 0; t->fake->lmtp && i < m->nrcpts; i++) { /* RFC 2033 4.2 */
		if (talk_answer(t, "DOT", m->rcpts[i], "250 2.0.0 taken\r\n"))
			m->rcpts[kept++] = m->rcpts[i];
		else
			free(m->rcpts[i]);
	}
	if (t->fake->lmtp) {
		m->nrcpts = kept;
		taken = kept > 0;
	}
	if (taken) {
		m->at_ms = vclock_ms();
		list_add_tail(&t->fake->messages, &m->link);
		t->fake->nmessages++;
		t->mail = NULL;
	}
	fake_drop_mail(t);
}

void
fake_end_of_chunk(struct talk *t)
{
	if (buf_len(&t->in) > 0 && !offers(t, "PIPELINING"))
		talk_complain(t, "more behind a chunk, and PIPELINING was not offered");
	t->reading = COMMANDS;
	if (!t->chunk_answered && t->chunk_last) {
		fake_end_of_data(t);
	} else if (!t->chunk_answered) {
		bool wanted = t->mail != NULL && t->mail->nrcpts > 0;

		talk_answer(t, "BDAT", "",
		    wanted ? "250 2.0.0 chunk taken\r\n" : "503 5.5.1 no recipients\r\n");
	}
	/* RFC 3030 2: "the resulting state is indeterminate" */
	if (t->said != '2') {
		fake_drop_mail(t);
		t->chunk_failed = true;
	}
}

/* --- TLS and AUTH --- */

/* RFC 3207 4.2: what came before it is forgotten. */
static void
cmd_starttls(struct talk *t)
{
	if (t->secured || t->fake->script.tls == NULL) {
		talk_complain(t, t->secured ? "STARTTLS under TLS" : "STARTTLS without TLS");
		talk_answer(t, "STARTTLS", "", "503 5.5.1 no\r\n");
		return;
	}
	if (!offers(t, "STARTTLS"))
		talk_complain(t, "STARTTLS was not offered");
	if (!talk_answer(t, "STARTTLS", "", "220 2.0.0 go ahead\r\n"))
		return;
	fake_forget(t);
	t->shaking = true;
}

/* What the exchange has come to, or what the script says instead. */
static void
answer_auth(struct talk *t, const char *on, enum auth_fake_step step, struct buf *text)
{
	static const char *const usual[] = {
	    [AUTH_FAKE_RIGHT] = "235 2.7.0 welcome",
	    [AUTH_FAKE_WRONG] = "535 5.7.8 authentication credentials invalid",
	};
	struct buf b;

	buf_init(&b, FAKE_TEXT_MAX);
	if (step == AUTH_FAKE_ASK)
		buf_addf(&b, "334 %s\r\n", buf_str(text));
	else if (step == AUTH_FAKE_RUDE)
		buf_addf(&b, "501 5.5.2 %s\r\n", buf_str(text));
	else
		buf_addf(&b, "%s\r\n", usual[step]);
	talk_answer(t, on, "", buf_str(&b));
	buf_free(&b);
	t->reading = t->said == '3' ? RESPONSE : COMMANDS;
	if (t->said == '2')
		t->login = xstrdup(t->fake->script.user);
}

static void
hear(struct talk *t, const char *on, const char *line)
{
	struct buf text;
	enum auth_fake_step step;

	buf_init(&text, FAKE_TEXT_MAX);
	step = auth_fake_hear(&t->auth, line, &text);
	if (step == AUTH_FAKE_RUDE)
		talk_complain(t, "AUTH: %s", buf_str(&text));
	answer_auth(t, on, step, &text);
	buf_free(&text);
}

static void
cmd_auth(struct talk *t, const char *arg)
{
	const struct smtp_script *s = &t->fake->script;
	char mechanism[32];
	const char *initial = strchr(arg, ' ');

	if (!offers(t, "AUTH") || s->user == NULL)
		talk_complain(t, "AUTH was not offered");
	if (!t->secured && !s->auth_in_clear)
		talk_complain(t, "AUTH in the clear");
	if (t->login != NULL || t->mail != NULL)
		talk_complain(t, "AUTH %s", t->mail != NULL ? "in a transaction" : "once more");
	snprintf(mechanism, sizeof(mechanism), "%.*s", (int)strcspn(arg, " "), arg);
	if (s->user == NULL || !auth_fake_begin(&t->auth, mechanism, s->user, s->secret)) {
		talk_answer(t, "AUTH", "", "504 5.5.4 no such mechanism\r\n");
		return;
	}
	if (!str_has_i(mechanisms(t), mechanism))
		talk_complain(t, "AUTH %s was not offered", mechanism);
	hear(t, "AUTH", initial != NULL ? initial + 1 : NULL);
}

void
fake_response(struct talk *t, const char *line)
{
	talk_note(t, '>', line, strlen(line));
	if (buf_len(&t->in) > 0)
		talk_complain(t, "more behind an answer to AUTH");
	if (strcmp(line, "*") != 0) {
		hear(t, "RESPONSE", line);
		return;
	}
	t->reading = COMMANDS;
	talk_answer(t, "CANCEL", "", "501 5.7.0 as you wish\r\n");
}

/* Commands that must be the last of a group (RFC 2920 3.1). */
static void
check_group(struct talk *t, const char *verb)
{
	if (buf_len(&t->in) == 0)
		return;
	if (!offers(t, "PIPELINING"))
		talk_complain(t, "more behind %s, and PIPELINING was not offered", verb);
	else if (str_eqi(verb, "EHLO") || str_eqi(verb, "HELO") || str_eqi(verb, "DATA") ||
		 str_eqi(verb, "STARTTLS") || str_eqi(verb, "AUTH") || str_eqi(verb, "QUIT"))
		talk_complain(t, "more behind %s", verb);
}

void
fake_command(struct talk *t, const char *line)
{
	char verb[SMTP_SCRIPT_VERB_MAX];
	size_t n = strcspn(line, " ");
	const char *arg = line[n] == ' ' ? line + n + 1 : line + n;

	talk_note(t, '>', line, strlen(line));
	if (n >= sizeof(verb))
		n = sizeof(verb) - 1;
	memcpy(verb, line, n);
	verb[n] = '\0';
	if (!str_eqi(verb, "BDAT"))
		check_group(t, verb);
	if (str_eqi(verb, "EHLO") || str_eqi(verb, "HELO") || str_eqi(verb, "LHLO")) {
		if (str_eqi(verb, "LHLO") != t->fake->lmtp)
			talk_complain(t, "the wrong hello: %s", verb);
		cmd_hello(t, verb);
	} else if (str_eqi(verb, "MAIL"))
		cmd_mail(t, arg);
	else if (str_eqi(verb, "RCPT"))
		cmd_rcpt(t, arg);
	else if (str_eqi(verb, "DATA"))
		cmd_data(t);
	else if (str_eqi(verb, "BDAT"))
		cmd_bdat(t, arg);
	else if (str_eqi(verb, "RSET")) {
		if (talk_answer(t, "RSET", "", "250 2.0.0 reset\r\n")) {
			fake_drop_mail(t);
			t->chunk_failed = false;
		}
	} else if (str_eqi(verb, "QUIT")) {
		if (talk_answer(t, "QUIT", "", "221 2.0.0 bye\r\n"))
			talk_hang_up(t);
		t->silent = true;
	} else if (str_eqi(verb, "STARTTLS"))
		cmd_starttls(t);
	else if (str_eqi(verb, "AUTH"))
		cmd_auth(t, arg);
	else {
		if (!str_eqi(verb, "NOOP"))
			talk_complain(t, "not a command: %s", line);
		talk_answer(
		    t, verb, "", str_eqi(verb, "NOOP") ? "250 2.0.0 ok\r\n" : "502 5.5.1 no\r\n");
	}
}
