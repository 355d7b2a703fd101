/*
 * import_msmtp.c: msmtp's configuration: accounts.
 *
 *	COMMAND [ARGUMENT] a line, the argument perhaps in "..."; # begins a comment line
 *	defaults		what follows is for all accounts behind it
 *	account NAME [: A,B]	... for this one, which begins as the defaults, A and B say
 *
 * The account whose `from` is the envelope's sender is used, else the one called default.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "ctl/import.h"

enum { FILE_BYTES = 1 << 20, COMMAND_BYTES = 1024, VALUE_BYTES = 512 };

enum key {
	K_HOST,
	K_PORT,
	K_PROTOCOL,
	K_SOCKET,
	K_DOMAIN,
	K_FROM,
	K_AUTH,
	K_USER,
	K_PASSWORD,
	K_PASSWORDEVAL,
	K_TLS,
	K_TLS_STARTTLS,
	K_TLS_CERTCHECK,
	K_TLS_TRUST_FILE,
	K_TLS_FINGERPRINT,
	K_TLS_KEY_FILE,
	K_TLS_CERT_FILE,
	K_ALIASES,
	K_ALLOW_FROM_OVERRIDE,
	K_SET_FROM_HEADER,
	K_SOURCE_IP,
	K_LOGFILE,
	NKEYS
};

static const char *const key_names[NKEYS] = {
    [K_HOST] = "host",
    [K_PORT] = "port",
    [K_PROTOCOL] = "protocol",
    [K_SOCKET] = "socket",
    [K_DOMAIN] = "domain",
    [K_FROM] = "from",
    [K_AUTH] = "auth",
    [K_USER] = "user",
    [K_PASSWORD] = "password",
    [K_PASSWORDEVAL] = "passwordeval",
    [K_TLS] = "tls",
    [K_TLS_STARTTLS] = "tls_starttls",
    [K_TLS_CERTCHECK] = "tls_certcheck",
    [K_TLS_TRUST_FILE] = "tls_trust_file",
    [K_TLS_FINGERPRINT] = "tls_fingerprint",
    [K_TLS_KEY_FILE] = "tls_key_file",
    [K_TLS_CERT_FILE] = "tls_cert_file",
    [K_ALIASES] = "aliases",
    [K_ALLOW_FROM_OVERRIDE] = "allow_from_override",
    [K_SET_FROM_HEADER] = "set_from_header",
    [K_SOURCE_IP] = "source_ip",
    [K_LOGFILE] = "logfile",
};

/* What needs none here, as it is so in any case or is said by nobody. */
static const char *const settled[] = {"set_date_header", "set_msgid_header", "remove_bcc_headers",
    "add_missing_from_header", "add_missing_date_header", "syslog", "logfile_time_format",
    "tls_crl_file", "tls_priorities", "tls_min_dh_prime_bits"};

struct account {
	const char *name;
	const char *v[NKEYS]; /* NULL: not said */
};

struct msmtp {
	struct import_out *o;
	struct account defaults, *accounts, *now;
	size_t n, cap;
	char noted[VALUE_BYTES]; /* commands that have been spoken of, each in blanks */
	char host[VALUE_BYTES]; /* this machine's name, "" unknown */
};

static bool
is_on(const char *value, bool otherwise)
{
	return value == NULL ? otherwise : strcmp(value, "off") != 0;
}

/* --- its lines ---------------------------------------------------------------------------- */

static struct account *
find(struct msmtp *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->accounts[i].name, name) == 0)
			return &s->accounts[i];
	return NULL;
}

static void
inherit(struct msmtp *s, struct account *to, char *names)
{
	const struct account *from;
	char *next;

	for (char *name = names; name != NULL; name = next) {
		next = strchr(name, ',');
		if (next != NULL)
			*next++ = '\0';
		name = import_trim(name);
		if ((from = find(s, name)) == NULL) {
			out_note(s->o, "account %s refers to %s, which does not come before it",
			    to->name, name);
			continue;
		}
		for (int i = 0; i < NKEYS; i++)
			if (from->v[i] != NULL)
				to->v[i] = from->v[i];
	}
}

static void
begin_account(struct msmtp *s, char *rest)
{
	char *parents = strchr(rest, ':');
	struct account a = s->defaults;

	if (parents != NULL)
		*parents++ = '\0';
	a.name = import_trim(rest);
	if (parents != NULL)
		inherit(s, &a, parents);
	s->accounts = xgrow(s->accounts, s->n, &s->cap, sizeof(*s->accounts));
	s->accounts[s->n++] = a;
	s->now = &s->accounts[s->n - 1];
}

static void
note_once(struct msmtp *s, const char *command)
{
	char word[64];
	size_t used = strlen(s->noted);

	snprintf(word, sizeof(word), " %s ", command);
	if (strstr(s->noted, word) != NULL)
		return;
	snprintf(s->noted + used, sizeof(s->noted) - used, "%s", word);
	for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++) {
		if (strcmp(command, settled[i]) == 0) {
			out_note(s->o, "%s: needs no line here", command);
			return;
		}
	}
	if (strcmp(command, "timeout") == 0)
		out_note(s->o, "timeout: each step has one of its own here: timeout connect 30s");
	else if (strcmp(command, "eval") == 0)
		out_note(s->o, "eval: nothing is run to find out what it says; look at that line");
	else
		out_note(s->o, "%s: has no counterpart here, left out", command);
}

static char *
unquote(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || value[0] != '"' || value[n - 1] != '"')
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

static void
take_line(struct msmtp *s, char *line)
{
	char *value = line + strcspn(line, " \t");

	if (*value != '\0')
		*value++ = '\0';
	value = import_trim(value);
	if (strcmp(line, "defaults") == 0) {
		s->now = &s->defaults;
		return;
	}
	if (strcmp(line, "account") == 0) {
		begin_account(s, value);
		return;
	}
	for (int i = 0; i < NKEYS; i++) {
		if (strcmp(line, key_names[i]) != 0)
			continue;
		value = unquote(value);
		s->now->v[i] = value;
		return;
	}
	note_once(s, line);
}

/* --- an account --------------------------------------------------------------------------- */

static const char *
text(const struct account *a, enum key key)
{
	return a->v[key] != NULL && a->v[key][0] != '\0' ? a->v[key] : NULL;
}

static bool
logs_in(const struct account *a)
{
	return a->v[K_AUTH] != NULL && strcmp(a->v[K_AUTH], "off") != 0;
}

/* What a password is called, and with which mechanism it is used. */
static void
set_method(struct msmtp *s, const struct account *a, struct import_login *l)
{
	static const char *const known[][2] = {{"plain", "PLAIN"}, {"login", "LOGIN"},
	    {"cram-md5", "CRAM-MD5"}, {"scram-sha-1", "SCRAM-SHA-1"},
	    {"scram-sha-256", "SCRAM-SHA-256"}};
	const char *method = a->v[K_AUTH];

	l->token = strcmp(method, "xoauth2") == 0 || strcmp(method, "oauthbearer") == 0;
	l->external = strcmp(method, "external") == 0;
	if (method[0] == '\0' || strcmp(method, "on") == 0 || l->token || l->external)
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(method, known[i][0]) == 0) {
			l->mechanism = known[i][1];
			return;
		}
	}
	out_note(s->o, "auth %s: is not spoken here; the strongest other that is offered is taken",
	    method);
}

/* For a shell, as one word between single quotes. false: it is too long. */
static bool
shell_command(char *dst, size_t size, const char *command)
{
	struct buf b;
	bool fits;

	buf_init(&b, size - 1);
	buf_adds(&b, "/bin/sh -c '");
	for (const char *p = command; *p != '\0'; p++)
		buf_adds(&b, *p == '\'' ? "'\\''" : (char[]){*p, '\0'});
	buf_addc(&b, '\'');
	fits = !b.overflow && str_copy(dst, size, buf_str(&b));
	buf_free(&b);
	return fits;
}

static void
put_login(struct msmtp *s, const struct account *a)
{
	struct import_login l = {.host = text(a, K_HOST), .user = text(a, K_USER)};
	char command[COMMAND_BYTES];

	if (!logs_in(a) || l.host == NULL)
		return;
	set_method(s, a, &l);
	l.secret = text(a, K_PASSWORD);
	if (l.secret == NULL && text(a, K_PASSWORDEVAL) != NULL) {
		if (shell_command(command, sizeof(command), text(a, K_PASSWORDEVAL)))
			l.command = command;
		out_note(s->o,
		    "account %s, passwordeval: the command is in the credentials file%s. It is run "
		    "by "
		    "the user that the spool belongs to, without your keys, agents and home.",
		    a->name, l.command == NULL ? " no more, it is too long" : "");
	}
	out_login(s->o, &l);
}

/* Those that can be pinned: SHA-256. */
static const char *
fingerprint(struct msmtp *s, const struct account *a)
{
	const char *print = text(a, K_TLS_FINGERPRINT);
	size_t digits = 0;

	if (print == NULL)
		return NULL;
	for (const char *p = print; *p != '\0'; p++)
		digits += *p != ':';
	if (digits == 64)
		return print;
	out_note(s->o,
	    "account %s, tls_fingerprint: is not of SHA-256; here only such are taken, the "
	    "certificate is verified instead",
	    a->name);
	return NULL;
}

static struct import_relay
relay_of(struct msmtp *s, const struct account *a)
{
	bool tls = is_on(a->v[K_TLS], false), starttls = is_on(a->v[K_TLS_STARTTLS], true);
	struct import_relay r = {.host = text(a, K_HOST)};

	r.tls = !tls ? IMPORT_TLS_NONE : starttls ? IMPORT_TLS_STARTTLS : IMPORT_TLS_FIRST;
	r.port = import_port(
	    text(a, K_PORT) != NULL ? text(a, K_PORT) : "", tls && !starttls ? 465 : 25);
	r.lmtp = text(a, K_PROTOCOL) != NULL && strcmp(text(a, K_PROTOCOL), "lmtp") == 0;
	r.unchecked = !is_on(a->v[K_TLS_CERTCHECK], true);
	r.fingerprint = r.unchecked ? NULL : fingerprint(s, a);
	r.user = logs_in(a) ? text(a, K_USER) : NULL;
	return r;
}

/* "%U@example.org" says the same as a pattern. NULL: it cannot be said. */
static const char *
pattern(const char *from, char *dst, size_t size)
{
	if (str_starts(from, "%U@") && strchr(from + 2, '%') == NULL) {
		snprintf(dst, size, "*%s", from + 2);
		return dst;
	}
	return strchr(from, '%') == NULL ? from : NULL;
}

static void
put_relay(struct msmtp *s, const struct account *a, const char *from)
{
	struct import_relay r = relay_of(s, a);

	r.from = from;
	if (text(a, K_SOCKET) != NULL && r.lmtp && from == NULL) {
		out_line(s->o, "relay lmtp:%s", text(a, K_SOCKET));
		return;
	}
	if (text(a, K_SOCKET) != NULL || r.host == NULL) {
		out_note(s->o,
		    "account %s: no host, or a socket, which is for LMTP here: relay lmtp:/PATH",
		    a->name);
		return;
	}
	out_relay(s->o, &r);
	put_login(s, a);
}

static void
put_account(struct msmtp *s, const struct account *a)
{
	const char *from = text(a, K_FROM);
	char dst[VALUE_BYTES];

	if (strcmp(a->name, "default") == 0)
		return; /* the last of all */
	if (from == NULL)
		out_note(s->o,
		    "account %s: is chosen by -a alone, which does not exist here: give it a "
		    "from",
		    a->name);
	else if (pattern(from, dst, sizeof(dst)) == NULL)
		out_note(s->o, "account %s, from %s: write out what the percent signs stand for",
		    a->name, from);
	else
		put_relay(s, a, pattern(from, dst, sizeof(dst)));
}

/* --- all of it ---------------------------------------------------------------------------- */

/* Keys that are one for everybody here: the default account's, or who else has it. */
static const char *
common(struct msmtp *s, enum key key)
{
	const struct account *a = find(s, "default");
	const char *value = a == NULL ? NULL : text(a, key);
	bool differs = false;

	for (size_t i = 0; i < s->n; i++) {
		const char *other = text(&s->accounts[i], key);

		if (value == NULL)
			value = other;
		differs = differs || (other != NULL && strcmp(other, value) != 0);
	}
	if (differs)
		out_note(s->o, "%s: accounts differ in it; here is one for all", key_names[key]);
	return value;
}

/* Whose `from` it is when nobody said -f. */
static void
put_sender(struct msmtp *s, const struct account *a)
{
	const char *from = text(a, K_FROM);
	bool always =
	    !is_on(a->v[K_ALLOW_FROM_OVERRIDE], true) ||
	    (a->v[K_SET_FROM_HEADER] != NULL && strcmp(a->v[K_SET_FROM_HEADER], "on") == 0);

	if (from == NULL)
		return;
	if (str_starts(from, "%U@") && strchr(from + 2, '%') == NULL)
		out_line(s->o, "masquerade-domain %s", from + 3);
	else if (strpbrk(from, "%*?[") != NULL)
		out_note(s->o, "from %s: with what it stands for: masquerade * ADDRESS", from);
	else if (always)
		out_line(s->o, "masquerade * %s", from);
	else if (s->host[0] != '\0')
		out_line(s->o, "masquerade @%s %s", s->host, from);
	else
		out_note(s->o, "from %s: for senders of this machine: masquerade @HOSTNAME %s",
		    from, from);
}

static void
put_common(struct msmtp *s)
{
	const char *domain = common(s, K_DOMAIN), *value = common(s, K_TLS_TRUST_FILE);

	if (domain != NULL && strchr(domain, '%') == NULL && strcmp(domain, "localhost") != 0) {
		out_line(s->o, "hostname %s", domain);
		str_copy(s->host, sizeof(s->host), domain);
	} else if (domain != NULL) {
		out_note(
		    s->o, "domain %s: hostname NAME, where the system's own is not right", domain);
	}
	if (value != NULL && strcmp(value, "system") != 0)
		out_line(s->o, "ca %s", value);
	if ((value = common(s, K_TLS_CERT_FILE)) != NULL) {
		const char *key = common(s, K_TLS_KEY_FILE);

		out_line(s->o, "client-cert %s%s%s", value, key != NULL ? " " : "",
		    key != NULL ? key : "");
	}
	if ((value = common(s, K_ALIASES)) != NULL)
		out_line(s->o, "aliases %s", value);
	if ((value = common(s, K_SOURCE_IP)) != NULL)
		out_line(s->o, "bind %s", value);
	if ((value = common(s, K_LOGFILE)) != NULL)
		out_note(s->o,
		    "logfile %s: the log goes to syslog; another place, which the user that "
		    "the spool belongs to can write to: log FILE",
		    value);
}

static void
put_all(struct msmtp *s)
{
	const struct account *a = find(s, "default");

	put_common(s);
	for (size_t i = 0; i < s->n; i++)
		put_account(s, &s->accounts[i]);
	if (a == NULL) {
		out_note(s->o,
		    "no account default: mail of other senders goes to the recipients' own "
		    "servers");
		return;
	}
	put_relay(s, a, NULL);
	put_sender(s, a);
}

static void
find_hostname(struct msmtp *s)
{
	struct config c;
	const char *name;

	config_init(&c);
	if ((name = config_hostname(&c)) != NULL)
		str_copy(s->host, sizeof(s->host), name);
	config_free(&c);
}

static int
msmtp_read(struct import_out *o, const char *path, char *why, size_t whysize)
{
	struct msmtp s = {.o = o, .defaults.name = "defaults"};
	char *copy, *rest, *line;
	struct buf b;

	buf_init(&b, FILE_BYTES);
	(void)buf_reserve(&b, FILE_BYTES); /* it may have passwords */
	if (import_read(&b, path) == -1) {
		snprintf(why, whysize, "%s: %s", path, strerror(errno));
		buf_free(&b);
		return EX_NOINPUT;
	}
	s.now = &s.defaults;
	copy = rest = xstrndup(buf_data(&b), buf_len(&b));
	while ((line = import_line(&rest)) != NULL) {
		line = import_trim(line);
		if (*line != '#' && *line != '\0')
			take_line(&s, line);
	}
	find_hostname(&s);
	put_all(&s);
	xwipe(copy, buf_len(&b));
	free(copy);
	free(s.accounts);
	buf_wipe(&b);
	buf_free(&b);
	return EX_OK;
}

const struct import_from import_msmtp = {
    .name = "msmtp",
    .config = "/etc/msmtprc",
    .read = msmtp_read,
};
