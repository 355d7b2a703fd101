/* testctl.c: commands of sortiectl in this process. */
#include "testctl.h"

#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "logcap.h"
#include "testspool.h"
#include "vclock.h"

void
testctl_init(struct testctl *t, struct spool *sp)
{
	memset(t, 0, sizeof(*t));
	config_init(&t->c.program.config);
	t->c.program.spool = sp;
	t->c.utf8 = true;
}

static void
forget(struct testctl *t)
{
	free(t->out);
	free(t->err);
	t->out = t->err = NULL;
}

void
testctl_free(struct testctl *t)
{
	forget(t);
	config_free(&t->c.program.config);
}

struct spool *
testctl_begin(struct testctl *t, int64_t now_s)
{
	struct spool *sp;

	setenv("TZ", "UTC0", 1);
	vclock_install(now_s);
	logcap_start();
	sp = testspool_open();
	testctl_init(t, sp);
	return sp;
}

void
testctl_end(struct testctl *t, struct spool **sp)
{
	testctl_free(t);
	testspool_close(sp);
	logcap_stop();
	sys = sys_libc;
}

/* Standard error goes to a file meanwhile; freed by the caller. */
static int
run(struct testctl *t, ctl_fn *command, int argc, char **argv)
{
	FILE *err = tmpfile();
	int saved = dup(STDERR_FILENO), rc;
	size_t n;

	ck_assert(err != NULL && saved >= 0);
	fflush(stderr);
	ck_assert_int_ge(dup2(fileno(err), STDERR_FILENO), 0);
	rc = command(&t->c, argc, argv);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	t->err = xcalloc(1, 65536);
	rewind(err);
	n = fread(t->err, 1, 65535, err);
	t->err[n] = '\0';
	fclose(err);
	return rc;
}

int
testctl_run(struct testctl *t, ctl_fn *command, const char *name, ...)
{
	struct ctl_command row = {.name = name, .synopsis = "...", .help = "..."};
	char *words[TESTCTL_ARGS + 1], *argv[TESTCTL_ARGS + 1]; /* commands move words about */
	const char *word;
	size_t size;
	int argc = 0, rc;
	va_list ap;

	va_start(ap, name);
	for (word = name; word != NULL; word = va_arg(ap, const char *)) {
		ck_assert_int_lt(argc, TESTCTL_ARGS);
		argv[argc] = words[argc] = xstrdup(word);
		argc++;
	}
	va_end(ap);
	argv[argc] = words[argc] = NULL;
	forget(t);
	t->c.command = &row;
	t->c.json = false;
	t->c.now = clock_wall_s();
	t->c.out = open_memstream(&t->out, &size);
	ck_assert_ptr_nonnull(t->c.out);
	rc = run(t, command, argc, argv);
	fclose(t->c.out);
	for (argc = 0; words[argc] != NULL; argc++)
		free(words[argc]);
	return rc;
}

static void
has(const char *all, const char *part)
{
	ck_assert_msg(strstr(all, part) != NULL, "no \"%s\" in:\n%s", part, all);
}

void
testctl_shows(const struct testctl *t, const char *part)
{
	has(t->out, part);
}

void
testctl_tells(const struct testctl *t, const char *part)
{
	has(t->err, part);
}

struct jtree *
testctl_json(const struct testctl *t, const char *start, const char *schema)
{
	static char text[16384];
	struct jtree *rules, *value;
	char why[512] = "";
	const char *line = strstr(t->out, start);
	FILE *f = fopen(schema, "r");

	ck_assert_msg(f != NULL, "no %s", schema);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	ck_assert_msg(line != NULL, "no %s in %s", start, t->out);
	rules = jtree_parse(text, strlen(text), why, sizeof(why));
	ck_assert_msg(rules != NULL, "schema: %s", why);
	value = jtree_parse(line, strcspn(line, "\n"), why, sizeof(why));
	ck_assert_msg(value != NULL, "%s: %s", why, line);
	ck_assert_msg(jtree_is(rules, value, why, sizeof(why)), "%s: %s", why, line);
	jtree_free(&rules);
	return value;
}

/* --- a queue ------------------------------------------------------------------------------ */

void
testctl_add(struct spool *sp, char id[ENVELOPE_ID_MAX + 1], const char *sender, int64_t age_s,
    const char *a, const char *b)
{
	const char *const recipients[] = {a, b, NULL};

	testspool_add(sp,
	    &(struct testspool_message){.sender = sender,
		.recipients = recipients,
		.body = "Subject: x\r\n\r\nhello\rthere\r\n",
		.source_room = "cron",
		.uid = 1000,
		.submitted = clock_wall_s() - age_s},
	    id);
}

void
testctl_append(struct spool *sp, const char *id, const char *lines)
{
	char path[1100];
	int fd;

	snprintf(path, sizeof(path), "%s/ctl/%s", spool_path(sp), id);
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, lines, strlen(lines)), (ssize_t)strlen(lines));
	close(fd);
}

void
testctl_fill(struct spool *sp, struct testctl_queue *q)
{
	char tried[256];

	testctl_add(sp, q->young, "root@host.example.org", 60, "bob@one.example", NULL);
	testctl_add(
	    sp, q->old, "alice@example.org", 2 * 86400, "carol@one.example", "dave@mx.two.example");
	testctl_add(sp, q->held, "", 3600, "erin@three.example", NULL);
	snprintf(tried, sizeof(tried),
	    "remote|carol@one.example|2|250 ok\nremote|dave@mx.two.example|4|451 4.7.1 later\n"
	    "attempted|%lld\nretry|7200\n",
	    (long long)clock_wall_s() - 1000);
	testctl_append(sp, q->old, tried);
	testctl_append(sp, q->held, "hold|1\n");
}
