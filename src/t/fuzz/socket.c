/*
 * socket.c: the whole program against a server whose words are the input, over real sockets. For AFL++
 * (make afl), which gives one on standard input; or with files as arguments.
 *
 * A message for three recipients is queued and sent by sortie -q, in processes of their own. The
 * server sends the input a reply at a time, each when there is a command to answer, or when none
 * has come for a while; 01 closes the connection, so that what follows is for the next one. It
 * matches replies to commands by their order alone. Afterwards a recipient may be recorded as
 * delivered, in the spool or in the log, only if the server gave a 2xx to the end of his message;
 * and once.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "sortie.h"
#include "spool/spool.h"
#include "whole.h"

enum { NRCPTS = 3, PATIENCE_MS = 15, TEXT_MAX = 1 << 20, COMMANDS_MAX = 1000 };

static const char *const rcpts[NRCPTS] = {"r0@example.net", "r1@example.net", "r2@example.net"};

/* What the server's process tells ours. */
struct account {
	unsigned taken[NRCPTS]; /* messages for him that were answered with 2xx */
	char wrong[100]; /* what the client should not have said */
};

static struct {
	char dir[1024];
	int listener;
	struct account *account; /* shared memory */
} world;

/* --- the server ------------------------------------------------------------------------------- */

enum command { GREETING, OTHER, MAIL, RCPT, DATA, DOT };

struct conversation {
	int fd;
	struct buf line; /* of the client, unfinished */
	enum command commands[COMMANDS_MAX]; /* greeting and dot count as such */
	int rcpt[COMMANDS_MAX]; /* for RCPT: which one, -1: none of ours */
	int codes[COMMANDS_MAX];
	size_t ncommands, ncodes, matched;
	bool mail_ok, accepted[NRCPTS], in_body, gone;
};

/* The next command and the next reply belong together, whenever either came. */
static void
match(struct conversation *c)
{
	size_t i = c->matched++;
	bool ok = c->codes[i] / 100 == 2;

	switch (c->commands[i]) {
	case MAIL:
		c->mail_ok = ok;
		memset(c->accepted, 0, sizeof(c->accepted));
		break;
	case RCPT:
		if (ok && c->mail_ok && c->rcpt[i] >= 0)
			c->accepted[c->rcpt[i]] = true;
		break;
	case DATA:
		c->in_body = c->codes[i] == 354;
		break;
	case DOT:
		for (size_t r = 0; r < NRCPTS; r++)
			world.account->taken[r] += ok && c->accepted[r];
		c->mail_ok = false;
		break;
	default:
		break;
	}
}

static void
note_command(struct conversation *c, enum command what, int rcpt)
{
	if (c->ncommands == COMMANDS_MAX)
		return;
	c->commands[c->ncommands] = what;
	c->rcpt[c->ncommands++] = rcpt;
	if (c->matched < c->ncodes)
		match(c);
}

static void
on_command(struct conversation *c, const char *line)
{
	int rcpt = -1;

	for (int i = 0; i < NRCPTS; i++)
		if (str_starts(line, "RCPT TO:<") && strstr(line, rcpts[i]) != NULL)
			rcpt = i;
	if (str_starts(line, "RCPT TO:<"))
		note_command(c, RCPT, rcpt);
	else if (str_starts(line, "MAIL FROM:<"))
		note_command(c, MAIL, -1);
	else if (strcmp(line, "DATA\r\n") == 0)
		note_command(c, DATA, -1);
	else if (str_starts(line, "EHLO ") || str_starts(line, "HELO ") ||
		 strcmp(line, "RSET\r\n") == 0 || strcmp(line, "QUIT\r\n") == 0)
		note_command(c, OTHER, -1);
	else
		str_clean(world.account->wrong, sizeof(world.account->wrong), line, strlen(line));
}

static void
take_byte(struct conversation *c, char byte)
{
	buf_addc(&c->line, byte);
	if (byte != '\n')
		return;
	if (!c->in_body) {
		on_command(c, buf_str(&c->line));
	} else if (strcmp(buf_str(&c->line), ".\r\n") == 0) {
		c->in_body = false;
		note_command(c, DOT, -1);
	}
	buf_clear(&c->line);
}

/* Reads until there is a command without an answer, or no more comes. */
static void
await_command(struct conversation *c)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
	char some[4096];
	ssize_t n;

	while (c->ncommands <= c->ncodes && poll(&pfd, 1, PATIENCE_MS) == 1) {
		n = recv(c->fd, some, sizeof(some), 0);
		c->gone = n <= 0;
		if (c->gone)
			return;
		for (ssize_t i = 0; i < n; i++)
			take_byte(c, some[i]);
	}
}

/* A complete reply among what was sent, read as naively as can be; it may be none. */
static void
note_reply(struct conversation *c, const char *line, size_t n)
{
	if (c->ncodes == COMMANDS_MAX || n < 4 || line[3] == '-')
		return;
	c->codes[c->ncodes++] = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	if (c->matched < c->ncommands)
		match(c);
}

/* Until a 01, or the end of the script; returns what is left of it. */
static size_t
converse(int fd, const char *script, size_t n)
{
	struct conversation c = {.fd = fd};
	size_t at = 0, end;

	buf_init(&c.line, TEXT_MAX);
	note_command(&c, GREETING, -1);
	while (at < n && script[at] != '\1' && !c.gone) {
		for (end = at; end < n && script[end] != '\n' && script[end] != '\1';)
			end++;
		end += end < n && script[end] == '\n';
		await_command(&c);
		/* Noted first: the client may be done, and we gone, as soon as it is sent. */
		if (end > at && script[end - 1] == '\n')
			note_reply(&c, script + at, end - at);
		if (!c.gone)
			(void)send(fd, script + at, end - at, MSG_NOSIGNAL);
		at = end;
	}
	await_command(&c);
	buf_free(&c.line);
	return at < n && script[at] == '\1' ? n - at - 1 : n - at;
}

static void
serve(const char *script, size_t n)
{
	size_t left = n;
	int fd;

	while (left > 0 && (fd = accept(world.listener, NULL, NULL)) != -1) {
		left = converse(fd, script + n - left, left);
		close(fd);
	}
}

/* --- the program ------------------------------------------------------------------------------ */

static pid_t
run(int argc, const char *const argv[], const char *input)
{
	pid_t child = fork();
	char *copy[16] = {NULL};
	int fd;

	if (child != 0)
		return child;
	close(world.listener);
	fd = open(input, O_RDONLY);
	dup2(fd, STDIN_FILENO);
	for (int i = 0; i < argc; i++)
		copy[i] = strdup(argv[i]);
	_exit(sortie_run(argc, copy));
}

static const char *
in_dir(char path[1200], const char *name)
{
	snprintf(path, 1200, "%s/%s", world.dir, name);
	return path;
}

static void
make_world(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	const char *tmp = getenv("TMPDIR");
	char path[1200];

	str_copy(world.dir, sizeof(world.dir) - 32, tmp != NULL ? tmp : "/tmp");
	memcpy(world.dir + strlen(world.dir), "/fuzz_socket.XXXXXX", 20);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	world.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (mkdtemp(world.dir) == NULL || world.listener == -1 ||
	    bind(world.listener, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(world.listener, 8) == -1 ||
	    getsockname(world.listener, (struct sockaddr *)&sin, &len) == -1)
		die(1, "no directory, or no socket");
	whole_write_file(in_dir(path, "message"), "Subject: x\n\n.\nhi\n");
	/*
	 * The server may close its listener just when a connection becomes complete: the kernel then may
	 * forget that end without telling ours, which waits for its greeting.
	 */
	whole_write_file(in_dir(path, "conf"),
	    "timeout greeting 10s\nhostname out.example.org\nspool %s/spool\nlog %s/log\nhosts "
	    "none\nrefuse none\n"
	    "relay smtp://[127.0.0.1]:%d\ntls none\nnameserver 127.0.0.1:1\n",
	    world.dir, world.dir, ntohs(sin.sin_port));
}

static int
wait_for(pid_t child)
{
	int status = 0;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		bug("the program was killed");
	return WEXITSTATUS(status);
}

/* --- what has become of it -------------------------------------------------------------------- */

static bool
count_in_spool(void *ctx, const struct spool_entry *entry)
{
	unsigned *sent = ctx;
	struct envelope e;
	char why[200], path[1200];
	struct spool *sp = NULL;
	off_t size;

	envelope_init(&e);
	if (spool_open(&sp, in_dir(path, "spool"), why, sizeof(why)) != 0 ||
	    spool_load(sp, entry->id, -1, &e, &size, why, sizeof(why)) != SPOOL_LOADED)
		bug("what is in the spool cannot be read");
	for (int i = 0; i < NRCPTS; i++) {
		const struct recipient *r = envelope_find(&e, rcpts[i]);

		sent[i] += r != NULL && r->status == RCPT_DELIVERED;
	}
	envelope_free(&e);
	spool_close(&sp);
	return true;
}

static void
count_in_log(unsigned sent[NRCPTS])
{
	char path[1200], line[4096], to[80];
	FILE *f = fopen(in_dir(path, "log"), "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		for (int i = 0; i < NRCPTS; i++) {
			snprintf(to, sizeof(to), "to=<%s>", rcpts[i]);
			sent[i] += strstr(line, to) != NULL && strstr(line, "status=sent") != NULL;
		}
	}
	if (f != NULL)
		fclose(f);
}

static void
judge(void)
{
	unsigned logged[NRCPTS] = {0}, spooled[NRCPTS] = {0};
	struct spool *sp = NULL;
	char why[200] = "", path[1200];

	if (world.account->wrong[0] != '\0')
		bug(world.account->wrong);
	if (spool_open(&sp, in_dir(path, "spool"), why, sizeof(why)) != 0)
		bug(why);
	(void)spool_scan(sp, count_in_spool, spooled);
	spool_close(&sp);
	count_in_log(logged);
	for (int i = 0; i < NRCPTS; i++) {
		if (logged[i] > world.account->taken[i] || spooled[i] > world.account->taken[i])
			bug("delivered, and the server has not taken it");
		if (logged[i] > 1)
			bug("delivered twice");
		if (spooled[i] > logged[i])
			bug("recorded, and not in the log");
	}
}

static void
try_script(const char *script, size_t n)
{
	char conf[1200], message[1200];
	const char *submit[] = {"sendmail", "-C", conf, "-odq", "-oi", "-f", "alice@example.org",
	    rcpts[0], rcpts[1], rcpts[2]};
	const char *deliver[] = {"sortie", "-C", conf, "-q"};
	pid_t server;

	memset(world.account, 0, sizeof(*world.account));
	make_world();
	in_dir(conf, "conf");
	in_dir(message, "message");
	if (wait_for(run(10, submit, message)) != 0)
		bug("not submitted");
	server = fork();
	if (server == 0) {
		serve(script, n);
		_exit(0);
	}
	close(world.listener);
	if (wait_for(run(4, deliver, "/dev/null")) != 0)
		bug("the pass was not made");
	(void)whole_stop(server);
	judge();
	whole_remove(world.dir);
}

static void
try_file(int fd, const char *name)
{
	struct buf script;
	ssize_t n;
	char *at;

	buf_init(&script, TEXT_MAX);
	do {
		at = buf_reserve(&script, 4096);
		n = at == NULL ? 0 : read(fd, at, 4096);
		if (n == -1)
			die(1, "%s: cannot be read", name);
		if (n > 0)
			buf_commit(&script, (size_t)n);
	} while (n > 0);
	try_script(buf_data(&script), buf_len(&script));
	buf_free(&script);
}

int
main(int argc, char **argv)
{
	world.account = mmap(NULL, sizeof(*world.account), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world.account == MAP_FAILED)
		die(1, "no memory");
	if (argc < 2)
		try_file(STDIN_FILENO, "standard input");
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		try_file(fd, argv[i]);
		close(fd);
	}
	if (argc > 1)
		printf("a server over a socket: %d inputs\n", argc - 1);
	return 0;
}
