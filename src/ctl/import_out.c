/* import_out.c: what becomes of another program's configuration, a line at a time. */
#include <arpa/inet.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_file.h"
#include "base/alloc.h"
#include "base/str.h"
#include "config.h"
#include "ctl/import.h"

enum { OUT_MAX = 1 << 20, LINE_BYTES = 2048, FOLD_AT = 96 };

void
import_out_init(struct import_out *o, const char *peer)
{
	*o = (struct import_out){.peer = peer};
	buf_init(&o->conf, OUT_MAX);
	buf_init(&o->auth, AUTH_FILE_MAX);
	(void)buf_reserve(&o->auth, AUTH_FILE_MAX); /* growing would leave copies behind */
}

void
import_out_free(struct import_out *o)
{
	buf_wipe(&o->auth);
	buf_free(&o->auth);
	buf_free(&o->conf);
}

/* --- lines of sortie.conf ------------------------------------------------------------------ */

/* A word that is longer than a line stays whole. */
static void
add_comment(struct buf *out, const char *text)
{
	size_t column = FOLD_AT;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column + 1 + n > FOLD_AT) {
			buf_adds(out, buf_len(out) == 0 ? "#" : "\n#");
			column = 1;
		}
		buf_addc(out, ' ');
		buf_add(out, text, n);
		column += 1 + n;
		text += n + strspn(text + n, " ");
	}
}

static void
note(struct import_out *o, const char *text)
{
	struct buf folded;

	buf_init(&folded, OUT_MAX);
	add_comment(&folded, text);
	buf_add(&o->conf, buf_data(&folded), buf_len(&folded));
	if (buf_len(&folded) > 0)
		buf_addc(&o->conf, '\n');
	buf_free(&folded);
}

void
out_note(struct import_out *o, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_clean(text, sizeof(text), text, strlen(text));
	note(o, text);
}

void
out_line(struct import_out *o, const char *fmt, ...)
{
	char line[LINE_BYTES], why[LINE_BYTES], text[2 * LINE_BYTES];
	struct config c;
	struct buf all;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	str_clean(line, sizeof(line), line, strlen(line));
	if (n < 0 || (size_t)n >= sizeof(line)) {
		out_note(o, "left out, as it is too long: %.*s...", FOLD_AT, line);
		return;
	}
	buf_init(&all, OUT_MAX);
	buf_add(&all, buf_data(&o->conf), buf_len(&o->conf)); /* it may be there already */
	buf_addf(&all, "%s\n", line);
	config_init(&c);
	if (config_parse(&c, "import", buf_data(&all), buf_len(&all), why, sizeof(why)) == 0) {
		buf_addf(&o->conf, "%s\n", line);
	} else {
		snprintf(text, sizeof(text), "left out: %s:%s", line, strchr(why, ' '));
		note(o, text);
	}
	config_free(&c);
	buf_free(&all);
}

/* --- relays -------------------------------------------------------------------------------- */

static bool
is_ip(const char *host)
{
	struct in6_addr ip;

	return inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1;
}

static void
add_user(struct buf *url, const char *user)
{
	for (const char *p = user; *p != '\0'; p++) {
		if (strchr("@-._~+=", *p) != NULL || (*p >= '0' && *p <= '9') ||
		    (str_lower(*p) >= 'a' && str_lower(*p) <= 'z'))
			buf_addc(url, *p);
		else
			buf_addf(url, "%%%02x", (unsigned)(unsigned char)*p);
	}
	buf_addc(url, '@');
}

static void
add_url(struct buf *url, const struct import_relay *r)
{
	static const struct {
		const char *scheme;
		unsigned port;
	} schemes[] = {
	    [IMPORT_TLS_NONE] = {"smtp://", 25},
	    [IMPORT_TLS_MAY] = {"smtp://", 25},
	    [IMPORT_TLS_STARTTLS] = {"submission://", 587},
	    [IMPORT_TLS_FIRST] = {"smtps://", 465},
	};
	bool ip = is_ip(r->host);

	buf_adds(url, r->lmtp ? "lmtp://" : schemes[r->tls].scheme);
	if (r->user != NULL && !r->lmtp)
		add_user(url, r->user);
	buf_addf(url, "%s%s%s", ip ? "[" : "", r->host, ip ? "]" : "");
	if (r->lmtp || r->port != schemes[r->tls].port)
		buf_addf(url, ":%u", r->port);
}

/* Whether there is a line that begins so. */
static bool
has_line(struct import_out *o, const char *start)
{
	size_t n = strlen(start);

	for (const char *p = buf_str(&o->conf); p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, start, n) == 0)
			return true;
	}
	return false;
}

static void
add_tls(struct import_out *o, const struct import_relay *r)
{
	char start[LINE_BYTES];
	bool encrypted = r->tls == IMPORT_TLS_STARTTLS || r->tls == IMPORT_TLS_FIRST;

	snprintf(start, sizeof(start), "tls %s ", r->host);
	if (r->lmtp || has_line(o, start))
		return;
	if (encrypted && r->fingerprint != NULL)
		out_line(o, "%sfingerprint sha256:%s", start, r->fingerprint);
	else if (encrypted && r->unchecked)
		out_note(o,
		    "%s took any certificate there. Here it must be one that a CA of this system "
		    "has "
		    "issued for the name. If it is another: tls %s fingerprint sha256:... of its "
		    "own "
		    "one, or tls %s encrypt, which again trusts whoever answers.",
		    o->peer, r->host, r->host);
}

/* What is sent to log in is worth more than a mail. */
static void
add_clear(struct import_out *o, const struct import_relay *r)
{
	if (r->user == NULL || r->lmtp || r->tls == IMPORT_TLS_STARTTLS ||
	    r->tls == IMPORT_TLS_FIRST)
		return;
	out_note(o,
	    "%s logged in there %s TLS. Here nobody logs in without TLS and a certificate that has "
	    "been verified. If that server has none, what would show the password to everybody on "
	    "the way is: tls %s none, and: auth-in-clear %s",
	    o->peer, r->tls == IMPORT_TLS_MAY ? "even without" : "without", r->host, r->host);
}

void
out_relay(struct import_out *o, const struct import_relay *r)
{
	struct buf url;

	buf_init(&url, OUT_MAX);
	add_url(&url, r);
	if (r->from != NULL)
		out_line(o, "relay %s from %s", buf_str(&url), r->from);
	else
		out_line(o, "relay %s", buf_str(&url));
	buf_free(&url);
	add_tls(o, r);
	add_clear(o, r);
}

/* --- credentials --------------------------------------------------------------------------- */

static void
add_quoted(struct buf *out, const char *keyword, const char *value)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:@+";

	if (value[strspn(value, plain)] == '\0' && strcmp(keyword, "machine") == 0) {
		buf_addf(out, " %s %s", keyword, value);
		return;
	}
	buf_addf(out, " %s \"", keyword);
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *p);
	}
	buf_addc(out, '"');
}

static bool
has_login(struct import_out *o, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = buf_str(&o->auth); p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, line, n) == 0 && p[n] == ' ')
			return true;
	}
	return false;
}

static void
add_secret(struct import_out *o, const struct import_login *l)
{
	if (l->mechanism != NULL)
		buf_addf(&o->auth, " mechanism %s", l->mechanism);
	if (l->external)
		buf_adds(&o->auth, " external");
	else if (l->command != NULL)
		add_quoted(&o->auth, l->token ? "token-command" : "command", l->command);
	else
		add_quoted(&o->auth, l->token ? "token" : "password", l->secret);
	buf_addc(&o->auth, '\n');
}

void
out_login(struct import_out *o, const struct import_login *l)
{
	struct buf line;

	if (!l->external && l->command == NULL && (l->secret == NULL || l->secret[0] == '\0')) {
		out_note(o,
		    "%s had no password for %s at %s: write it into the credentials file: machine "
		    "%s login USER password \"...\"",
		    o->peer, l->user != NULL ? l->user : "whoever logs in", l->host, l->host);
		return;
	}
	buf_init(&line, OUT_MAX);
	add_quoted(&line, "machine", l->host);
	buf_consume(&line, 1);
	if (l->user != NULL && l->user[0] != '\0')
		add_quoted(&line, "login", l->user);
	if (!has_login(o, buf_str(&line))) {
		buf_add(&o->auth, buf_data(&line), buf_len(&line));
		add_secret(o, l);
	}
	buf_free(&line);
}

/* --- reading theirs ------------------------------------------------------------------------ */

int
import_read(struct buf *text, const char *path)
{
	enum { PIECE = 16384 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), saved;
	ssize_t n = -1;
	char *at;

	if (fd == -1)
		return -1;
	do {
		at = buf_reserve(text, PIECE);
		if (at == NULL) {
			errno = EFBIG;
			break;
		}
		n = read(fd, at, PIECE);
		if (n > 0)
			buf_commit(text, (size_t)n);
	} while (n > 0 || (n == -1 && errno == EINTR));
	saved = errno;
	close(fd);
	errno = saved;
	if (n == 0 && memchr(buf_data(text), '\0', buf_len(text)) == NULL)
		return 0;
	if (n == 0)
		errno = EILSEQ; /* not a text */
	buf_wipe(text);
	return -1;
}

char *
import_line(char **rest)
{
	char *line = *rest, *end;

	if (line == NULL || *line == '\0')
		return NULL;
	end = strchr(line, '\n');
	*rest = end == NULL ? NULL : end + 1;
	if (end != NULL)
		*end = '\0';
	return line;
}

char *
import_trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]) != NULL)
		*--end = '\0';
	return s;
}

bool
import_first_line(const char *folder, const char *name, char *dst, size_t size)
{
	char path[LINE_BYTES], *line;
	struct buf text;
	bool found = false;

	snprintf(path, sizeof(path), "%s%s%s", folder, folder[0] == '\0' ? "" : "/", name);
	buf_init(&text, OUT_MAX);
	if (import_read(&text, path) == 0) {
		line = xstrndup(buf_data(&text), buf_len(&text));
		line[strcspn(line, "\n")] = '\0';
		found = str_copy(dst, size, import_trim(line)) && dst[0] != '\0';
		free(line);
	}
	buf_free(&text);
	return found;
}

unsigned
import_port(const char *s, unsigned otherwise)
{
	uint64_t n;

	return str_u64(s, 65535, &n) && n > 0 ? (unsigned)n : otherwise;
}
