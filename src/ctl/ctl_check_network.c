/*
 * ctl_check_network.c: what asks others: the machine's name, and name servers.
 *
 * What may take long runs in a child, whose output is read until the time is over.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
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
#include "hosts.h"

enum { NAME_MS = 3000, SERVERS_MS = 2000, OUTPUT_MAX = 16 * 1024 };

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

int
check_child(
    struct check *k, check_child_fn *fn, const void *ctx, int64_t at_most_ms, struct buf *out)
{
	int ends[2], status = 0;
	bool ended;
	pid_t pid;

	if (pipe(ends) == -1 || (pid = fork()) == -1)
		return CHECK_TOO_LATE;
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(fn(k, ctx));
	}
	close(ends[1]);
	ended = read_all(ends[0], time_left(k, at_most_ms), out);
	if (!ended)
		kill(pid, SIGKILL);
	close(ends[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return ended && WIFEXITED(status) ? WEXITSTATUS(status) : CHECK_TOO_LATE;
}

/* --- the machine's name ------------------------------------------------------------------- */

enum { NAME_OK, NAME_UNKNOWN, NAME_OTHER, NAME_LOOPBACK };

static void
say(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

/* In a child: the addresses of our name, and the names of these. Loopback has none that others see. */
static int
look_up_name(struct check *k, const void *ctx)
{
	const char *name = config_hostname(&k->c->program.config);
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all;
	int result = NAME_LOOPBACK;

	(void)ctx;
	if (getaddrinfo(name, NULL, &hints, &all) != 0)
		return NAME_UNKNOWN;
	for (const struct addrinfo *a = all; a != NULL && result != NAME_OTHER; a = a->ai_next) {
		char address[64], host[NI_MAXHOST];

		if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address), NULL, 0,
			NI_NUMERICHOST) != 0 ||
		    str_starts(address, "127.") || strcmp(address, "::1") == 0)
			continue;
		if (getnameinfo(
			a->ai_addr, a->ai_addrlen, host, sizeof(host), NULL, 0, NI_NAMEREQD) != 0)
			host[0] = '\0';
		result = NAME_OK;
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

/* In a child: what the hosts file, or whoever is asked, makes a whole name of the machine's short one. */
static int
look_up_whole_name(struct check *k, const void *ctx)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
	struct addrinfo *all;
	char name[256];

	(void)k;
	(void)ctx;
	if (gethostname(name, sizeof(name)) == -1)
		return NAME_UNKNOWN;
	name[sizeof(name) - 1] = '\0';
	if (getaddrinfo(name, NULL, &hints, &all) != 0)
		return NAME_UNKNOWN;
	if (all->ai_canonname != NULL && strchr(all->ai_canonname, '.') != NULL)
		say(all->ai_canonname);
	freeaddrinfo(all);
	return NAME_OK;
}

static void
say_no_name(struct check *k)
{
	struct buf name;

	buf_init(&name, OUTPUT_MAX);
	(void)check_child(k, look_up_whole_name, NULL, NAME_MS, &name);
	check_type(k, "echo 'hostname %s' >> %s",
	    smtp_helo_ok(buf_str(&name)) ? buf_str(&name) : "NAME.DOMAIN",
	    k->c->program.config.path);
	check_say(k, CHECK_FAIL, "the machine has no name with a domain");
	buf_free(&name);
}

/* Servers look at the name of those who come without a login; a relay knows its customers. */
void
check_hostname(struct check *k)
{
	struct config *c = &k->c->program.config;
	const char *name = config_hostname(c);
	struct buf out;

	if (name == NULL) {
		say_no_name(k);
		return;
	}
	if (c->relays.n > 0) {
		check_say(k, CHECK_OK, "%s", name);
		return;
	}
	buf_init(&out, OUTPUT_MAX);
	switch (check_child(k, look_up_name, NULL, NAME_MS, &out)) {
	case NAME_OK:
		check_say(k, CHECK_OK, "%s", name);
		break;
	case NAME_LOOPBACK: /* as Debian's /etc/hosts has it */
		check_say(k, CHECK_OK,
		    "%s, which leads to this machine's loopback here: what "
		    "others see was not asked",
		    name);
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
static const unsigned char query[] = {0x51, 0x7e, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1};

enum { NO_ANSWER = -1, SERVFAIL = 2, REFUSED = 5 }; /* RFC 1035 4.1.1 */

static int
ask(const struct sockaddr_storage *to)
{
	int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)to, resolvconf_server_len(to)) == 0 &&
	    send(fd, query, sizeof(query), 0) == (ssize_t)sizeof(query))
		return fd;
	close(fd);
	return -1;
}

/* The code of an answer to our question; NO_ANSWER: it is none. */
static int
take_answer(int fd)
{
	unsigned char answer[512];
	ssize_t n = recv(fd, answer, sizeof(answer), 0);

	if (n < 12 || memcmp(answer, query, 2) != 0 || (answer[2] & 0x80) == 0)
		return NO_ANSWER;
	return answer[3] & 0x0f;
}

/* All at once; so long at most. An error of one, a port where nobody listens, is no answer. */
static void
ask_all(const struct check *k, const struct resolvconf *rc, int code[RESOLVCONF_SERVERS])
{
	struct pollfd p[RESOLVCONF_SERVERS];
	int64_t end_ms = clock_mono_ms() + time_left(k, SERVERS_MS), left;
	size_t waiting = rc->nservers;

	for (size_t i = 0; i < rc->nservers; i++) {
		code[i] = NO_ANSWER;
		p[i] = (struct pollfd){.fd = ask(&rc->servers[i]), .events = POLLIN};
		waiting -= p[i].fd == -1;
	}
	while (waiting > 0 && (left = end_ms - clock_mono_ms()) > 0) {
		if (poll(p, (nfds_t)rc->nservers, (int)left) <= 0)
			continue;
		for (size_t i = 0; i < rc->nservers; i++) {
			if (p[i].fd == -1 || p[i].revents == 0)
				continue;
			code[i] = take_answer(p[i].fd);
			close(p[i].fd);
			p[i].fd = -1;
			waiting--;
		}
	}
	for (size_t i = 0; i < rc->nservers; i++)
		if (p[i].fd >= 0)
			close(p[i].fd);
}

static void
read_servers(const struct config *c, struct resolvconf *rc)
{
	char text[8192];
	size_t n = 0;
	FILE *f;

	if (c->nnameservers == 0) {
		if ((f = check_read(c->resolv_conf)) != NULL) {
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

/* --- whether any mail needs them --- */

static bool
target_needs_dns(const struct config *c, const struct target *t)
{
	struct in6_addr *found;

	if (t->kind == TARGET_ADDRESS || t->kind == TARGET_LMTP_PATH)
		return false;
	if (t->kind == TARGET_MX || hosts_lookup(c->hosts, t->host, &found) == 0)
		return true;
	free(found);
	return false;
}

static bool
some_need_dns(const struct config *c, const struct targets *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		if (target_needs_dns(c, &ts->v[i]))
			return true;
	return false;
}

/* Not where all mail goes to addresses, or to names in the hosts file. */
static bool
needs_dns(const struct config *c)
{
	bool for_all = false; /* there is a relay for every sender */

	if (some_need_dns(c, &c->local_lmtp))
		return true;
	if (c->local_only != 0)
		return false;
	for (size_t i = 0; i < c->relays.n; i++)
		for_all = for_all || c->relays.v[i].pattern == NULL;
	return !for_all || some_need_dns(c, &c->relays) || some_need_dns(c, &c->routes) ||
	       some_need_dns(c, &c->fallbacks);
}

static void
say_server(struct check *k, const char *server, int code, enum check_result bad)
{
	const struct config *c = &k->c->program.config;
	const char *file = c->nnameservers > 0 ? c->path : c->resolv_conf;

	if (code != NO_ANSWER && code != SERVFAIL && code != REFUSED) {
		check_say(k, CHECK_OK, "name server %s answers", server);
		return;
	}
	check_type_editor(k, file, 0);
	if (code == NO_ANSWER)
		check_say(k, bad, "name server %s does not answer within %d s (%s)", server,
		    SERVERS_MS / 1000, file);
	else
		check_say(k, bad, "name server %s %s (%s)", server,
		    code == SERVFAIL ? "reaches no others"
				     : "does not answer this machine's questions",
		    file);
}

void
check_nameservers(struct check *k)
{
	const struct config *c = &k->c->program.config;
	char server[RESOLVCONF_SERVER_TEXT];
	int code[RESOLVCONF_SERVERS];
	size_t good = 0;
	struct resolvconf rc;

	if (!needs_dns(c)) {
		check_say(k, CHECK_OK, "no mail needs it");
		return;
	}
	read_servers(c, &rc);
	ask_all(k, &rc, code);
	for (size_t i = 0; i < rc.nservers; i++)
		good += code[i] != NO_ANSWER && code[i] != SERVFAIL && code[i] != REFUSED;
	for (size_t i = 0; i < rc.nservers; i++)
		say_server(k, resolvconf_server_text(&rc.servers[i], server), code[i],
		    good == 0 ? CHECK_FAIL : CHECK_WARN);
}
