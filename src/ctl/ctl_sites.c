/*
 * ctl_sites.c: what runs have seen of each destination, those used last first.
 *
 * A site is called as the ledger has it: its domain, "relay HOST:PORT", "route HOST:PORT", "local". Who names one
 * may also say a host of it, or the one that it was last delivered to, or a domain whose mail goes there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "ctl/ctl.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"
#include "ledger.h"
#include "route.h"

enum { KEY_MAX = 65536, FORGET_MS = 1000, SHOWN_MAX = 80, LINE_MAX_BYTES = 4096 };

struct name {
	const char *word; /* as it was typed */
	bool known; /* a site is called so; or else */
	char *site; /* ... where mail to it goes, if it is a domain; NULL: that does not count */
};

struct sites {
	struct ctl *c;
	struct ledger_book book;
	struct ledger_site **all; /* of the book, as they are shown */
	struct name *names;
	size_t nnames; /* 0: all are meant */
	size_t forgotten;
};

/* A refused recipient is a trouble, too; what was taken since has ended it. */
static bool
in_trouble(const struct ledger_site *s)
{
	return s->r.bad_at > s->r.ok_at;
}

/* --- which are meant ---------------------------------------------------------------------- */

static bool
same(const char *word, const char *text, size_t n)
{
	char copy[LEDGER_NAME_MAX + 1];

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	return str_eqi(word, copy);
}

/* The word is "USER@HOST:PORT" or a part of it. */
static bool
is_host(const char *word, const char *text, size_t n)
{
	const char *at = memchr(text, '@', n), *colon;

	if (same(word, text, n))
		return true;
	if (at != NULL) {
		n -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	for (colon = text + n; colon > text && *colon != ':';)
		colon--;
	return same(word, text, n) || (colon > text && same(word, text, (size_t)(colon - text)));
}

static bool
is_called(const struct ledger_site *s, const char *word)
{
	const char *relay = s->r.relay;

	if (str_eqi(s->name, word))
		return true;
	if (relay != NULL && same(word, relay, strcspn(relay, "[:")))
		return true;
	if (!str_starts(s->name, "relay ") && !str_starts(s->name, "route "))
		return false;
	for (const char *p = s->name + 6; *p != '\0'; p += strspn(p, " ,")) {
		size_t n = strcspn(p, " ,");

		if (is_host(word, p, n))
			return true;
		p += n;
	}
	return false;
}

static bool
is_meant(struct sites *ss, const struct ledger_site *s)
{
	bool meant = ss->nnames == 0;

	for (size_t i = 0; i < ss->nnames; i++) {
		struct name *n = &ss->names[i];

		if (is_called(s, n->word))
			n->known = meant = true;
		else if (n->site != NULL && strcmp(s->name, n->site) == 0)
			meant = true;
	}
	return meant;
}

static void
take_names(struct sites *ss, int argc, char **argv)
{
	ss->names = xcalloc((size_t)argc, sizeof(*ss->names));
	for (int i = 1; i < argc; i++)
		ss->names[ss->nnames++].word = argv[i];
}

/* Words that no site is called by may be domains. */
static void
look_for_domains(struct sites *ss)
{
	struct config *c = &ss->c->program.config;
	struct router *r = router_new(NULL, NULL, c, config_hostname(c));
	struct buf key;

	buf_init(&key, KEY_MAX);
	for (size_t i = 0; i < ss->nnames; i++) {
		struct name *n = &ss->names[i];

		if (n->known)
			continue;
		router_site_key(r, "", n->word, &key);
		n->site = xstrdup(buf_str(&key));
		n->known = map_get(&ss->book.sites, n->site) != NULL;
	}
	buf_free(&key);
	router_free(&r);
}

static void
forget_names(struct sites *ss)
{
	for (size_t i = 0; i < ss->nnames; i++)
		free(ss->names[i].site);
	free(ss->names);
}

static int
complain_of_unknown(const struct sites *ss, int rc)
{
	char shown[SHOWN_MAX];

	for (size_t i = 0; i < ss->nnames; i++) {
		const char *word = ss->names[i].word;

		if (ss->names[i].known)
			continue;
		str_clean(shown, sizeof(shown), word, strlen(word));
		rc = ctl_fail(EX_NOINPUT, "nothing is known of %s", shown);
	}
	return rc;
}

/* --- as a table --------------------------------------------------------------------------- */

static const struct table_column columns[] = {
    {.head = "SITE", .width = 14, .share = 2},
    {.head = "SENT", .width = 5, .right = true},
    {.head = "DEFER", .width = 5, .right = true},
    {.head = "BOUNCE", .width = 6, .right = true, .wide = 70},
    {.head = "MSGS", .width = 5, .right = true, .wide = 120},
    {.head = "CONN", .width = 5, .right = true, .wide = 110},
    {.head = "TLS", .width = 5, .right = true, .wide = 110},
    {.head = "LOST", .width = 5, .right = true, .wide = 110},
    {.head = "SINCE", .width = 5, .right = true, .wide = 120},
    {.head = "OK", .width = 4, .right = true},
    {.head = "BAD", .width = 4, .right = true},
    {.head = "RELAY", .width = 16, .share = 2, .wide = 150},
    {.head = "REASON", .width = 12, .share = 3, .wide = 200},
};

enum {
	NCOLUMNS = sizeof(columns) / sizeof(columns[0]),
	REASON_INDENT = 4, /* below the site, where a column had room for half of it */
	REASON_LINES = 3 /* a site that is named has all of it */
};

static const char *
ago(const struct ctl *c, int64_t at, char dst[24])
{
	return at == 0 ? "-" : term_span(c->now - at, dst);
}

static void
print_row(struct table *t, const struct ledger_site *s)
{
	static const enum ledger_counter counters[] = {[1] = LEDGER_SENT,
	    LEDGER_DEFERRED,
	    LEDGER_BOUNCED,
	    LEDGER_MESSAGES,
	    LEDGER_SESSIONS,
	    LEDGER_TLS,
	    LEDGER_FAILED};
	char text[NCOLUMNS][24];
	const char *cells[NCOLUMNS] = {s->name};
	size_t i = 1;

	for (; i < sizeof(counters) / sizeof(counters[0]); i++)
		cells[i] = term_count(t->c, s->r.counts[counters[i]], text[i]);
	cells[i] = ago(t->c, s->r.since, text[i]);
	i++;
	cells[i] = ago(t->c, s->r.ok_at, text[i]);
	i++;
	cells[i] = ago(t->c, s->r.bad_at, text[i]);
	i++;
	cells[i++] = s->r.relay;
	cells[i] = s->r.reason;
	table_row(t, in_trouble(s) ? TERM_RED : TERM_PLAIN, cells);
	if (t->width[NCOLUMNS - 1] == 0 && in_trouble(s) && s->r.reason != NULL)
		term_wrap(t->c, TERM_RED, s->r.reason, REASON_INDENT, REASON_LINES);
}

static void
widen(struct table_column *column, const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0;

	if (n > column->width)
		column->width = (unsigned)n;
}

/* Where no terminal says how wide a line may be, all names fit. */
static void
print_table(struct sites *ss)
{
	struct table_column all[NCOLUMNS];
	struct ctl *c = ss->c;
	struct table t;

	memcpy(all, columns, sizeof(all));
	for (size_t i = 0; c->width == 0 && ss->all[i] != NULL; i++) {
		widen(&all[0], ss->all[i]->name);
		widen(&all[NCOLUMNS - 2], ss->all[i]->r.relay);
	}
	table_init(&t, c, all, NCOLUMNS);
	for (size_t i = 0; ss->all[i] != NULL && !ferror(c->out); i++)
		print_row(&t, ss->all[i]);
	if (!t.begun && c->tty)
		fputs("no site is known yet\n", stderr);
	table_free(&t);
}

/* --- a line a fact ------------------------------------------------------------------------ */

static void
print_counts(const struct ctl *c, const struct ledger_record *r)
{
	char size[16];

	term_fact(c, "recipients",
	    "%" PRIu64 " sent, %" PRIu64 " bounced; deferred %" PRIu64 " times",
	    r->counts[LEDGER_SENT], r->counts[LEDGER_BOUNCED], r->counts[LEDGER_DEFERRED]);
	if (r->counts[LEDGER_DUPLICATES] > 0)
		term_fact(c, "twice", "perhaps %" PRIu64 " of them", r->counts[LEDGER_DUPLICATES]);
	term_fact(c, "messages", "%" PRIu64 ", %s", r->counts[LEDGER_MESSAGES],
	    term_size(r->counts[LEDGER_BYTES], size));
	term_fact(c, "connections", "%" PRIu64 ", %" PRIu64 " with TLS; %" PRIu64 " failed",
	    r->counts[LEDGER_SESSIONS], r->counts[LEDGER_TLS], r->counts[LEDGER_FAILED]);
}

static void
print_facts(const struct ctl *c, const struct ledger_site *s)
{
	const struct ledger_record *r = &s->r;
	enum term_colour colour = in_trouble(s) ? TERM_RED : TERM_BOLD;
	char text[80];

	fputs(term_begin(c, colour), c->out);
	term_print(c, s->name);
	fprintf(c->out, "%s\n", term_end(c, colour));
	print_counts(c, r);
	term_fact(c, "last taken", "%s", r->ok_at == 0 ? "never" : term_when(c, r->ok_at, text));
	if (r->bad_at != 0)
		term_fact(c, "trouble", "%s%s%s", term_when(c, r->bad_at, text),
		    r->reason != NULL ? ": " : "", r->reason != NULL ? r->reason : "");
	if (r->relay != NULL)
		term_fact(c, "relay", "%s", r->relay);
	if (r->tls != NULL)
		term_fact(c, "TLS", "%s", r->tls);
	term_fact(c, "since", "%s", term_when(c, r->since, text));
}

/* --- as sendmail's hoststat --------------------------------------------------------------- */

/* "12:34:56", "2+03:04:05". */
static const char *
interval(int64_t s, char dst[40])
{
	char days[24] = "";

	if (s < 0)
		s = 0;
	if (s >= 86400)
		snprintf(days, sizeof(days), "%" PRId64 "+", s / 86400);
	snprintf(dst, 40, "%s%02d:%02d:%02d", days, (int)(s / 3600 % 24), (int)(s / 60 % 60),
	    (int)(s % 60));
	return dst;
}

enum {
	HOST_COLUMNS = 39,
	AGO_COLUMNS = 12,
	BEFORE_RESULT = 1 + HOST_COLUMNS + 1 + AGO_COLUMNS + 1
};

static void
print_host(struct ctl *c, const struct ledger_site *s)
{
	const struct ledger_record *r = &s->r;
	bool narrow = c->width > 0;
	size_t room = narrow && c->width > BEFORE_RESULT + 4 ? c->width - BEFORE_RESULT : 4;
	char result[2 * LEDGER_NAME_MAX], how_long[40];
	struct buf line;
	size_t used;

	if (in_trouble(s))
		str_copy(result, sizeof(result), r->reason != NULL ? r->reason : "trouble");
	else
		snprintf(result, sizeof(result), "OK%s%s", r->relay != NULL ? ", by " : "",
		    r->relay != NULL ? r->relay : "");
	buf_init(&line, LINE_MAX_BYTES);
	buf_addc(&line, ' ');
	used = term_clean(c, &line, s->name, narrow ? HOST_COLUMNS : 0);
	buf_addf(&line, "%*s %*s ", used < HOST_COLUMNS ? (int)(HOST_COLUMNS - used) : 0, "",
	    AGO_COLUMNS, interval(c->now - ledger_used_at(r), how_long));
	term_clean(c, &line, result, narrow ? room : 0);
	fprintf(c->out, "%s\n", buf_str(&line));
	buf_free(&line);
}

static void
print_hoststat(struct sites *ss)
{
	for (size_t i = 0; ss->all[i] != NULL && !ferror(ss->c->out); i++) {
		if (i == 0)
			fputs(" -------------- Hostname --------------- How long ago "
			      "---------Results---------\n",
			    ss->c->out);
		print_host(ss->c, ss->all[i]);
	}
}

/* --- as JSON ------------------------------------------------------------------------------ */

static void
print_json(FILE *out, const struct ledger_site *s)
{
	static const char *const keys[] = {[LEDGER_SENT] = "sent",
	    [LEDGER_DEFERRED] = "deferred",
	    [LEDGER_BOUNCED] = "bounced",
	    [LEDGER_MESSAGES] = "messages",
	    [LEDGER_BYTES] = "bytes",
	    [LEDGER_SESSIONS] = "connections",
	    [LEDGER_TLS] = "tls_connections",
	    [LEDGER_FAILED] = "failed_connections",
	    [LEDGER_DUPLICATES] = "duplicates"};
	const struct ledger_record *r = &s->r;
	struct json j = {.out = out};

	json_open(&j, NULL, '{');
	json_string(&j, "site", s->name);
	json_string(&j, "state", in_trouble(s) ? "trouble" : "ok");
	json_time(&j, "since", r->since);
	json_time(&j, "last_ok", r->ok_at);
	json_time(&j, "last_trouble", r->bad_at);
	json_string(&j, "reason", r->reason);
	json_string(&j, "relay", r->relay);
	json_string(&j, "tls", r->tls);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i] != NULL)
			json_number(&j, keys[i], (int64_t)r->counts[i]);
	json_close(&j, '}');
	putc('\n', out);
}

/* --- forgetting --------------------------------------------------------------------------- */

static bool
forget_if_meant(void *ctx, const struct ledger_site *s)
{
	struct sites *ss = ctx;
	bool meant = is_meant(ss, s);

	ss->forgotten += meant;
	return meant;
}

/* Runs write a few lines now and then, and are in the way for that long. */
static int
forget(struct sites *ss)
{
	int rc, tries = 0;

	do {
		ss->forgotten = 0;
		rc = ledger_forget(ss->c->program.spool, forget_if_meant, ss);
	} while (
	    rc == -1 && errno == EWOULDBLOCK && tries++ < FORGET_MS && sys.poll(NULL, 0, 1) == 0);
	if (rc == -1)
		return ctl_fail(EX_TEMPFAIL, "what is known of sites cannot be written: %s",
		    errno == EWOULDBLOCK ? "a run is writing to it" : strerror(errno));
	fprintf(ss->c->out, "forgot %zu site%s\n", ss->forgotten, ss->forgotten == 1 ? "" : "s");
	return EX_OK;
}

/* --- the command -------------------------------------------------------------------------- */

/* Those that are meant; the list ends with NULL. */
static void
choose(struct sites *ss)
{
	size_t n = 0;

	ss->all = ledger_sorted(&ss->book);
	for (size_t i = 0; i < ss->book.sites.count; i++)
		(void)is_meant(ss, ss->all[i]);
	look_for_domains(ss);
	for (size_t i = 0; i < ss->book.sites.count; i++)
		if (is_meant(ss, ss->all[i]))
			ss->all[n++] = ss->all[i];
	ss->all[n] = NULL;
}

static void
print(struct sites *ss, bool hoststat)
{
	struct ctl *c = ss->c;

	if (hoststat) {
		print_hoststat(ss);
		return;
	}
	if (!c->json && ss->nnames == 0) {
		print_table(ss);
		return;
	}
	for (size_t i = 0; ss->all[i] != NULL && !ferror(c->out); i++) {
		if (c->json) {
			print_json(c->out, ss->all[i]);
			continue;
		}
		if (i > 0)
			putc('\n', c->out);
		print_facts(c, ss->all[i]);
	}
}

int
ctl_sites(struct ctl *c, int argc, char **argv)
{
	struct sites ss = {.c = c};
	bool hoststat = false, forgets = false;
	const struct ctl_option options[] = {{"--json", &c->json, NULL},
	    {"--hoststat", &hoststat, NULL}, {"--forget", &forgets, NULL}, {NULL, NULL, NULL}};
	int rc = EX_OK;

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (c->json + hoststat + forgets > 1)
		return ctl_usage(c, "either --json, --hoststat or --forget");
	take_names(&ss, argc, argv);
	if (forgets) {
		rc = forget(&ss);
	} else if (ledger_read(c->program.spool, &ss.book) == -1) {
		rc = ctl_fail(
		    EX_TEMPFAIL, "what is known of sites cannot be read: %s", strerror(errno));
	} else {
		choose(&ss);
		print(&ss, hoststat);
	}
	if (rc == EX_OK)
		rc = complain_of_unknown(&ss, rc);
	free(ss.all);
	if (!forgets)
		ledger_book_free(&ss.book);
	forget_names(&ss);
	return rc;
}
