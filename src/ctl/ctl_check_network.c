/*
 * ctl_check_network.c: what asks others: the machine's name, name servers, and the server that gets the mail.
 *
 * What may take long runs in a child, whose output is read until the time is over. The server is spoken to by
 * `sortie -bv -v`: as a delivery would, with its TLS and its login.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "ctl/ctl_check.h"
#include "dns/resolvconf.h"

enum { NAME_MS = 3000, SERVER_MS = 2000, OUTPUT_MAX = 16 * 1024, TOO_LATE = -1 };

static int64_t
time_left(const struct check *k, int64_t at_most_ms)
{
	int64_t left = k->deadline_ms - clock_mono_ms();

	if (left < 0)
		left = 0;
	return left < at_most_ms ? left : at_most_ms;
}

/* --- a child ------------------------------------------------------------------------------ */

/* All that comes until the end, or the time; whether the end came. */
static bool
read_all(int fd, int64_t patience_ms, struct buf *out)
{
	int64_t end_ms = clock_mono_ms() + patience_ms;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left = end_ms - clock_mono_ms();
		char block[1024];
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, block, sizeof(block));
		if (n == 0 || (n == -1 && errno != EINTR))
			return true;
		if (n > 0)
			buf_add(out, block, (size_t)n);
	}
}

/* Runs it in a child, standard output being read: its exit status, or TOO_LATE. */
typedef int child_fn(struct check *k);

static int
run_child(struct check *k, child_fn *fn, int64_t patience_ms, struct buf *out)
{
	int ends[2], status = 0;
	bool ended;
	pid_t pid;

	if (pipe(ends) == -1 || (pid = fork()) == -1)
		return TOO_LATE;
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(fn(k));
	}
	close(ends[1]);
	ended = read_all(ends[0], patience_ms, out);
	if (!ended)
		kill(pid, SIGKILL);
	close(ends[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return ended && WIFEXITED(status) ? WEXITSTATUS(status) : TOO_LATE;
}

/* --- the machine's name ------------------------------------------------------------------- */

enum { NAME_OK, NAME_UNKNOWN, NAME_OTHER };

static void
say(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

/* In a child: the addresses of our name, and the names of these. Loopback has none that others see. */
static int
look_up_name(struct check *k)
{
	const char *name = config_hostname(&k->c->program.config);
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all;
	int result = NAME_OK;

	if (getaddrinfo(name, NULL, &hints, &all) != 0)
		return NAME_UNKNOWN;
	for (const struct addrinfo *a = all; a != NULL && result == NAME_OK; a = a->ai_next) {
		char address[64], host[NI_MAXHOST];

		if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address), NULL, 0,
			NI_NUMERICHOST) != 0 ||
		    str_starts(address, "127.") || strcmp(address, "::1") == 0)
			continue;
		if (getnameinfo(
			a->ai_addr, a->ai_addrlen, host, sizeof(host), NULL, 0, NI_NAMEREQD) != 0)
			host[0] = '\0';
		if (!str_eqi(host, name)) {
			result = NAME_OTHER;
			say(address);
			say(host[0] == '\0' ? " has no name" : " is called ");
			say(host);
		}
	}
	freeaddrinfo(all);
	return result;
}

/* Servers look at the name of those who come without a login; a relay knows its customers. */
void
check_hostname(struct check *k)
{
	struct config *c = &k->c->program.config;
	const char *name = config_hostname(c);
	struct buf out;

	if (name == NULL) {
		check_type(k, "echo 'hostname NAME.DOMAIN' >> %s", c->path);
		check_say(k, CHECK_FAIL, "the machine has no name with a domain");
		return;
	}
	if (c->relays.n > 0) {
		check_say(k, CHECK_OK, "%s", name);
		return;
	}
	buf_init(&out, OUTPUT_MAX);
	switch (run_child(k, look_up_name, time_left(k, NAME_MS), &out)) {
	case NAME_OK:
		check_say(k, CHECK_OK, "%s", name);
		break;
	case NAME_UNKNOWN:
		check_say(k, CHECK_WARN,
		    "%s has no address: many servers take no mail from such a machine", name);
		break;
	case NAME_OTHER:
		check_say(k, CHECK_WARN,
		    "%s, but %s: many servers take no mail from such an address", name,
		    buf_str(&out));
		break;
	default:
		check_say(k, CHECK_WARN, "%s could not be looked up in time", name);
	}
	buf_free(&out);
}

/* --- name servers ------------------------------------------------------------------------- */

/* Who serves the root, RFC 1035 4.1: a question that every server has an answer to. */
static bool
server_answers(const struct sockaddr_storage *to, int64_t patience_ms)
{
	static const unsigned char query[] = {
	    0x51, 0x7e, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1};
	struct pollfd p = {.events = POLLIN};
	unsigned char answer[512];
	ssize_t n = -1;

	p.fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p.fd == -1)
		return false;
	if (connect(p.fd, (const struct sockaddr *)to, resolvconf_server_len(to)) == 0 &&
	    send(p.fd, query, sizeof(query), 0) == (ssize_t)sizeof(query) &&
	    poll(&p, 1, (int)patience_ms) == 1)
		n = recv(p.fd, answer, sizeof(answer), 0);
	close(p.fd);
	return n >= 12 && memcmp(answer, query, 2) == 0 && (answer[2] & 0x80) != 0;
}

static void
read_servers(const struct config *c, struct resolvconf *rc)
{
	char text[8192];
	size_t n = 0;
	FILE *f;

	if (c->nnameservers == 0) {
		if ((f = fopen(c->resolv_conf, "re")) != NULL) {
			n = fread(text, 1, sizeof(text), f);
			fclose(f);
		}
		resolvconf_parse(rc, text, n);
		return;
	}
	memset(rc, 0, sizeof(*rc));
	for (size_t i = 0; i < c->nnameservers && i < RESOLVCONF_SERVERS; i++)
		if (resolvconf_server(c->nameservers[i], &rc->servers[rc->nservers]))
			rc->nservers++;
}

void
check_nameservers(struct check *k)
{
	const struct config *c = &k->c->program.config;
	size_t answering = 0;
	struct resolvconf rc;
	char server[RESOLVCONF_SERVER_TEXT];

	read_servers(c, &rc);
	for (size_t i = 0; i < rc.nservers; i++) {
		resolvconf_server_text(&rc.servers[i], server);
		if (server_answers(&rc.servers[i], time_left(k, SERVER_MS))) {
			answering++;
			check_say(k, CHECK_OK, "name server %s answers", server);
		} else {
			check_say(k,
			    i + 1 == rc.nservers && answering == 0 ? CHECK_FAIL : CHECK_WARN,
			    "name server %s does not answer within 2 s (%s)", server,
			    c->nnameservers > 0 ? c->path : c->resolv_conf);
		}
	}
}

/* --- the server that gets the mail -------------------------------------------------------- */

/* For whom: with a relay that does not matter, and nothing is sent. */
static const char *
test_address(const struct check *k, char dst[300])
{
	snprintf(dst, 300, "postmaster@%s", k->domain != NULL ? k->domain : "example.org");
	return dst;
}

static int
exec_verify(struct check *k)
{
	char address[300];
	const char *file = k->c->program.options.config;
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDERR_FILENO); /* the conversation */
	test_address(k, address);
	if (file != NULL)
		execl(k->program, k->program, "-C", file, "-bv", "-v", address, (char *)NULL);
	else
		execl(k->program, k->program, "-bv", "-v", address, (char *)NULL);
	return 127;
}

/* What -bv says of host, TLS and login, in a line; of several hosts of the one that it ended with. */
static void
take_facts(struct buf *out, struct buf *facts)
{
	char line[1024];
	size_t n;

	for (const char *at = buf_str(out); *at != '\0'; at += n + (at[n] == '\n')) {
		n = strcspn(at, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, at);
		if (str_starts(line, "  host: ")) {
			buf_clear(facts);
			buf_adds(facts, line + strlen("  host: "));
		} else if (str_starts(line, "  TLS: ") || str_starts(line, "  login: ")) {
			buf_addf(facts, "; %s", line + 2);
		} else if (buf_len(facts) == 0 && line[0] != ' ') {
			buf_adds(facts, line); /* there is no route, and why */
		}
	}
}

static void
say_delivery(struct check *k, int status, struct buf *facts)
{
	char address[300];

	check_type(k, "%s%s%s -bv -v %s", k->program,
	    k->c->program.options.config != NULL ? " -C " : "",
	    k->c->program.options.config != NULL ? k->c->program.options.config : "",
	    test_address(k, address));
	if (status == TOO_LATE)
		check_say(k, CHECK_FAIL, "no answer in time; last: %s", buf_str(facts));
	else if (status == 127)
		check_say(k, CHECK_FAIL, "%s could not be started", k->program);
	else if (status != 0)
		check_say(k, CHECK_FAIL, "%s", buf_str(facts));
	else if (strstr(buf_str(facts), "TLS: none") != NULL)
		check_say(k, CHECK_WARN, "%s", buf_str(facts));
	else {
		k->command[0] = '\0';
		check_say(k, CHECK_OK, "%s", buf_str(facts));
	}
}

void
check_delivery(struct check *k)
{
	const struct config *c = &k->c->program.config;
	struct buf out, facts;
	int status;

	if (c->local_only != 0) {
		check_say(
		    k, CHECK_OK, "no mail leaves this machine (%s:%d)", c->path, c->local_only);
		return;
	}
	if (c->relays.n == 0 && k->domain == NULL) {
		check_say(k, CHECK_OK,
		    "to the recipients' own servers; `sortiectl check DOMAIN' tries those of one");
		return;
	}
	buf_init(&out, OUTPUT_MAX);
	buf_init(&facts, OUTPUT_MAX);
	status = run_child(k, exec_verify, time_left(k, INT32_MAX), &out);
	take_facts(&out, &facts);
	say_delivery(k, status, &facts);
	buf_free(&facts);
	buf_free(&out);
}
