/*
 * bench: how fast, and at what cost.
 *
 *	bench SORTIE SINK NSFAKE [--messages N] [--size BYTES] [--recipients N] [--domains N]
 *	      [--dir DIR] [--strace] [--tls TLSSINK]
 *
 * Two runs of the unmodified program on a spool that was filled beforehand:
 *	many messages to one server (default: 10,000 of 4 KiB);
 *	one message to many recipients at many domains (default: 10,000 at 1,000), found by MX.
 * Each must arrive exactly once. The spool is made below DIR (/tmp); on a file system in memory the
 * times are the program's own, on a disk mostly those of its syncs and unlinks. With --strace each is run a second time under strace -c -f, for
 * the number of system calls and syncs; the times are those of the first.
 * With --tls the many messages go again over verified TLS, twice on one spool: the second run takes up
 * the sessions of the first. What the server counted is printed.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "spool/spool.h"
#include "whole.h"

static struct {
	const char *sortie, *sink, *nsfake, *tlssink, *dir;
	unsigned messages, size, recipients, domains;
	bool strace;
} opt = {.dir = "/tmp", .messages = 10000, .size = 4096, .recipients = 10000, .domains = 1000};

struct run {
	char dir[128];
	char conf[160], record[160], output[160], trace[160];
	unsigned messages, recipients; /* of each message */
	pid_t sink, ns;
	double seconds;
	struct rusage usage;
};

static void
path(char dst[160], const struct run *r, const char *name)
{
	snprintf(dst, 160, "%s/%s", r->dir, name);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- filling the spool --- */

static char *
body(size_t *n)
{
	static const char line[] =
	    "This line is here to fill the message and is seventy octets in length.\r\n";
	static const char head[] =
	    "From: <a@bench.example>\r\nMessage-ID: <1@bench.example>\r\nSubject: bench\r\n\r\n";
	size_t size = opt.size > sizeof(head) ? opt.size : sizeof(head) - 1, at, i;
	char *text = xmalloc(size + sizeof(line));

	memcpy(text, head, sizeof(head) - 1);
	for (at = sizeof(head) - 1, i = 0; at < size; at++, i++)
		text[at] = line[i % (sizeof(line) - 1)];
	memcpy(text + size - 2, "\r\n", 2);
	*n = size;
	return text;
}

static void
submit(struct spool *sp, const struct run *r, unsigned nth, const char *text, size_t n)
{
	struct envelope e;
	struct draft d;
	unsigned i;

	envelope_init(&e);
	e.sender = xstrdup("a@bench.example");
	e.uid = (long long)getuid();
	e.submitted = time(NULL);
	e.size = n;
	for (i = 0; i < r->recipients; i++) {
		char address[64];

		if (r->recipients == 1)
			snprintf(address, sizeof(address), "%u@bench.example", nth);
		else
			snprintf(
			    address, sizeof(address), "%u@d%u.bench.example", i, i % opt.domains);
		envelope_add(&e, address);
	}
	if (draft_open(sp, &d) != 0 || durable_write(d.fd, text, n) != 0 ||
	    draft_commit(sp, &d, &e, NULL) != 0)
		die(EX_IOERR, "cannot submit: %s", strerror(errno));
	draft_abort(sp, &d);
	envelope_free(&e);
}

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void
fill(const struct run *r, const char *spool_dir)
{
	struct spool *sp;
	char why[256], *text;
	size_t n;
	unsigned i;

	if (spool_open(&sp, spool_dir, why, sizeof(why)) != 0)
		die(EX_CANTCREAT, "%s", why);
	text = body(&n);
	sys.fsync = no_sync; /* what is measured comes later */
	for (i = 0; i < r->messages; i++)
		submit(sp, r, i, text, n);
	sys.fsync = sys_libc.fsync;
	free(text);
	spool_close(&sp);
	sync(); /* not during the run */
}

/* --- a run --- */

static void
prepare(struct run *r, bool by_mx)
{
	char spool_dir[160], port_file[160], ns_port_file[160], target[64];
	const char *const sink[] = {opt.sink, "--addresses", by_mx ? "100" : "1", "--record",
	    r->record, "--port-file", port_file, NULL};
	const char *const ns[] = {
	    opt.nsfake, "--addresses", "100", "--port-file", ns_port_file, NULL};
	int port;

	snprintf(r->dir, sizeof(r->dir), "%s/sortie-bench.XXXXXX", opt.dir);
	if (mkdtemp(r->dir) == NULL)
		die(EX_CANTCREAT, "%s: %s", r->dir, strerror(errno));
	path(r->conf, r, "conf");
	path(r->record, r, "record");
	path(r->output, r, "output");
	path(r->trace, r, "trace");
	path(spool_dir, r, "spool");
	path(port_file, r, "port");
	path(ns_port_file, r, "ns-port");
	r->sink = whole_start(sink, r->output);
	port = whole_wait_for_port(port_file);
	if (by_mx) {
		r->ns = whole_start(ns, r->output);
		snprintf(target, sizeof(target), "nameserver 127.0.0.1:%d",
		    whole_wait_for_port(ns_port_file));
	} else
		snprintf(target, sizeof(target), "relay smtp://[127.0.0.1]:%d", port);
	whole_write_file(r->conf,
	    "hostname bench.example\nspool %s\n%s\nport %d\nrefuse none\nlog %s/log\n", spool_dir,
	    target, port, r->dir);
	fill(r, spool_dir);
}

static void
measure(struct run *r, bool trace)
{
	const char *const plain[] = {opt.sortie, "-C", r->conf, "-q", NULL};
	const char *const traced[] = {
	    "/usr/bin/strace", "-c", "-f", "-o", r->trace, opt.sortie, "-C", r->conf, "-q", NULL};
	double start = now();
	pid_t child = whole_start(trace ? traced : plain, r->output);
	int status;

	if (wait4(child, &status, 0, &r->usage) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		die(EX_SOFTWARE, "the runner failed; see %s", r->dir);
	r->seconds = now() - start;
}

/* Every recipient exactly once: the address begins with his number. */
static void
check_arrived(const struct run *r)
{
	unsigned total = r->messages * r->recipients;
	unsigned char *times = xcalloc(total, 1);
	FILE *f = fopen(r->record, "r");
	char line[200];
	unsigned n = 0, i;

	if (f == NULL)
		die(EX_NOINPUT, "%s: %s", r->record, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%*s %u@", &i) != 1 || i >= total || times[i] != 0)
			die(EX_SOFTWARE, "came twice, or nobody sent it: %s", line);
		times[i] = 1;
		n++;
	}
	if (n != total)
		die(EX_SOFTWARE, "%u of %u have arrived; see %s", n, total, r->dir);
	fclose(f);
	free(times);
}

static void
finish(struct run *r)
{
	check_arrived(r);
	whole_stop(r->sink);
	if (r->ns > 0)
		whole_stop(r->ns);
	whole_remove(r->dir);
}

static double
seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void
print_times(const struct run *r)
{
	double n = r->messages * r->recipients;
	double user = seconds(r->usage.ru_utime), system = seconds(r->usage.ru_stime);
	long peak_kb = r->usage.ru_maxrss;

#ifdef __APPLE__
	peak_kb /= 1024;
#endif
	printf("  %.2f s, %.0f deliveries a second\n", r->seconds, n / r->seconds);
	printf("  CPU %.3f ms a delivery (user %.3f, system %.3f)\n", (user + system) / n * 1e3,
	    user / n * 1e3, system / n * 1e3);
	printf("  peak memory %.1f MiB\n", (double)peak_kb / 1024);
}

/* strace's table: % time, seconds, usecs/call, calls, errors (or blank), name. */
static void
print_calls(const struct run *r)
{
	double n = r->messages * r->recipients;
	FILE *f = fopen(r->trace, "r");
	char line[200], name[64];
	unsigned long calls, total = 0, syncs = 0;

	if (f == NULL)
		die(EX_NOINPUT, "%s: %s", r->trace, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL) {
		char *last = strrchr(line, ' ');

		if (last == NULL || sscanf(line, "%*f %*f %*u %lu", &calls) != 1 ||
		    sscanf(last, " %63s", name) != 1 || strcmp(name, "total") == 0)
			continue;
		total += calls;
		if (strcmp(name, "fsync") == 0 || strcmp(name, "fdatasync") == 0)
			syncs += calls;
	}
	fclose(f);
	printf("  %.2f system calls a delivery, %.3f of them syncs\n", (double)total / n,
	    (double)syncs / n);
}

static void
scenario(bool by_mx)
{
	struct run r = {
	    .messages = by_mx ? 1 : opt.messages, .recipients = by_mx ? opt.recipients : 1};
	struct run again = r;

	prepare(&r, by_mx);
	measure(&r, false);
	print_times(&r);
	finish(&r);
	if (!opt.strace)
		return;
	prepare(&again, by_mx);
	measure(&again, true);
	print_calls(&again);
	finish(&again);
}

/* A server with TLS, and a configuration that verifies it. */
static void
prepare_tls(struct run *r, char spool_dir[160])
{
	char certs[160], ports[160];
	const char *const sink[] = {opt.tlssink, "--certs", certs, "--ports", ports, "good", NULL};
	int port;

	snprintf(r->dir, sizeof(r->dir), "%s/sortie-bench.XXXXXX", opt.dir);
	if (mkdtemp(r->dir) == NULL)
		die(EX_CANTCREAT, "%s: %s", r->dir, strerror(errno));
	path(r->conf, r, "conf");
	path(r->output, r, "output");
	path(r->trace, r, "hosts");
	path(spool_dir, r, "spool");
	path(certs, r, "certs");
	path(ports, r, "ports");
	if (mkdir(certs, 0700) != 0)
		die(EX_CANTCREAT, "%s: %s", certs, strerror(errno));
	whole_write_file(r->trace, "127.0.0.1 mx.example.org\n");
	r->sink = whole_start(sink, r->output);
	port = whole_wait_for_port(ports);
	whole_write_file(r->conf,
	    "hostname bench.example\nspool %s\nrelay smtp://mx.example.org:%d\nhosts %s\nca "
	    "%s/ca.pem\ntls mx.example.org verify\nrefuse none\nlog %s/log\n",
	    spool_dir, port, r->trace, certs, r->dir);
}

static void
scenario_tls(void)
{
	struct run r = {.messages = opt.messages, .recipients = 1};
	char spool_dir[160], line[200];
	FILE *f;

	prepare_tls(&r, spool_dir);
	for (int i = 0; i < 2; i++) {
		fill(&r, spool_dir);
		measure(&r, false);
		print_times(&r);
	}
	whole_stop(r.sink);
	if ((f = fopen(r.output, "r")) == NULL)
		die(EX_NOINPUT, "%s: %s", r.output, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL)
		printf("  %s", line);
	fclose(f);
	whole_remove(r.dir);
}

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE, "usage: bench SORTIE SINK NSFAKE [--messages N] [--size BYTES] "
		      "[--recipients N] [--domains N] [--dir DIR] [--strace] [--tls TLSSINK]");
}

static void
options(int argc, char **argv)
{
	uint64_t n;
	int i;

	if (argc < 4)
		usage();
	opt.sortie = argv[1];
	opt.sink = argv[2];
	opt.nsfake = argv[3];
	for (i = 4; i < argc; i++) {
		if (strcmp(argv[i], "--strace") == 0) {
			opt.strace = true;
			continue;
		}
		if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc && strlen(argv[i + 1]) < 100) {
			opt.dir = argv[++i];
			continue;
		}
		if (strcmp(argv[i], "--tls") == 0 && i + 1 < argc) {
			opt.tlssink = argv[++i];
			continue;
		}
		if (i + 1 >= argc || !str_u64(argv[i + 1], 100000000, &n) || n == 0)
			usage();
		if (strcmp(argv[i], "--messages") == 0)
			opt.messages = (unsigned)n;
		else if (strcmp(argv[i], "--size") == 0)
			opt.size = (unsigned)n;
		else if (strcmp(argv[i], "--recipients") == 0)
			opt.recipients = (unsigned)n;
		else if (strcmp(argv[i], "--domains") == 0)
			opt.domains = (unsigned)n;
		else
			usage();
		i++;
	}
}

int
main(int argc, char **argv)
{
	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%u messages of %u octets to one server:\n", opt.messages, opt.size);
	scenario(false);
	if (opt.tlssink != NULL) {
		printf("the same over TLS, twice:\n");
		scenario_tls();
	}
	printf("one message to %u recipients at %u domains:\n", opt.recipients, opt.domains);
	scenario(true);
	return 0;
}
