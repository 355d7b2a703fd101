/*
 * bs: submits messages in one session of SMTP with a command's standard input and output, as programs do
 * that keep `sendmail -bs` running.
 *
 *	bs N MESSAGE COMMAND...
 *
 * MESSAGE is a file, a line's end in it one octet, no line of which begins with a dot. Where the command
 * offers PIPELINING (RFC 2920), what may go together does: MAIL, RCPT and DATA behind the final dot of the
 * message before. Ends with 0 when the command has taken all N and ended with 0; with its status when it
 * ended before it greeted (EX_UNAVAILABLE: it does not do this); otherwise with EX_PROTOCOL.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

static struct {
	pid_t pid;
	FILE *to, *from;
	bool pipelining;
	char expected[8]; /* the first digits of the replies that are still to come */
	unsigned waiting;
} server;

static void
start(char **command)
{
	int in[2], out[2];

	if (pipe(in) != 0 || pipe(out) != 0 || (server.pid = fork()) < 0)
		die(EX_OSERR, "cannot start %s: %s", command[0], strerror(errno));
	if (server.pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		for (unsigned i = 0; i < 2; i++) {
			close(in[i]);
			close(out[i]);
		}
		signal(SIGPIPE, SIG_DFL);
		execvp(command[0], command);
		die(EX_UNAVAILABLE, "%s: %s", command[0], strerror(errno));
	}
	close(in[0]);
	close(out[1]);
	if ((server.to = fdopen(in[1], "w")) == NULL || (server.from = fdopen(out[0], "r")) == NULL)
		die(EX_OSERR, "%s", strerror(errno));
}

/* What the command ends with, once it has nothing more to read. */
static int
end(void)
{
	int status;

	fclose(server.to);
	while (waitpid(server.pid, &status, 0) < 0)
		if (errno != EINTR)
			die(EX_OSERR, "waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* One reply of however many lines. */
static void
hear_one(char expected)
{
	char line[1024];

	do {
		if (fgets(line, sizeof(line), server.from) == NULL || strlen(line) < 4)
			die(EX_PROTOCOL, "it ended where a reply was due");
		if (strncmp(line + 4, "PIPELINING", 10) == 0)
			server.pipelining = true;
	} while (line[3] == '-');
	if (line[0] != expected)
		die(EX_PROTOCOL, "%c was due, not %.60s", expected, line);
}

static void
hear(void)
{
	if (fflush(server.to) != 0)
		die(EX_PROTOCOL, "it does not listen: %s", strerror(errno));
	for (unsigned i = 0; i < server.waiting; i++)
		hear_one(server.expected[i]);
	server.waiting = 0;
}

static void
say(const char *text, char expected)
{
	fputs(text, server.to);
	server.expected[server.waiting++] = expected;
	if (!server.pipelining)
		hear();
}

/* With an end of two octets to each line, and the final dot. */
static void
read_message(struct buf *text, const char *path)
{
	FILE *f = fopen(path, "r");
	int c;

	if (f == NULL)
		die(EX_NOINPUT, "%s: %s", path, strerror(errno));
	buf_init(text, SIZE_MAX);
	while ((c = getc(f)) != EOF) {
		if (c == '\n')
			buf_addc(text, '\r');
		buf_addc(text, (char)c);
	}
	fclose(f);
	buf_adds(text, ".\r\n");
}

/* Who ends before a greeting says with its status why. */
static void
greet(void)
{
	int c = getc(server.from);

	if (c == EOF) {
		int status = end();

		die(status != 0 ? status : EX_PROTOCOL, "it does not greet");
	}
	ungetc(c, server.from);
	hear_one('2');
	say("EHLO bench.example\r\n", '2');
	hear();
}

int
main(int argc, char **argv)
{
	struct buf text;
	const char *message;
	uint64_t n;

	if (argc < 4 || !str_u64(argv[1], 100000000, &n))
		die(EX_USAGE, "usage: bs N MESSAGE COMMAND...");
	signal(SIGPIPE, SIG_IGN);
	read_message(&text, argv[2]);
	message = buf_str(&text);
	start(argv + 3);
	greet();
	for (uint64_t i = 0; i < n; i++) {
		say("MAIL FROM:<a@bench.example>\r\n", '2');
		say("RCPT TO:<r0@bench.example>\r\n", '2');
		say("DATA\r\n", '3');
		hear();
		say(message, '2');
	}
	say("QUIT\r\n", '2');
	hear();
	buf_free(&text);
	return end() == 0 ? 0 : EX_PROTOCOL;
}
