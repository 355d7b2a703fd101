/*
 * sortie_start.c: what must be right before anything is read. Whoever starts us chooses descriptors,
 * signals, limits, environment and working directory, and need not mean well.
 */
#include "sortie.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "privilege.h"

extern char **environ;

static bool
have_standard_descriptors(void)
{
	for (int i = 0; i <= 2; i++)
		if (fcntl(i, F_GETFD) == -1)
			return false;
	return true;
}

/* A file opened as 0, 1 or 2 would be read or written by mistake. Nothing can be read from what takes
 * the place of 0: a closed standard input is an error, not an empty message. */
static void
open_standard_descriptors(void)
{
	int fd;

	if (have_standard_descriptors())
		return;
	do
		if ((fd = open("/dev/null", O_WRONLY)) < 0) /* in a jail without devices */
			fd = open("/", O_RDONLY | O_DIRECTORY);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
	if (!have_standard_descriptors())
		_exit(EX_TEMPFAIL); /* and nowhere to say so */
}

static void
reset_signals(void)
{
	static const int clocks[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
	const struct itimerval never = {{0, 0}, {0, 0}};
	struct sigaction sa;
	sigset_t none;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_DFL;
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGXFSZ, &sa, NULL); /* write(2) says EFBIG, which can be handled */
	/* An alarm survives execve(2): it would kill where kill(2) is forbidden. */
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		setitimer(clocks[i], &never, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A soft limit is for the caller's other programs. The hard ones stand, and what they forbid fails. */
static void
raise_limits(void)
{
	static const int limits[] = {
	    RLIMIT_NOFILE,
	    RLIMIT_FSIZE,
	    RLIMIT_DATA,
	    RLIMIT_CPU,
#ifdef RLIMIT_AS
	    RLIMIT_AS,
#endif
#ifdef RLIMIT_NPROC
	    RLIMIT_NPROC,
#endif
	};
	struct rlimit rl;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (getrlimit(limits[i], &rl) != 0 || rl.rlim_cur == rl.rlim_max)
			continue;
		rl.rlim_cur = rl.rlim_max;
		setrlimit(limits[i], &rl);
	}
}

/* The name of a zone, or one written out; never a file of the caller's choice. */
static bool
is_safe_zone(const char *tz)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789+-_,.:/<>";

	return tz != NULL && strspn(tz, letters) == strlen(tz) && tz[0] != '/' && tz[0] != '.' &&
	       strncmp(tz, ":/", 2) != 0 && strstr(tz, "..") == NULL;
}

/*
 * Of the environment nothing is kept but the time zone, for Date and Received, whoever calls: libraries
 * obey a great many variables (RES_OPTIONS, HOSTALIASES, OPENSSL_CONF, SSL_CERT_FILE, TMPDIR, ...) and
 * their next version obeys more. What is verified, and with what, is said by the configuration alone.
 */
static void
clean_environment(void)
{
	static char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin", zone[80];
	static char *kept[] = {path, NULL, NULL};
	const char *tz = getenv("TZ");

	if (is_safe_zone(tz) && strlen(tz) < sizeof(zone) - strlen("TZ=")) {
		snprintf(zone, sizeof(zone), "TZ=%s", tz);
		kept[1] = zone;
	}
	environ = kept;
	tzset();
}

void
sortie_safe_start(void)
{
	privilege_begin();
	raise_limits();
	open_standard_descriptors();
	reset_signals();
	umask(077);
	clean_environment();
}
