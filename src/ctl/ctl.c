/* ctl.c: what the commands share: rights, the spool, options, complaints. */
#include "ctl/ctl.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "privilege.h"

enum { SHOWN_MAX = 80 /* of somebody's word, in a complaint */, PROGRESS_MS = 250 };

static struct {
	bool shown;
	int64_t next_ms; /* 0: it has not begun */
} progress;

static void
clear_progress(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.shown = false;
}

static void complain(const char *fmt, va_list ap) LOG_PRINTF(1, 0);

static void
complain(const char *fmt, va_list ap)
{
	clear_progress();
	fputs("sortiectl: ", stderr);
	vfprintf(stderr, fmt, ap);
	putc('\n', stderr);
}

int
ctl_fail(int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	return rc;
}

int
ctl_usage(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fprintf(stderr, "usage: sortiectl %s %s\n", c->command->name, c->command->synopsis);
	return EX_USAGE;
}

void
ctl_progress(const struct ctl *c, const char *fmt, ...)
{
	int64_t now = clock_mono_ms();
	va_list ap;

	if (!c->progress || (progress.next_ms != 0 && now < progress.next_ms))
		return;
	if (progress.next_ms != 0) {
		putc('\r', stderr);
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
		fputs("\033[K", stderr);
		fflush(stderr);
		progress.shown = true;
	}
	progress.next_ms = now + PROGRESS_MS;
}

void
ctl_progress_end(void)
{
	clear_progress();
	progress.next_ms = 0;
}

/* --- rights ------------------------------------------------------------------------------- */

/* A spool that is not there yet is whoever's who makes it. */
static bool
is_for_caller(const struct program *p)
{
	struct stat st;

	return program_may_see_all(p) || (stat(p->config.spool, &st) == -1 && errno == ENOENT);
}

/*
 * Nobody but root and the owner could read the spool anyway. That is said before anything is tried, and
 * before the log is opened, by whoever may not.
 */
int
ctl_take_rights(struct ctl *c)
{
	struct program *p = &c->program;
	int rc;

	config_free(&p->config); /* reading begins it anew */
	if (privilege_caller() != 0) {
		rc = program_read_config(p);
		if (rc == EX_OK && !is_for_caller(p))
			return ctl_fail(EX_NOPERM,
			    "the spool %s is for root and its owner; mailq shows you your own mail",
			    p->config.spool);
		config_free(&p->config);
		if (rc != EX_OK)
			return ctl_fail(rc, "%s", p->why);
	}
	rc = program_take_rights(p);
	return rc == EX_OK ? EX_OK : ctl_fail(rc, "%s", p->why);
}

int
ctl_open_spool(struct ctl *c)
{
	struct program *p = &c->program;
	int rc = spool_open(&p->spool, p->config.spool, p->why, sizeof(p->why));

	return rc == EX_OK ? EX_OK : ctl_fail(rc, "%s", p->why);
}

/* --- options ------------------------------------------------------------------------------ */

static int
usage_about(const struct ctl *c, const char *what, const char *word)
{
	char shown[SHOWN_MAX];

	str_clean(shown, sizeof(shown), word, strlen(word));
	return ctl_usage(c, "%s %s", shown, what);
}

/* Whether the word is that option; *value: what stands behind its "=", NULL: nothing does. */
static bool
is_option(const struct ctl_option *o, const char *word, const char **value)
{
	size_t n = strlen(o->name);

	*value = NULL;
	if (strncmp(word, o->name, n) != 0)
		return false;
	if (word[n] == '=' && str_starts(word, "--"))
		*value = word + n + 1;
	return word[n] == '\0' || *value != NULL;
}

/* argv[i] is an option: takes its value, too. Returns the index of the next word, -1: it has been said. */
static int
take_option(const struct ctl *c, const struct ctl_option *o, int i, int argc, char **argv)
{
	const char *value = NULL;

	while (o->name != NULL && !is_option(o, argv[i], &value))
		o++;
	if (o->name == NULL)
		return usage_about(c, "is no option of this command", argv[i]), -1;
	if (o->flag != NULL) {
		if (value != NULL)
			return usage_about(c, "takes no value", argv[i]), -1;
		*o->flag = true;
		return i + 1;
	}
	if (*o->value != NULL) /* which of the two was meant? */
		return usage_about(c, "may be given once", o->name), -1;
	if (value == NULL && i + 1 < argc)
		value = argv[++i];
	if (value == NULL)
		return usage_about(c, "needs a value", o->name), -1;
	*o->value = value;
	return i + 1;
}

int
ctl_options(struct ctl *c, const struct ctl_option *options, int *argc, char **argv)
{
	int i = 1, kept = 1;
	bool ended = false;

	while (i < *argc) {
		if (ended || argv[i][0] != '-' || argv[i][1] == '\0') { /* "-" is an operand */
			argv[kept++] = argv[i++];
		} else if (strcmp(argv[i], "--") == 0) {
			ended = true;
			i++;
		} else if ((i = take_option(c, options, i, *argc, argv)) == -1) {
			return EX_USAGE;
		}
	}
	*argc = kept;
	return EX_OK;
}
