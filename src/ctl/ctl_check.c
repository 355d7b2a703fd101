/* ctl_check.c: the checks of an installation in their order, and how they report. */
#include "ctl/ctl_check.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"

#ifndef PROGRAM
#define PROGRAM "/usr/local/sbin/sortie"
#endif

enum { NETWORK_MS = 10 * 1000, INDENT = 16, WIDTH_MIN = 40, TEXT_MAX = 1536 };

enum when { ALWAYS, CONFIGURED, AS_OWNER, ASKING };

/* Each needs what those above it do. */
static const struct {
	const char *name;
	check_fn *run;
	enum when when;
} checks[] = {
    {"config", check_config, ALWAYS},
    {"user", check_user, ALWAYS},
    {"programs", check_programs, ALWAYS},
    {"names", check_names, ALWAYS},
    {"login", check_credentials, CONFIGURED},
    {"ca", check_ca, CONFIGURED},
    {"log", check_log, CONFIGURED},
    {"spool", check_spool, CONFIGURED},
    {"runs", check_runs, CONFIGURED},
    {"runs", check_last_run, AS_OWNER},
    {"queue", check_queue, AS_OWNER},
    {"hostname", check_hostname, ASKING},
    {"dns", check_nameservers, ASKING},
    {"delivery", check_delivery, ASKING},
};

static const struct {
	const char *word; /* of the table and of JSON */
	enum term_colour colour;
} results[] = {{"ok", TERM_GREEN}, {"hint", TERM_BOLD}, {"warn", TERM_YELLOW}, {"fail", TERM_RED}};

/* --- reporting ---------------------------------------------------------------------------- */

void
check_type(struct check *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(k->command, sizeof(k->command), fmt, ap);
	va_end(ap);
}

static void
print_json(const struct check *k, enum check_result result, const char *text)
{
	struct json j = {.out = k->c->out};

	json_open(&j, NULL, '{');
	json_string(&j, "check", k->name);
	json_string(&j, "result", results[result].word);
	json_string(&j, "text", text);
	json_string(&j, "command", k->command[0] == '\0' ? NULL : k->command);
	json_close(&j, '}');
	putc('\n', k->c->out);
}

/* Filled on a terminal, below itself; words are not cut. */
static void
print_text(const struct ctl *c, const char *text)
{
	char word[TEXT_MAX];
	size_t at = INDENT, n, columns;
	struct buf shown;

	if (c->width < WIDTH_MIN) {
		term_print(c, text);
		return;
	}
	buf_init(&shown, sizeof(word) * 4);
	for (; *text != '\0'; text += n + strspn(text + n, " ")) {
		n = strcspn(text, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		buf_clear(&shown);
		columns = term_clean(c, &shown, word, 0);
		if (at > INDENT && at + 1 + columns > c->width) {
			fprintf(c->out, "\n%*s", INDENT, "");
			at = INDENT;
		} else if (at > INDENT) {
			putc(' ', c->out);
			at++;
		}
		fputs(buf_str(&shown), c->out);
		at += columns;
	}
	buf_free(&shown);
}

static void
print_line(const struct check *k, enum check_result result, const char *text)
{
	const struct ctl *c = k->c;

	fprintf(c->out, "%s%-4s%s  %-9s ", term_begin(c, results[result].colour),
	    result == CHECK_FAIL ? "FAIL" : results[result].word,
	    term_end(c, results[result].colour), k->name);
	print_text(c, text);
	if (k->command[0] != '\0') {
		fputs("\n\t", c->out);
		term_print(c, k->command);
	}
	putc('\n', c->out);
}

void
check_say(struct check *k, enum check_result result, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (k->c->json)
		print_json(k, result, text);
	else
		print_line(k, result, text);
	fflush(k->c->out); /* some take their time, and a child must not print it again */
	k->command[0] = '\0';
	if (result > k->worst)
		k->worst = result;
	if (result > k->worst_of_this)
		k->worst_of_this = result;
}

/* --- running them ------------------------------------------------------------------------- */

/*
 * From here on nothing is done that the spool's owner could not do: what is in the spool need not be meant
 * well. Where the spool itself is not in order nothing in it is looked at, as opening it would make what
 * is missing.
 */
static bool
become_owner(struct check *k, bool spool_is_well)
{
	struct ctl *c = k->c;
	int rc;

	rc = ctl_take_rights(c);
	if (rc == EX_OK && spool_is_well)
		rc = ctl_open_spool(c);
	k->rc = rc;
	return rc == EX_OK;
}

static void
run_checks(struct check *k)
{
	bool spool_is_well = false, owner = false, tried = false;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i].when >= CONFIGURED && !k->configured)
			continue;
		if (checks[i].when == ASKING && k->no_network)
			continue;
		if (checks[i].when >= AS_OWNER && !tried) {
			tried = true;
			owner = become_owner(k, spool_is_well);
			k->deadline_ms = clock_mono_ms() + NETWORK_MS;
		}
		if (checks[i].when >= AS_OWNER && !owner)
			continue;
		if (checks[i].when == AS_OWNER && !spool_is_well)
			continue;
		k->name = checks[i].name;
		k->worst_of_this = CHECK_OK;
		checks[i].run(k);
		if (checks[i].run == check_spool)
			spool_is_well = k->worst_of_this != CHECK_FAIL;
	}
}

bool
check_begin(struct check *k, const char *program)
{
	const char *slash;

	k->own = program != NULL || k->c->program.options.config != NULL;
	k->program = program != NULL ? program : PROGRAM;
	k->root = "";
	k->user = SORTIEUSER;
	if (k->program[0] != '/')
		return ctl_usage(k->c, "--program: write the whole path"), false;
	slash = strrchr(k->program, '/');
	if (snprintf(k->folder, sizeof(k->folder), "%.*s", (int)(slash - k->program), k->program) >=
	    (int)sizeof(k->folder))
		return ctl_usage(k->c, "--program: that is too long"), false;
	snprintf(k->front, sizeof(k->front), "%s/sortie-sendmail", k->folder);
	return true;
}

int
ctl_check(struct ctl *c, int argc, char **argv)
{
	struct check k = {.c = c};
	const char *program = NULL;
	const struct ctl_option options[] = {{"--json", &c->json, NULL},
	    {"--no-network", &k.no_network, NULL}, {"-n", &k.no_network, NULL},
	    {"--program", NULL, &program}, {NULL, NULL, NULL}};

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (argc > 2)
		return ctl_usage(c, "one domain is tried");
	k.domain = argc == 2 ? argv[1] : NULL;
	if (!check_begin(&k, program))
		return EX_USAGE;
	run_checks(&k);
	if (k.rc != EX_OK)
		return k.rc;
	return k.worst == CHECK_FAIL ? EX_CONFIG : EX_OK;
}
