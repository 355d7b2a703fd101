/*
 * measure: what a command costs with every process that comes of it. Linux only.
 *
 *	measure [--until FILE N] [--limit SECONDS] [--times N] [--jobs J] [--stdin FILE]
 *	        OUT -- COMMAND...
 *
 * OUT gets two lines:
 *	wall_s user_s sys_s maxrss_kib processes peak_pss_kib
 *	first_mail_s			(with --until: from the start to the first MAIL that the sink read)
 * maxrss is that of the largest process, processes is how many there were at once; the last is the sum of
 * all proportional set sizes at its highest. The two last are seen by looking, every 50 ms or, where that
 * takes long, so rarely that it takes a twentieth of a processor: a short peak is missed.
 *
 * --until: the time ends with the N-th message that the sink has taken at a good address (count.h), when
 * FILE says that it came: the same for a daemon and for a command that ends by itself. Then whoever still
 * works may end (a queue manager removes its files): nobody is left, or all have been idle for a
 * while. Without it the time ends when the command does. What is left is ended: SIGTERM, later SIGKILL.
 *
 * --times runs the command N times, J at a time (1), without a shell between.
 *
 * SIGUSR1 to $MEASURE_PID starts time and CPU anew, from a script whose daemon is ready to work; OUT is
 * made then, so that the script may wait for it.
 *
 * CPU time is that of a control group (v2) made for the purpose, because a process whose parent ignores
 * SIGCHLD is counted nowhere else; where none can be made it is wait(2)'s. Ends with 0; with the
 * command's status, or 1, when fewer than N messages came; 124 after --limit SECONDS (600).
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "count.h"
#include "procs.h"

#define SECOND INT64_C(1000000000)

enum {
	TICK_NS = 5000000,
	SAMPLE_NS = 50000000,
	SAMPLE_SHARE = 20, /* looking takes at most one part of so many */
	IDLE_NS = 200000000,
	TERM_NS = 1500000000, /* until SIGKILL */
	EXIT_LIMIT = 124, /* timeout(1)'s */
};

extern char **environ;

static struct {
	const char *until, *stdin_file;
	uint64_t messages, times, jobs, limit;
} opt = {.stdin_file = "/dev/null", .times = 1, .jobs = 1, .limit = 600};

static struct {
	char dir[128]; /* the control group's; "" when there is none */
	char cpu_stat[160];
} group;

struct cpu {
	double user, system;
};

struct run {
	const char *out;
	pid_t command;
	bool ended;
	int status;
	int64_t *started; /* shared: the command sets it just before it begins */
	int64_t end; /* 0: not yet */
	struct cpu before; /* the start */
	const volatile struct count *count;
	struct procs procs;
	uint64_t peak_pss_kib;
	size_t peak;
	int64_t next_sample, interval;
	int64_t idle_since;
	uint64_t idle_ticks;
};

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* The signals that watch() takes, one at a time. */
static void
awaited(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

/* --- CPU time --- */

static void
group_make(void)
{
	static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		/* Not by our number, which another namespace has as well. */
		snprintf(group.dir, sizeof(group.dir), "%s/measure.XXXXXX", roots[i]);
		if (mkdtemp(group.dir) == NULL)
			continue;
		snprintf(group.cpu_stat, sizeof(group.cpu_stat), "%s/cpu.stat", group.dir);
		if (access(group.cpu_stat, R_OK) == 0)
			return;
		rmdir(group.dir);
	}
	group.dir[0] = '\0';
}

static void
group_join(void)
{
	char path[160];
	int fd;

	if (group.dir[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", group.dir);
	if ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0 || write(fd, "0", 1) != 1)
		die(EX_OSERR, "%s: %s", path, strerror(errno));
	close(fd);
}

static struct cpu
group_cpu(void)
{
	FILE *f = fopen(group.cpu_stat, "r");
	struct cpu cpu = {0};
	char key[32];
	double us;

	if (f == NULL)
		die(EX_OSFILE, "%s: %s", group.cpu_stat, strerror(errno));
	while (fscanf(f, "%31s %lf", key, &us) == 2) {
		if (strcmp(key, "user_usec") == 0)
			cpu.user = us / 1e6;
		else if (strcmp(key, "system_usec") == 0)
			cpu.system = us / 1e6;
	}
	fclose(f);
	return cpu;
}

static double
seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/* Up to now. Without a group what those used who still live is all called the user's. */
static struct cpu
cpu_now(struct run *r)
{
	struct rusage usage;
	struct cpu cpu;

	if (group.dir[0] != '\0')
		return group_cpu();
	getrusage(RUSAGE_CHILDREN, &usage);
	procs_look(&r->procs, getpid());
	cpu.user = seconds(usage.ru_utime) + (double)r->procs.ticks / (double)sysconf(_SC_CLK_TCK);
	cpu.system = seconds(usage.ru_stime);
	return cpu;
}

/* --- the command --- */

static void
repeat(char **command)
{
	posix_spawn_file_actions_t actions;
	uint64_t begun = 0, running = 0, failed = 0;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, opt.stdin_file, O_RDONLY, 0);
	while (begun < opt.times || running > 0) {
		if (begun < opt.times && running < opt.jobs) {
			err = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
			if (err != 0)
				die(EX_UNAVAILABLE, "%s: %s", command[0], strerror(err));
			begun++;
			running++;
		} else if (wait(&status) > 0) {
			running--;
			failed += status != 0;
		}
	}
	if (failed > 0)
		fprintf(stderr, "%" PRIu64 " of %" PRIu64 " have failed\n", failed, opt.times);
	_exit(failed > 0);
}

static void
begin(char **command, int64_t *started)
{
	sigset_t none;
	int in = open(opt.stdin_file, O_RDONLY);

	if (in < 0 || dup2(in, STDIN_FILENO) < 0)
		die(EX_NOINPUT, "%s: %s", opt.stdin_file, strerror(errno));
	close(in);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	group_join();
	*started = now();
	if (opt.times > 1)
		repeat(command);
	execvp(command[0], command);
	die(EX_UNAVAILABLE, "%s: %s", command[0], strerror(errno));
}

static void *
map(int fd, int protection, const char *what)
{
	void *p = mmap(NULL, sizeof(struct count), protection,
	    fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die(EX_OSERR, "cannot map %s: %s", what, strerror(errno));
	return p;
}

static void
start(struct run *r, char **command)
{
	char self[32];
	int fd;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		die(EX_OSERR, "cannot be a subreaper: %s", strerror(errno));
	if (opt.until != NULL) {
		struct stat st;

		if ((fd = open(opt.until, O_RDONLY | O_CLOEXEC)) < 0 || fstat(fd, &st) != 0 ||
		    st.st_size < (off_t)sizeof(*r->count))
			die(EX_NOINPUT, "%s: not a sink's counters", opt.until);
		r->count = map(fd, PROT_READ, opt.until);
		close(fd);
	}
	r->started = map(-1, PROT_READ | PROT_WRITE, "memory");
	group_make();
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	setenv("MEASURE_PID", self, 1);
	if ((r->command = fork()) < 0)
		die(EX_OSERR, "cannot fork: %s", strerror(errno));
	if (r->command == 0)
		begin(command, r->started);
}

/* --- watching --- */

static void
reap(struct run *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->command)
			continue;
		r->ended = true;
		r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (opt.until == NULL)
			r->end = now();
	}
}

static void
sample(struct run *r, int64_t at)
{
	uint64_t pss;
	int64_t took;

	procs_look(&r->procs, getpid());
	if (r->procs.busy || r->procs.ticks != r->idle_ticks) {
		r->idle_since = at;
		r->idle_ticks = r->procs.ticks;
	}
	pss = procs_pss_kib(&r->procs);
	r->peak_pss_kib = pss > r->peak_pss_kib ? pss : r->peak_pss_kib;
	r->peak = r->procs.below > r->peak ? r->procs.below : r->peak;
	/* Often at first, for the sake of commands that are soon done. */
	r->interval = r->interval < SAMPLE_NS ? 2 * r->interval : SAMPLE_NS;
	took = now() - at;
	r->next_sample =
	    at + (took * SAMPLE_SHARE > r->interval ? took * SAMPLE_SHARE : r->interval);
}

static bool
all_came(const struct run *r)
{
	return r->count != NULL && r->count->good >= opt.messages;
}

static bool
done(const struct run *r, int64_t at)
{
	if (opt.until == NULL)
		return r->ended;
	if (r->ended && r->procs.below == 0)
		return true;
	return r->end != 0 && at - r->idle_since >= IDLE_NS;
}

/* OUT is there from then on, empty: what waits for it (measure_start) begins not a moment before us. */
static void
start_anew(struct run *r)
{
	FILE *f;

	r->before = cpu_now(r);
	*r->started = now();
	if ((f = fopen(r->out, "w")) != NULL)
		fclose(f);
}

/* False: somebody wants us to end, or the limit is over. */
static bool
watch(struct run *r)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};
	const int64_t limit = now() + (int64_t)opt.limit * SECOND;
	sigset_t set;
	int sig;

	awaited(&set);
	for (int64_t at = now(); !done(r, at); at = now()) {
		if (at >= limit)
			return false;
		if (at >= r->next_sample)
			sample(r, at);
		sig = sigtimedwait(&set, NULL, &tick);
		if (sig == SIGTERM || sig == SIGINT)
			return false;
		if (sig == SIGUSR1)
			start_anew(r);
		reap(r);
		if (r->end == 0 && all_came(r)) {
			r->end = r->count->good_ns;
			r->idle_since = now();
		}
	}
	return true;
}

static void
end_all(struct run *r)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};
	const int64_t patience = now() + TERM_NS;
	bool told = false;

	if (r->end == 0)
		r->end = now();
	for (;;) {
		reap(r);
		procs_look(&r->procs, getpid());
		if (r->procs.below == 0)
			break;
		if (!told || now() > patience)
			procs_kill(&r->procs, told ? SIGKILL : SIGTERM);
		told = true;
		nanosleep(&tick, NULL);
	}
	reap(r);
}

static void
report(struct run *r)
{
	struct cpu cpu = cpu_now(r);
	struct rusage usage;
	FILE *f = fopen(r->out, "w");

	if (f == NULL)
		die(EX_CANTCREAT, "%s: %s", r->out, strerror(errno));
	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(f, "%.6f %.6f %.6f %ld %zu %" PRIu64 "\n",
	    (double)(r->end - *r->started) / (double)SECOND, cpu.user - r->before.user,
	    cpu.system - r->before.system, usage.ru_maxrss, r->peak, r->peak_pss_kib);
	if (r->count != NULL && r->count->mail_ns != 0)
		fprintf(f, "%.6f\n", (double)(r->count->mail_ns - *r->started) / (double)SECOND);
	if (fclose(f) != 0)
		die(EX_IOERR, "%s: %s", r->out, strerror(errno));
}

/* --- options --- */

LOG_NORETURN static void
usage_error(void)
{
	die(EX_USAGE, "usage: measure [--until FILE N] [--limit SECONDS] [--times N] [--jobs J] "
		      "[--stdin FILE] OUT -- COMMAND...");
}

static uint64_t
number(const char *text)
{
	uint64_t n;

	if (text == NULL || !str_u64(text, 100000000, &n) || n == 0)
		usage_error();
	return n;
}

/* Returns where OUT is, with -- and the command behind it. */
static char **
options(char **argv)
{
	while (*++argv != NULL && strncmp(*argv, "--", 2) == 0) {
		const char *name = *argv;

		if (*++argv == NULL)
			usage_error();
		if (strcmp(name, "--until") == 0) {
			opt.until = *argv;
			opt.messages = number(*++argv);
		} else if (strcmp(name, "--limit") == 0)
			opt.limit = number(*argv);
		else if (strcmp(name, "--times") == 0)
			opt.times = number(*argv);
		else if (strcmp(name, "--jobs") == 0)
			opt.jobs = number(*argv);
		else if (strcmp(name, "--stdin") == 0)
			opt.stdin_file = *argv;
		else
			usage_error();
	}
	if (*argv == NULL || argv[1] == NULL || strcmp(argv[1], "--") != 0 || argv[2] == NULL)
		usage_error();
	return argv;
}

int
main(int argc, char **argv)
{
	char **rest = options(argv);
	struct run r = {.out = rest[0], .interval = TICK_NS};
	sigset_t set;
	bool in_time;

	(void)argc;
	awaited(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	unlink(r.out);
	start(&r, rest + 2);
	in_time = watch(&r);
	end_all(&r);
	report(&r);
	if (group.dir[0] != '\0')
		rmdir(group.dir);
	free(r.procs.all);
	if (!in_time)
		return EXIT_LIMIT;
	if (opt.until == NULL)
		return r.status;
	if (all_came(&r))
		return 0;
	return r.status != 0 ? r.status : 1;
}
