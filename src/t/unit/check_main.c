/*
 * check_main.c: runs every suite, or one, or one test case of it.
 *
 * Usage: check [-j N], check [SUITE [CASE]]. -j: that many at a time, and only failures are shown.
 */
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "t/unit/suites.h"

struct tally {
	int run, failed;
};

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
take_tally(SRunner *runner, struct tally *t)
{
	t->run += srunner_ntests_run(runner);
	t->failed += srunner_ntests_failed(runner);
	srunner_free(runner);
}

static struct tally
run_here(const char *suite, const char *test_case)
{
	SRunner *runner = srunner_create(NULL);
	struct tally t = {0};

	for (suite_fn *const *s = suites; *s != NULL; s++)
		srunner_add_suite(runner, (*s)());
	if (suite != NULL)
		srunner_run(runner, suite, test_case, CK_NORMAL);
	else
		srunner_run_all(runner, CK_NORMAL);
	take_tally(runner, &t);
	return t;
}

/* Takes the number of a suite from the pipe as long as there is one. */
static void
work(int queue, int results)
{
	struct tally t = {0};
	unsigned char number;

	while (read(queue, &number, 1) == 1) {
		SRunner *runner = srunner_create(suites[number]());

		srunner_run_all(runner, CK_SILENT);
		if (srunner_ntests_failed(runner) > 0)
			srunner_print(runner, CK_NORMAL);
		fflush(stdout); /* or the next child has it too */
		take_tally(runner, &t);
	}
	_exit(write(results, &t, sizeof(t)) == (ssize_t)sizeof(t) ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* The last suites take longest, so they are begun first. A worker that is lost counts as a failure. */
static struct tally
run_in_workers(int workers)
{
	struct tally t = {0}, one;
	int queue[2], results[2], n = 0, status;

	if (pipe(queue) != 0 || pipe(results) != 0)
		return t;
	while (suites[n] != NULL)
		n++;
	for (unsigned char i = (unsigned char)n; i-- > 0;)
		if (write(queue[1], &i, 1) != 1)
			t.failed++;
	close(queue[1]);
	fflush(stdout);
	for (int i = 0; i < workers; i++)
		if (fork() == 0)
			work(queue[0], results[1]);
	close(results[1]);
	while (wait(&status) > 0)
		t.failed += status != 0;
	while (read(results[0], &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		t.run += one.run;
		t.failed += one.failed;
	}
	return t;
}

int
main(int argc, char **argv)
{
	double start = now_s();
	struct tally t;

	descriptors_close(-1, false); /* make's job server, say: tests count them */
	if (argc == 3 && strcmp(argv[1], "-j") == 0)
		t = run_in_workers((int)strtol(argv[2], NULL, 10));
	else
		t = run_here(argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : NULL);
	printf("%d passed, %d failed (%.1f s)\n", t.run - t.failed, t.failed, now_s() - start);
	return t.failed == 0 && t.run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
