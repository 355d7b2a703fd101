/*
 * options.c: the sendmail command line. Every option letter is a row of one table.
 *
 * getopt(3) is not used: sendmail's -q and -d take their argument attached or not at all, and what
 * a libc does about that, about options behind recipients and about errors differs.
 */
#include "options.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

enum { DAEMON_INTERVAL_S = 300 };

struct parse {
	struct options *o;
	size_t filters_cap;
	bool queue_run; /* any -q */
	const char *mode_option; /* "-bs", for messages */
	char *why;
	size_t whysize;
};

/* Takes an option's argument ("" for one without); false: why says what is wrong. */
typedef bool option_fn(struct parse *p, const char *arg);

enum argument { ARG_NONE, ARG_REQUIRED, ARG_ATTACHED }; /* ATTACHED: "-q5m" or a plain "-q" */

struct option {
	char letter;
	enum argument argument;
	option_fn *fn; /* NULL: accepted, means nothing here */
};

static bool usage(struct parse *p, const char *fmt, ...) LOG_PRINTF(2, 3);

static bool
usage(struct parse *p, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	str_clean(p->why, p->whysize, line, strlen(line));
	return false;
}

static bool
take_mode(struct parse *p, const char *arg)
{
	static const struct {
		char letter;
		enum mode mode;
		const char *option;
	} modes[] = {
	    {'m', MODE_SUBMIT, "-bm"},
	    {'p', MODE_MAILQ, "-bp"},
	    {'s', MODE_SMTP, "-bs"},
	    {'v', MODE_VERIFY, "-bv"},
	    {'i', MODE_ALIASES, "-bi"},
	    {'h', MODE_HOSTSTAT, "-bh"},
	    {'H', MODE_PURGESTAT, "-bH"},
	    {'d', MODE_QUEUE, "-bd"},
	    {'D', MODE_QUEUE, "-bD"},
	};

	if (strcmp(arg, "t") == 0)
		return usage(p, "-bt: there are no address rules to test; try -v or -bv");
	if (strcmp(arg, "P") == 0)
		return usage(p, "-bP is not supported; -bp shows the queue and its totals");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (arg[0] != modes[i].letter || arg[1] != '\0')
			continue;
		p->o->mode = modes[i].mode;
		p->o->daemon = modes[i].mode == MODE_QUEUE;
		p->mode_option = modes[i].option;
		return true;
	}
	return usage(p, "-b%s: unknown mode; known are -bm -bp -bs -bv -bi -bd -bh -bH", arg);
}

static bool
take_filter(struct parse *p, const char *arg, bool inverted)
{
	struct queue_filter *f;

	if (arg[1] == '\0')
		return usage(
		    p, "-q%c needs a text to look for, as in -q%cexample.org", arg[0], arg[0]);
	p->o->filters = xgrow(p->o->filters, p->o->nfilters, &p->filters_cap, sizeof(*f));
	f = &p->o->filters[p->o->nfilters++];
	f->which = arg[0];
	f->inverted = inverted;
	f->text = arg + 1;
	return true;
}

/* -q, -qTIME (minutes when no unit is given), -q[!]I -q[!]R -q[!]S; -qf is a plain -q, and -qpTIME
 * (a persistent runner) is -qTIME. */
static bool
take_queue(struct parse *p, const char *arg)
{
	bool inverted = arg[0] == '!';
	const char *filter = arg + (inverted ? 1 : 0);

	p->queue_run = true;
	if (filter[0] != '\0' && strchr("IRS", filter[0]) != NULL)
		return take_filter(p, filter, inverted);
	if (strcmp(arg, "f") == 0)
		return true;
	if (arg[0] == '\0')
		return true;
	if (arg[0] == 'p' && *++arg == '\0') {
		p->o->interval_s = DAEMON_INTERVAL_S;
		return true;
	}
	if (!str_duration(arg, 60, &p->o->interval_s))
		return usage(p,
		    "-q%s: neither a time (-q5m) nor a filter (-qIid -qRrecipient -qSsender)", arg);
	return true;
}

static bool
take_delivery(struct parse *p, const char *arg)
{
	switch (arg[0]) {
	case '\0':
	case 'b':
		p->o->delivery = DELIVER_BACKGROUND;
		return true;
	case 'i':
		p->o->delivery = DELIVER_NOW;
		return true;
	case 'q':
	case 'd':
		p->o->delivery = DELIVER_QUEUE;
		return true;
	default:
		return usage(p,
		    "%s: unknown delivery mode; known are b (background), i (now), q (queue)", arg);
	}
}

/* sendmail's booleans: nothing, t, true, y, yes or 1. */
static bool
is_true(const char *s)
{
	return s[0] == '\0' || strchr("tTyY1", s[0]) != NULL;
}

static bool
refuse_queue_directory(struct parse *p)
{
	return usage(p, "another queue directory is chosen with `spool` in a file for -C");
}

/*
 * Settings that sendmail takes from everybody; with any other it gives up its rights. They mean
 * nothing here, but what is harmless in one version may not be in the next.
 */
static const char safe_letters[] = "78bCdeijLmoprsv";
static const char *const safe_names[] = {"AllowBogusHELO", "CheckpointInterval", "ColonOkInAddr",
    "DefaultCharSet", "DeliveryMode", "EightBitMode", "ErrorMode", "IgnoreDots", "LogLevel",
    "MaxQueueRunSize", "MeToo", "MinFreeBlocks", "MinQueueAge", "NoRecipientAction",
    "OldStyleHeaders", "PrivacyOptions", "QueueSortOrder", "SendMimeErrors", "SevenBitInput",
    "SingleLineFromHeader", "SuperSafe", "Timeout", "Verbose"};

static bool
is_safe_name(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(safe_names) / sizeof(safe_names[0]); i++)
		if (strlen(safe_names[i]) == n && str_neqi(name, safe_names[i], n))
			return true;
	return false;
}

static bool
take_short_setting(struct parse *p, const char *arg) /* -ox[value] */
{
	if (arg[0] != '\0' && strchr(safe_letters, arg[0]) == NULL)
		p->o->as_caller = true;
	switch (arg[0]) {
	case 'i':
		p->o->ignore_dots = is_true(arg + 1);
		break;
	case 'v':
		p->o->verbose = is_true(arg + 1);
		break;
	case 'd':
		return take_delivery(p, arg + 1);
	case 'Q':
		return refuse_queue_directory(p);
	}
	return true;
}

static bool
take_long_setting(struct parse *p, const char *arg) /* -O Name=value */
{
	size_t n = strcspn(arg, "=");
	const char *value = arg[n] == '=' ? arg + n + 1 : "";

	if (!is_safe_name(arg, strcspn(arg, "=.")))
		p->o->as_caller = true;
	if (n == strlen("DeliveryMode") && str_neqi(arg, "DeliveryMode", n))
		return take_delivery(p, value);
	if (n == strlen("QueueDirectory") && str_neqi(arg, "QueueDirectory", n))
		return refuse_queue_directory(p);
	if (n == strlen("IgnoreDots") && str_neqi(arg, "IgnoreDots", n))
		p->o->ignore_dots = is_true(value);
	if (n == strlen("Verbose") && str_neqi(arg, "Verbose", n))
		p->o->verbose = is_true(value);
	return true;
}

static bool
take_config(struct parse *p, const char *arg)
{
	p->o->config = arg;
	p->o->as_caller = true;
	return true;
}

static bool
take_debug(struct parse *p, const char *arg)
{
	(void)arg;
	p->o->as_caller = true;
	return true;
}

static bool
take_sender(struct parse *p, const char *arg)
{
	p->o->sender = strcmp(arg, "<>") == 0 ? "" : arg;
	return true;
}

static bool
take_full_name(struct parse *p, const char *arg)
{
	p->o->full_name = arg;
	return true;
}

static bool
take_i(struct parse *p, const char *arg)
{
	(void)arg;
	p->o->ignore_dots = true;
	return true;
}

static bool
take_t(struct parse *p, const char *arg)
{
	(void)arg;
	p->o->from_headers = true;
	return true;
}

static bool
take_v(struct parse *p, const char *arg)
{
	(void)arg;
	p->o->verbose = true;
	return true;
}

static bool
take_I(struct parse *p, const char *arg)
{
	(void)arg;
	return take_mode(p, "i");
}

/* A file of the caller's choice, written by a program that may have more rights than he. */
static bool
refuse_file(struct parse *p, const char *arg)
{
	return usage(p, "%s: writing a transcript to a file is not supported; -v shows it", arg);
}

static bool
refuse_quarantine(struct parse *p, const char *arg)
{
	(void)arg;
	return usage(p, "-Q: quarantining queued mail is not supported");
}

static const struct option table[] = {
    {'A', ARG_REQUIRED, NULL}, /* -Ac -Am: there is one configuration */
    {'B', ARG_REQUIRED, NULL}, /* body type: seen in the body */
    {'b', ARG_REQUIRED, take_mode},
    {'C', ARG_REQUIRED, take_config},
    {'c', ARG_NONE, NULL},
    {'D', ARG_REQUIRED, refuse_file},
    {'d', ARG_ATTACHED, take_debug}, /* there is nothing to debug with */
    {'e', ARG_REQUIRED, NULL}, /* how to report errors: exit code and stderr */
    {'F', ARG_REQUIRED, take_full_name},
    {'f', ARG_REQUIRED, take_sender},
    {'G', ARG_NONE, NULL}, /* relayed from elsewhere */
    {'h', ARG_REQUIRED, NULL}, /* hop count: Received lines are counted */
    {'I', ARG_NONE, take_I},
    {'i', ARG_NONE, take_i},
    {'L', ARG_REQUIRED, NULL}, /* syslog tag */
    {'M', ARG_REQUIRED, NULL}, /* macro */
    {'m', ARG_NONE, NULL}, /* "me too" */
    {'N', ARG_REQUIRED, NULL}, /* DSN conditions */
    {'n', ARG_NONE, NULL}, /* no aliases */
    {'O', ARG_REQUIRED, take_long_setting},
    {'o', ARG_REQUIRED, take_short_setting},
    {'p', ARG_REQUIRED, NULL}, /* protocol and host received from */
    {'Q', ARG_ATTACHED, refuse_quarantine},
    {'q', ARG_ATTACHED, take_queue},
    {'R', ARG_REQUIRED, NULL}, /* how much a DSN returns */
    {'r', ARG_REQUIRED, take_sender},
    {'s', ARG_NONE, NULL}, /* keep From lines */
    {'t', ARG_NONE, take_t},
    {'U', ARG_NONE, NULL}, /* initial submission */
    {'V', ARG_REQUIRED, NULL}, /* envelope id */
    {'v', ARG_NONE, take_v},
    {'X', ARG_REQUIRED, refuse_file},
};

static const struct option *
find_option(char letter)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].letter == letter)
			return &table[i];
	return NULL;
}

/* One argument that starts with a dash: letters, of which the last may take the rest of it or the
 * next argument. *i is moved over what it took. */
static bool
parse_letters(struct parse *p, int argc, char **argv, int *i)
{
	const char *s = argv[*i] + 1;

	for (; *s != '\0'; s++) {
		const struct option *opt = find_option(*s);
		const char *arg = s + 1;

		if (opt == NULL)
			return usage(p,
			    "unknown option -%c%s%s; a recipient that starts with a dash "
			    "goes behind --",
			    *s, argv[*i][2] != '\0' ? " in " : "",
			    argv[*i][2] != '\0' ? argv[*i] : "");
		if (opt->argument == ARG_NONE) {
			if (opt->fn != NULL && !opt->fn(p, ""))
				return false;
			continue;
		}
		if (opt->argument == ARG_REQUIRED && *arg == '\0') {
			if (*i + 1 >= argc || argv[*i + 1] == NULL) {
				if (*s != 'V')
					return usage(p, "-%c needs an argument", *s);
				p->o->mode = MODE_VERSION;
				return true;
			}
			arg = argv[++*i];
		}
		return opt->fn == NULL || opt->fn(p, arg);
	}
	return true;
}

/* --deliver=UID:ORDERS:ID, --deliver-for=UID:LOCK: for whom, with which descriptor, and what. For ourselves,
 * and for no one else. */
static bool
take_deliver(struct parse *p, const char *arg)
{
	bool one = str_starts(arg, "=");
	size_t skip = strlen(one ? "=" : "-for="), n = strcspn(arg, ":");
	const char *second = arg + n + (arg[n] == ':' ? 1 : 0);
	size_t m = strcspn(second, ":");
	uint64_t uid = 0, fd = 0;

	p->o->mode = MODE_DELIVER;
	if ((!one && !str_starts(arg, "-for=")) || (second[m] == ':') != one ||
	    !str_u64n(arg + skip, n - skip, UINT32_MAX, &uid) || !str_u64n(second, m, INT_MAX, &fd))
		return usage(p, "--deliver%s: what is to be delivered?", arg);
	p->o->id = one ? second + m + 1 : NULL;
	p->o->uid = (long long)uid;
	p->o->fd = (int)fd;
	return true;
}

static bool
parse_argument(struct parse *p, int argc, char **argv, int *i)
{
	const char *s = argv[*i];

	if (strcmp(s, "--version") == 0) {
		p->o->mode = MODE_VERSION;
		return true;
	}
	if (str_starts(s, "--deliver"))
		return take_deliver(p, s + strlen("--deliver"));
	if (s[1] == '-' || s[1] == '\0')
		return usage(p, "%s: unknown option; see sendmail's, or --version", s);
	return parse_letters(p, argc, argv, i);
}

static enum mode
persona(const char *argv0)
{
	const char *base = argv0 == NULL ? NULL : strrchr(argv0, '/');

	base = base != NULL ? base + 1 : argv0;
	if (base == NULL)
		return MODE_SUBMIT;
	if (strcmp(base, "mailq") == 0)
		return MODE_MAILQ;
	if (strcmp(base, "newaliases") == 0)
		return MODE_ALIASES;
	if (strcmp(base, "hoststat") == 0)
		return MODE_HOSTSTAT;
	if (strcmp(base, "purgestat") == 0)
		return MODE_PURGESTAT;
	return MODE_SUBMIT; /* sendmail, send-mail, sortie */
}

/* What the options mean together. */
static bool
settle(struct parse *p)
{
	struct options *o = p->o;

	if (o->mode == MODE_VERSION || o->mode == MODE_MAILQ)
		return true; /* mailq -q, mailq -qR: the filters are its own */
	if (p->queue_run && o->mode != MODE_SUBMIT && o->mode != MODE_QUEUE)
		return usage(p, "-q does not go together with %s",
		    p->mode_option == NULL ? "this command" : p->mode_option);
	if (p->queue_run)
		o->mode = MODE_QUEUE;
	if (o->mode != MODE_QUEUE)
		return true;
	if (o->nrecipients > 0)
		return usage(p, "-q takes no recipients (%s); a time is attached, as in -q5m",
		    o->recipients[0]);
	if (o->nfilters > 0 && (o->interval_s > 0 || o->daemon))
		return usage(p, "filters (-qI -qR -qS) are for a single run, without a time");
	if (o->daemon && o->interval_s == 0)
		o->interval_s = DAEMON_INTERVAL_S;
	return true;
}

int
options_parse(struct options *o, int argc, char **argv, char *why, size_t whysize)
{
	struct parse p = {.o = o, .why = why, .whysize = whysize};
	bool ended = false;

	*o = (struct options){.mode = persona(argc > 0 ? argv[0] : NULL)};
	o->recipients = xcalloc((size_t)(argc > 0 ? argc : 0) + 1, sizeof(char *));
	for (int i = 1; i < argc && argv[i] != NULL; i++) {
		if (!ended && strcmp(argv[i], "--") == 0)
			ended = true;
		else if (ended || argv[i][0] != '-')
			o->recipients[o->nrecipients++] = argv[i];
		else if (!parse_argument(&p, argc, argv, &i))
			return EX_USAGE;
	}
	return settle(&p) ? 0 : EX_USAGE;
}

void
options_free(struct options *o)
{
	free(o->filters);
	free(o->recipients);
	*o = (struct options){0};
}
