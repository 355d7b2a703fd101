/*
 * What main() makes good before anything is read, whoever starts us. Each in a child of its own: it is
 * for good.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sortie.h"
#include "suites.h"

extern char **environ;

/* Whether it is true in a child, after a safe start in what `before` made of it. */
static bool
holds(void (*before)(void), bool (*after)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		before();
		sortie_safe_start();
		_exit(after() ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- environment -------------------------------------------------------------------------- */

static const char *zone;

static void
odd_environment(void)
{
	static const char *const names[] = {"RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES",
	    "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "OPENSSL_MODULES", "LD_PRELOAD",
	    "MALLOC_TRACE", "TMPDIR", "HOME", "IFS", "A_NAME_THAT_NOBODY_KNOWS"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "/nonexistent", 1);
	setenv("PATH", "/tmp:.", 1);
	unsetenv("TZ");
	if (zone != NULL)
		setenv("TZ", zone, 1);
}

static bool
only_a_path_is_left(void)
{
	return environ[0] != NULL && environ[1] == NULL && strstr(environ[0], "tmp") == NULL &&
	       strncmp(environ[0], "PATH=/", 6) == 0 && getenv("SSL_CERT_FILE") == NULL;
}

static bool
zone_is_left(void)
{
	return getenv("TZ") != NULL && strcmp(getenv("TZ"), zone) == 0 && environ[2] == NULL;
}

START_TEST(environment_is_dropped)
{
	zone = NULL;
	ck_assert(holds(odd_environment, only_a_path_is_left));
}
END_TEST

START_TEST(time_zone_is_kept)
{
	static const char *const good[] = {
	    "Europe/Berlin", ":America/New_York", "UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3"};

	zone = good[_i];
	ck_assert(holds(odd_environment, zone_is_left));
}
END_TEST

START_TEST(file_for_a_time_zone_is_dropped)
{
	static const char *const bad[] = {"/etc/shadow", ":/etc/shadow", "../../etc/shadow",
	    ":Europe/../../../etc/shadow", "./zone", "%n",
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

	zone = bad[_i];
	ck_assert(holds(odd_environment, only_a_path_is_left));
}
END_TEST

/* --- descriptors, umask, signals, limits -------------------------------------------------- */

static void
close_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
}

static bool
standard_ones_are_taken(void)
{
	char c;

	return open("/dev/null", O_RDONLY) > 2 && read(0, &c, 1) == -1 && errno == EBADF;
}

START_TEST(closed_descriptors_are_taken)
{
	ck_assert(holds(close_standard, standard_ones_are_taken));
}
END_TEST

static void
umask_0(void)
{
	umask(0);
}

static bool
umask_is_077(void)
{
	return umask(0) == 077;
}

START_TEST(umask_is_narrow)
{
	ck_assert(holds(umask_0, umask_is_077));
}
END_TEST

static void
block_and_ignore_all(void)
{
	sigset_t all;

	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static bool
signals_work(void)
{
	struct sigaction sa;
	sigset_t blocked;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int sig = 1; sig < 32; sig++) {
		bool ignored = sig == SIGPIPE || sig == SIGXFSZ;

		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		if (sigaction(sig, NULL, &sa) != 0 || sigismember(&blocked, sig) != 0 ||
		    sa.sa_handler != (ignored ? SIG_IGN : SIG_DFL))
			return false;
	}
	return true;
}

START_TEST(signals_are_reset)
{
	ck_assert(holds(block_and_ignore_all, signals_work));
}
END_TEST

static void
set_alarms(void)
{
	const struct itimerval hour = {{0, 0}, {3600, 0}};

	setitimer(ITIMER_REAL, &hour, NULL);
	setitimer(ITIMER_PROF, &hour, NULL);
}

static bool
no_alarm_is_set(void)
{
	struct itimerval real, prof;

	getitimer(ITIMER_REAL, &real);
	getitimer(ITIMER_PROF, &prof);
	return real.it_value.tv_sec == 0 && prof.it_value.tv_sec == 0;
}

START_TEST(alarms_are_stopped)
{
	ck_assert(holds(set_alarms, no_alarm_is_set));
}
END_TEST

static const int lowered[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU};
static const rlim_t low[] = {8, 0, 60};
enum { NLOWERED = sizeof(lowered) / sizeof(lowered[0]) };

static void
lower_limits(void)
{
	struct rlimit rl;

	for (int i = 0; i < NLOWERED; i++) {
		getrlimit(lowered[i], &rl);
		rl.rlim_cur = low[i];
		setrlimit(lowered[i], &rl);
	}
}

static bool
limits_are_raised(void)
{
	struct rlimit rl;

	for (int i = 0; i < NLOWERED; i++)
		if (getrlimit(lowered[i], &rl) != 0 || rl.rlim_cur != rl.rlim_max)
			return false;
	return true;
}

START_TEST(soft_limits_are_raised)
{
	ck_assert(holds(lower_limits, limits_are_raised));
}
END_TEST

Suite *
suite_start(void)
{
	Suite *s = suite_create("start");
	TCase *t = tcase_create("start");

	tcase_add_test(t, environment_is_dropped);
	tcase_add_loop_test(t, time_zone_is_kept, 0, 5);
	tcase_add_loop_test(t, file_for_a_time_zone_is_dropped, 0, 7);
	tcase_add_test(t, closed_descriptors_are_taken);
	tcase_add_test(t, umask_is_narrow);
	tcase_add_test(t, signals_are_reset);
	tcase_add_test(t, alarms_are_stopped);
	tcase_add_test(t, soft_limits_are_raised);
	suite_add_tcase(s, t);
	return s;
}
