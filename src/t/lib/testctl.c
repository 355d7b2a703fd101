/* testctl.c: commands of sortiectl in this process. */
#include "testctl.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

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
