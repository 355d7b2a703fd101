/*
 * check_whole: tests of the program as it was built. Usage: check_whole SORTIE SENDMAIL SINK [SORTIECTL]
 * (paths; the second is the front's, and what it may be asked to do is tested of both).
 */
#include <sys/wait.h>

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "kit.h"
#include "suites.h"

static const struct {
	Suite *(*make)(void);
	bool front; /* of the front */
} suites[] = {{suite_whole_submit, false}, {suite_whole_submit, true},
    {suite_whole_background, false}, {suite_whole_background, true}, {suite_whole_runners, false},
    {suite_whole_signals, false}, {suite_whole_signals, true}, {suite_whole_tls, false},
    {suite_whole_hostile, false}, {suite_whole_keeper, false}, {suite_whole_keeper, true},
    {suite_whole_helpers, false}, {suite_whole_local, false}, {suite_whole_local, true},
    {suite_whole_front, true}, {suite_whole_smtp, false}, {suite_whole_smtp, true},
    {suite_whole_aliases, false}, {suite_whole_aliases, true}, {suite_whole_ctl, false},
    {suite_whole_trace, false}, {suite_whole_check, false}, {suite_whole_import, false},
    {suite_whole_sites, false}, {suite_whole_sites, true}};

static char paths[4][PATH_MAX];

enum { NSUITES = sizeof(suites) / sizeof(suites[0]) };

static int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed, run;

	srunner_set_fork_status(runner, CK_FORK); /* tests change limits, and may leave children */
	srunner_run_all(runner, CK_NORMAL);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Where the system does not tell a program where it is, the front finds only what is installed. */
static bool
can_run(size_t i)
{
	if ((suites[i].make == suite_whole_ctl || suites[i].make == suite_whole_trace ||
		suites[i].make == suite_whole_check || suites[i].make == suite_whole_import ||
		suites[i].make == suite_whole_sites) &&
	    kit.ctl == NULL)
		return false;
	return !suites[i].front || access("/proc/self/exe", F_OK) == 0;
}

/* The suites side by side, each a process: mostly they wait for the disk. */
int
main(int argc, char **argv)
{
	int64_t start_ms = kit_now_ms();
	pid_t pids[NSUITES];
	int failed = 0, status;

	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: check_whole SORTIE SENDMAIL SINK [SORTIECTL]\n");
		return EXIT_FAILURE;
	}
	descriptors_close(-1, false); /* make's job server, say: tests count them */
	for (int i = 0; i < argc - 1; i++)
		if (realpath(argv[1 + i], paths[i]) == NULL) {
			fprintf(stderr, "check_whole: no %s\n", argv[1 + i]);
			return EXIT_FAILURE;
		}
	kit.sortie = paths[0];
	kit.sink = paths[2];
	kit.ctl = argc == 5 ? paths[3] : NULL;
	fflush(stdout);
	for (size_t i = 0; i < NSUITES; i++)
		if ((pids[i] = fork()) == 0) {
			kit.front = suites[i].front ? paths[1] : NULL;
			exit(can_run(i) ? run_suite(suites[i].make()) : EXIT_SUCCESS);
		}
	for (size_t i = 0; i < NSUITES; i++)
		failed += waitpid(pids[i], &status, 0) != pids[i] || status != 0;
	printf("whole: %d of %d suites failed (%.1f s)\n", failed, NSUITES,
	    (double)(kit_now_ms() - start_ms) / 1000.0);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
