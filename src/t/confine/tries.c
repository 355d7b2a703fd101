/*
 * tries: enters the confinement of a run and tries what it may do and what it may not. Takes no
 * arguments; TMPDIR says where. What the system has no means to refuse is not tried, and one line says so.
 *
 * Where it is compiled without confinement (sanitizers, gcov) it has nothing to show.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "base/str.h"
#include "config.h"
#include "confine.h"
#include "spool/spool.h"
#include "t/confine/world.h"
#include "whole.h"

struct world world;

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "tries: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void
path(char dst[256], const char *name, const char *text)
{
	snprintf(dst, 256, "%s/%s", world.dir, name);
	if (text != NULL)
		whole_write_file(dst, "%s", text);
}

static void
make_files(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(
	    world.dir, sizeof(world.dir), "%.160s/sortie-tries.XXXXXX", tmp != NULL ? tmp : "/tmp");
	must(mkdtemp(world.dir) != NULL, "a folder");
	path(world.spool, "spool", NULL);
	path(world.log, "log", NULL);
	path(world.hosts, "hosts", "127.0.0.1 localhost\n");
	path(world.resolv, "resolv.conf", "nameserver 127.0.0.1\n");
	path(world.ca, "ca", "none\n");
	path(world.auth, "auth", "machine x login y password z\n");
	path(world.program, "program", "#!/bin/sh\n");
	path(world.secret, "secret", "of somebody\n");
	must(chmod(world.auth, 0600) == 0 && chmod(world.program, 0755) == 0, "chmod");
}

/* Nobody accepts: the kernel answers for both. */
static void
make_servers(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(world.server);
	int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);

	path(world.local, "socket", NULL);
	must(str_copy(un.sun_path, sizeof(un.sun_path), world.local), "a shorter TMPDIR");
	must(bind(local, (struct sockaddr *)&un, sizeof(un)) == 0 && listen(local, 5) == 0,
	    "a local socket");
	world.server.sin_family = AF_INET;
	world.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(tcp, (struct sockaddr *)&world.server, len) == 0 && listen(tcp, 5) == 0 &&
		 getsockname(tcp, (struct sockaddr *)&world.server, &len) == 0,
	    "a server");
}

static struct spool *sp;

/* As a runner comes to it; what holds. */
static unsigned
enter(void)
{
	struct config c;
	int has;
	char text[2048], why[512];

	snprintf(text, sizeof(text), "spool %s\nlog %s\nhosts %s\nresolv-conf %s\nca %s\nauth %s\n",
	    world.spool, world.log, world.hosts, world.resolv, world.ca, world.auth);
	config_init(&c);
	must(config_parse(&c, "tries", text, strlen(text), why, sizeof(why)) == 0, why);
	must(log_open(c.log, "tries") == 0, "the log");
	must(spool_open(&sp, c.spool, why, sizeof(why)) == 0, why);
	world.spool_fd = open(world.spool, O_RDONLY | O_CLOEXEC);
	world.log_fd = open(world.log, O_RDONLY | O_CLOEXEC);
	must(world.spool_fd >= 0 && world.log_fd >= 0, "the spool and the log");
	must(mkdirat(world.spool_fd, "msg/folder", 0700) == 0 &&
		 mkfifoat(world.spool_fd, "msg/fifo", 0600) == 0 &&
		 symlinkat("/", world.spool_fd, "msg/link") == 0,
	    "odd files in the spool");
	confine_allow();
	must((has = confine_enter(&c)) != -1, "the confinement");
	config_free(&c);
	return (unsigned)has;
}

/* With one descriptor left, for the list, and none for the spool. */
static bool
goes_on_without_spool(void)
{
	const struct sandbox_path spool = {world.spool, SANDBOX_SPOOL};
	struct rlimit rl;
	int last, rc;

	must(freopen("/dev/null", "w", stderr) != NULL, "/dev/null"); /* it says so */
	last = dup(0);
	close(last);
	must(getrlimit(RLIMIT_NOFILE, &rl) == 0, "getrlimit");
	rl.rlim_cur = (rlim_t)last + 1;
	must(setrlimit(RLIMIT_NOFILE, &rl) == 0, "setrlimit");
	rc = sandbox_enter(SANDBOX_RUNNER, &spool, 1);
	if (rc <= 0 && open(world.secret, O_RDONLY | O_CLOEXEC) == last)
		return false; /* nothing holds */
	printf("tries: goes on, confined, without a spool\n");
	return true;
}

/* Asked of the kernel in another way: a mechanism that it has must not be missing from what holds. */
static unsigned
expected(void)
{
	unsigned e = 0;

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__) || defined(__riscv))
	e = SANDBOX_HAS_NO_NEW_PRIVS;
	if (syscall(444, NULL, 0UL, 1U) >= 2) /* landlock_create_ruleset(2): its version */
		e |= SANDBOX_HAS_FILES;
	if (prctl(PR_GET_SECCOMP) != -1)
		e |= SANDBOX_HAS_CALLS;
#endif
	return e;
}

/* ENOMEM is what musl's mmap(3) makes of EPERM. */
static bool
is_refusal(int error)
{
	return error == ENOMEM || error == EPERM || error == ENOSYS || error == EACCES ||
	       error == EXDEV;
}

/* How many did not go as they should. */
static int
try_all(unsigned has)
{
	int bad = 0, skipped = 0;

	for (size_t i = 0; i < ngranted; i++)
		if (granted[i].fn() == -1) {
			bad++;
			printf("tries: cannot %s: %s\n", granted[i].name, strerror(errno));
		}
	for (size_t i = 0; i < nrefused; i++) {
		if ((refused[i].by & has) == 0) {
			skipped++;
		} else if (refused[i].fn() != -1 || !is_refusal(errno)) {
			bad++;
			printf(
			    "tries: is not refused: %s (%s)\n", refused[i].name, strerror(errno));
		}
	}
	printf("confine: no_new_privs %s, files %s, system calls %s: %zu granted, %zu refused, %d "
	       "not tried, %d wrong\n",
	    (has & SANDBOX_HAS_NO_NEW_PRIVS) != 0 ? "yes" : "no",
	    (has & SANDBOX_HAS_FILES) != 0 ? "yes" : "no",
	    (has & SANDBOX_HAS_CALLS) != 0 ? "yes" : "no", ngranted, nrefused - (size_t)skipped,
	    skipped, bad);
	return bad;
}

/* In a process of its own, since it is for good. Whether it went as it should. */
static bool
in_child(bool (*wrong)(void))
{
	int status = 0;
	pid_t pid = fork();

	must(pid != -1, "fork");
	if (pid == 0) { /* no exit(3): a leak checker could not work in there */
		bool failed = wrong();

		fflush(stdout);
		_exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool
run_tries(void)
{
	unsigned has = enter(), wanted = expected();
	bool wrong = false;

	if (has == 0) {
		printf("confine: this system, or this build, has no means\n");
	} else {
		must((has & wanted) == wanted, "a mechanism that the kernel has does not hold");
		wrong = try_all(has) > 0;
	}
	spool_close(&sp);
	return wrong;
}

int
main(void)
{
	bool good;

	umask(077);
	make_files();
	make_servers();
	world.parent = getpid();
	good = in_child(run_tries);
	if ((expected() & SANDBOX_HAS_FILES) != 0 && !in_child(goes_on_without_spool))
		good = false;
	whole_remove(world.dir);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
