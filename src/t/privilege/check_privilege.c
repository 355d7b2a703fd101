/*
 * check_privilege: what other users can do to the program and to mail, and it to them.
 *
 *	check_privilege DIR             the tests; the program is installed below DIR (run.sh). All of
 *	                                them twice: of the whole program, and of its front
 *	check_privilege as UID CMD...   runs a command as that user
 */
#include <sys/stat.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "t/privilege/users.h"

static int
run_as(char **argv)
{
	become_user((uid_t)strtoul(argv[0], NULL, 10));
	execv(argv[1], argv + 1);
	return 127;
}

static void
find_places(const char *dir)
{
	static char program[80];

	snprintf(kit.dir, sizeof(kit.dir), "%s", dir);
	snprintf(program, sizeof(program), "%.60s/sbin/sortie", dir);
	snprintf(kit.conf, sizeof(kit.conf), "%.60s/etc/sortie.conf", dir);
	snprintf(kit.spool, sizeof(kit.spool), "%.60s/spool", dir);
	snprintf(kit.log, sizeof(kit.log), "%.60s/log/log", dir);
	kit.sortie = program;
}

static int
run_suites(void)
{
	SRunner *runner = srunner_create(suite_identity());
	int failed;

	srunner_add_suite(runner, suite_strangers());
	srunner_add_suite(runner, suite_hostile());
	srunner_add_suite(runner, suite_mailboxes());
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_VERBOSE);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

int
main(int argc, char **argv)
{
	char front[128];
	int failed;

	if (argc > 3 && strcmp(argv[1], "as") == 0)
		return run_as(argv + 2);
	if (argc != 2) {
		fprintf(stderr, "usage: check_privilege DIR\n");
		return EXIT_FAILURE;
	}
	descriptors_close(-1, false); /* make's job server, say: tests count them */
	umask(022);
	find_places(argv[1]);
	failed = run_suites();
	snprintf(front, sizeof(front), "%.60s/sbin/sortie-sendmail", argv[1]);
	kit.front = front;
	failed += run_suites();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
