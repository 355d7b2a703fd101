/* story_expect.c: what a story expects, and what must hold at the end of each. */
#include <sys/stat.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "logcap.h"
#include "net_fake.h"
#include "spool/envelope.h"
#include "t/story/story.h"
#include "vclock.h"

/* --- messages that a server took --- */

/* "b@x,c@x" are exactly its recipients, in any order. */
static bool
has_rcpts(const struct fake_message *m, const char *list)
{
	size_t n = 0;

	for (const char *p = list; *p != '\0'; n++) {
		size_t len = strcspn(p, ","), i;

		for (i = 0; i < m->nrcpts; i++)
			if (strlen(m->rcpts[i]) == len && memcmp(m->rcpts[i], p, len) == 0)
				break;
		if (i == m->nrcpts)
			return false;
		p += len;
		p += *p == ',';
	}
	return n == m->nrcpts;
}

static void
add_description(struct buf *b, const struct smtp_fake *f)
{
	list_each (l, &f->messages) {
		const struct fake_message *m = list_item(l, struct fake_message, link);

		buf_addf(b, "\n\tfrom <%s> to", m->from);
		for (size_t i = 0; i < m->nrcpts; i++)
			buf_addf(b, " %s", m->rcpts[i]);
		buf_adds(b, m->secured ? " over tls" : " in clear");
		if (m->login != NULL)
			buf_addf(b, " as %s", m->login);
	}
}

/* "over tls", "in clear", "as USER": how it was sent; any of them, or none. */
static bool
was_sent(struct story *s, const struct fake_message *m, const char *p)
{
	char word[8], what[128];
	bool so = true;

	while (*p != '\0') {
		if (!story_word(&p, word, sizeof(word)) || !story_word(&p, what, sizeof(what)))
			story_fail(s, "over tls, in clear or as USER");
		if (strcmp(word, "over") == 0 && strcmp(what, "tls") == 0)
			so = so && m->secured;
		else if (strcmp(word, "in") == 0 && strcmp(what, "clear") == 0)
			so = so && !m->secured;
		else if (strcmp(word, "as") == 0)
			so = so && m->login != NULL && strcmp(m->login, what) == 0;
		else
			story_fail(s, "%s %s: over tls, in clear or as USER", word, what);
	}
	return so;
}

/* "from A to B,C": one more of exactly this envelope; "from <> to B" for the null sender. */
static void
expect_message(struct story *s, struct story_server *v, const char *p)
{
	char from[512], word[8], rcpts[4096];
	size_t count = 0;
	struct buf b;

	if (!story_word(&p, from, sizeof(from)) || !story_word(&p, word, sizeof(word)) ||
	    strcmp(word, "to") != 0 || !story_word(&p, rcpts, sizeof(rcpts)))
		story_fail(s, "expect NAME from A to B,C");
	if (strcmp(from, "<>") == 0)
		from[0] = '\0';
	list_each (l, &v->fake->messages) {
		const struct fake_message *m = list_item(l, struct fake_message, link);

		count += strcmp(m->from, from) == 0 && has_rcpts(m, rcpts) && was_sent(s, m, p);
	}
	v->expected++;
	if (count == 1)
		return;
	buf_init(&b, 1 << 20);
	add_description(&b, v->fake);
	story_fail(s, "%zu such messages at %s; it has:%s", count, v->fake->name, buf_str(&b));
}

static bool
some_body_has(struct story_server *v, const char *text)
{
	list_each (l, &v->fake->messages) {
		struct fake_message *m = list_item(l, struct fake_message, link);

		if (strstr(buf_str(&m->body), text) != NULL)
			return true;
	}
	return false;
}

/* \r \n \t \\ \xHH in what is looked for. */
static char *
unescape(const char *p)
{
	char *out = xmalloc(strlen(p) + 1), *q = out;
	unsigned v;

	for (; *p != '\0'; p++) {
		*q++ = *p;
		if (*p != '\\' || p[1] == '\0')
			continue;
		p++;
		q[-1] = *p == 'r' ? '\r' : *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		if (*p == 'x' && sscanf(p + 1, "%2x", &v) == 1) {
			q[-1] = (char)v;
			p += 2;
		}
	}
	*q = '\0';
	return out;
}

/* "N" or "at most N", against a count. */
static void
expect_count(struct story *s, const char *what, size_t have, const char *p)
{
	bool most = str_starts(p, "at most ");
	unsigned long want = story_number(s, most ? p + 8 : p);

	if (most ? have > want : have != want)
		story_fail(s, "%s: %zu, not %s", what, have, p);
}

static bool
expect_server(struct story *s, const char *name, const char *p, bool no)
{
	struct story_server *v = story_server(s, name);
	char word[32], *text;
	bool found;

	if (v == NULL)
		return false;
	if (!story_word(&p, word, sizeof(word)))
		story_fail(s, "expect what of %s?", name);
	if (strcmp(word, "from") == 0)
		expect_message(s, v, p);
	else if (strcmp(word, "messages") == 0) {
		expect_count(s, "messages", v->fake->nmessages, p);
		v->expected = v->fake->nmessages;
	} else if (strcmp(word, "connections") == 0)
		expect_count(s, "connections", v->fake->sessions, p);
	else if (strcmp(word, "handshakes") == 0)
		expect_count(s, "handshakes", v->fake->handshakes, p);
	else if (strcmp(word, "resumed") == 0)
		expect_count(s, "sessions resumed", v->fake->resumed, p);
	else if (strcmp(word, "open") == 0)
		expect_count(s, "connections at once", v->fake->most_open, p);
	else if (strcmp(word, "body") == 0 || strcmp(word, "said") == 0) {
		text = unescape(p);
		found = word[0] == 'b' ? some_body_has(v, text)
				       : strstr(buf_str(&v->fake->transcript), text) != NULL;
		if (found == no)
			story_fail(s, "%s: %s %s", name, no ? "holds" : "nothing holds", p);
		free(text);
	} else
		return false;
	return true;
}

/* --- the spool --- */

typedef void each_file_fn(struct story *s, const char *dir, const char *name, void *ctx);

static size_t
each_file(struct story *s, const char *dir, each_file_fn *fn, void *ctx)
{
	char path[STORY_PATH_MAX + 32];
	DIR *d;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/spool/%s", s->dir, dir);
	d = opendir(path);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		if (!envelope_id_ok(e->d_name))
			continue; /* no item of the spool */
		n++;
		if (fn != NULL)
			fn(s, dir, e->d_name, ctx);
	}
	if (d != NULL)
		closedir(d);
	return n;
}

static void
add_text(struct story *s, const char *dir, const char *name, void *ctx)
{
	char path[512], *text;

	snprintf(path, sizeof(path), "spool/%s/%.300s", dir, name);
	text = story_read(s, path);
	buf_adds(ctx, text != NULL ? text : "");
	free(text);
}

static bool
control_files_have(struct story *s, const char *text)
{
	struct buf b;
	bool found;

	buf_init(&b, 64 << 20);
	each_file(s, "ctl", add_text, &b);
	found = strstr(buf_str(&b), text) != NULL;
	buf_free(&b);
	return found;
}

/* Every control file has its body (S4), unless the story has damaged it. */
static void
check_body(struct story *s, const char *dir, const char *name, void *ctx)
{
	char path[STORY_PATH_MAX + 300], id[300], *text, *line;
	struct stat st;

	(void)ctx;
	snprintf(path, sizeof(path), "spool/%s/%.250s", dir, name);
	text = story_read(s, path);
	line = text != NULL ? strstr(text, "\nmsgid|") : NULL;
	if (line == NULL)
		story_fail(s, "%s has no msgid", path);
	snprintf(id, sizeof(id), "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
	snprintf(path, sizeof(path), "%s/spool/msg/%.250s", s->dir, id);
	if (stat(path, &st) != 0)
		story_fail(s, "ctl/%s has no body", name);
	free(text);
}

static void
expect_spool(struct story *s, const char *p)
{
	if (strcmp(p, "empty") == 0)
		p = "0";
	expect_count(s, "messages in the spool", each_file(s, "ctl", NULL, NULL), p);
}

/* --- everything else --- */

static void
expect_text(struct story *s, const char *where, const char *text, const char *p, bool no)
{
	if ((strstr(text, p) != NULL) == no)
		story_fail(s, "%s %s: %s\n%s", where, no ? "has" : "has not", p,
		    strcmp(where, "log") == 0 ? "" : text);
}

/* "logged 3 TEXT": so many lines of the log hold it. */
static void
expect_logged(struct story *s, const char *p)
{
	char word[16];

	if (!story_word(&p, word, sizeof(word)))
		story_fail(s, "expect logged N TEXT");
	expect_count(s, p, logcap_count(p), word);
}

static void
expect_output(struct story *s, const char *name, const char *p, bool no)
{
	char *text = story_read(s, strcmp(name, "stdout") == 0 ? "out" : "err");

	expect_text(s, name, text != NULL ? text : "", p, no);
	free(text);
}

/* "file NAME TEXT": it is there, and has it. */
static void
expect_file(struct story *s, const char *p, bool no)
{
	char name[128], *text;

	if (!story_word(&p, name, sizeof(name)) || (text = story_read(s, name)) == NULL)
		story_fail(s, "there is no such file: %s", p);
	expect_text(s, name, text, p, no);
	free(text);
}

/* "kept TEXT": some conversation that was kept has it. "kept lines N TEXT": so many lines have it. */
static void
expect_kept(struct story *s, const char *p, bool no)
{
	char *text = story_kept(s), word[16];
	size_t n = 0;

	if (str_starts(p, "lines ")) {
		p += 6;
		if (!story_word(&p, word, sizeof(word)))
			story_fail(s, "expect kept lines N TEXT");
		for (const char *at = text; (at = strstr(at, p)) != NULL; at += strcspn(at, "\n"))
			n++;
		expect_count(s, text, n, word);
	} else {
		expect_text(s, "what was kept", text, p, no);
	}
	free(text);
}

/* "mail USER N": so many messages are in her mailbox. */
static void
expect_mail(struct story *s, const char *p)
{
	char user[64], name[128], *text;
	size_t n = 0;

	if (!story_word(&p, user, sizeof(user)))
		story_fail(s, "expect mail USER N");
	snprintf(name, sizeof(name), "home/%s/box", user);
	text = story_read(s, name);
	for (const char *at = text; at != NULL && (at = strstr(at, "From ")) != NULL; at++)
		n += at == text || at[-1] == '\n';
	expect_count(s, name, n, p);
	free(text);
}

static void
expect_connects(struct story *s, const char *p)
{
	char address[NET_FAKE_ADDRESS_MAX];

	if (!story_word(&p, address, sizeof(address)))
		story_fail(s, "expect connects ADDRESS N");
	expect_count(s, address, net_fake_connects(address), p);
}

static void
expect_took(struct story *s, const char *p)
{
	bool most = str_starts(p, "at most ");
	int64_t ms;

	if (!smtp_script_time(most ? p + 8 : p + strlen("at least "), &ms))
		story_fail(s, "expect took at most|at least TIME");
	if (most ? s->took_ms > ms : s->took_ms < ms)
		story_fail(s, "took %lld ms, not %s", (long long)s->took_ms, p);
}

void
story_expect(struct story *s, const char *p)
{
	char word[128];
	bool no = str_starts(p, "no ");

	p += no ? 3 : 0;
	if (!story_word(&p, word, sizeof(word)))
		story_fail(s, "expect what?");
	if (expect_server(s, word, p, no))
		return;
	if (strcmp(word, "log") == 0)
		expect_text(s, "log", logcap_text(), p, no);
	else if (strcmp(word, "logged") == 0)
		expect_logged(s, p);
	else if (strcmp(word, "spool") == 0)
		expect_spool(s, p);
	else if (strcmp(word, "corrupt") == 0)
		expect_count(s, "corrupt files", each_file(s, "corrupt", NULL, NULL), p);
	else if (strcmp(word, "ctl") == 0) {
		if (control_files_have(s, p) == no)
			story_fail(s, "control files %s: %s", no ? "have" : "have not", p);
	} else if (strcmp(word, "stdout") == 0 || strcmp(word, "stderr") == 0)
		expect_output(s, word, p, no);
	else if (strcmp(word, "file") == 0)
		expect_file(s, p, no);
	else if (strcmp(word, "ledger") == 0)
		story_expect_ledger(s, p, no);
	else if (strcmp(word, "trace") == 0)
		expect_text(s, "conversation", logcap_trace(), p, no);
	else if (strcmp(word, "kept") == 0)
		expect_kept(s, p, no);
	else if (strcmp(word, "mail") == 0)
		expect_mail(s, p);
	else if (strcmp(word, "connects") == 0)
		expect_connects(s, p);
	else if (strcmp(word, "took") == 0)
		expect_took(s, p);
	else
		story_fail(s, "expect what? %s", word);
}

static void
remove_all(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char below[2048];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (unlink(below) != 0)
			remove_all(below);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

/* What is true whatever the story: nothing came that it does not speak of, nobody was rude, no
 * address was invented, and the spool is whole. */
void
story_end(struct story *s)
{
	size_t queued;

	story_check_secrets(s);
	for (size_t i = 0; i < s->nservers; i++) {
		struct story_server *v = &s->servers[i];

		if (v->expected != v->fake->nmessages)
			story_fail(s, "%s took %zu messages, the story speaks of %zu",
			    v->fake->name, v->fake->nmessages, v->expected);
		if (!v->tolerated && buf_len(&v->fake->complaints) > 0)
			story_fail(s, "%s complains", v->fake->name);
		if (v->fake->open != 0)
			story_fail(s, "%s still has %u connections", v->fake->name, v->fake->open);
	}
	if (net_fake_unknown() != NULL)
		story_fail(
		    s, "%s was tried, of which the story does not speak", net_fake_unknown());
	queued = each_file(s, "ctl", check_body, NULL);
	if (each_file(s, "msg", NULL, NULL) > queued)
		story_fail(s, "more bodies than control files");
	if (each_file(s, "tmp", NULL, NULL) > 0)
		story_fail(s, "files were left in tmp/");
	remove_all(s->dir);
}
