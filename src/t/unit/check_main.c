/*
 * check_main.c: runs every suite, or those named on the command line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/unit/suites.h"

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* CK_RUN_SUITE names one suite; that is how Check itself filters. */
int
main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
	double start = now_s();
	int run, failed;

	for (suite_fn *const *s = suites; *s != NULL; s++)
		srunner_add_suite(runner, (*s)());
	if (argc > 1)
		srunner_run(runner, argv[1], argc > 2 ? argv[2] : NULL, CK_NORMAL);
	else
		srunner_run_all(runner, CK_NORMAL);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	printf("%d passed, %d failed (%.1f s)\n", run - failed, failed, now_s() - start);
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
