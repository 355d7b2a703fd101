/*
 * kit.h: what the tests of the whole program share. The program is the one that was built, run as
 * a child with real files and real sockets of loopback; the test itself is its mail server, a line at
 * a time, so that it decides what happens before what. Nothing waits for time to pass, only for
 * something to happen, at most PATIENCE_MS.
 *
 * Every test is a process of its own (Check's CK_FORK) with a directory of its own, which stays
 * behind when the test fails.
 */
#ifndef T_WHOLE_KIT_H
#define T_WHOLE_KIT_H

#include <sys/types.h>

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

enum { PATIENCE_MS = 20000, SAID_MAX = 64 * 1024, HEARD_MAX = 4096 };

struct kit {
	const char *sortie, *sink; /* paths */
	const char *ctl; /* of build/sortiectl */
	const char *front; /* of build/sendmail, where it is what tests start; NULL: sortie is */
	char dir[64], conf[80], spool[80], log[80];
};
extern struct kit kit;

/* A directory and a configuration in it: no relay, one retry a second. Fixtures of every case. */
void kit_setup(void);
void kit_teardown(void);
/* The program where everybody can start it: it may have been built below somebody's home. And gone. */
void kit_copy_program(void);
void kit_remove_program(void);
const char *kit_program(void); /* what tests start */
void kit_copy_file(const char *path, const char *as); /* ... everybody may start it */
/* The configuration anew, with these lines besides. */
void kit_configure(const char *fmt, ...) LOG_PRINTF(1, 2);

int64_t kit_now_ms(void);
void kit_moment(void);
/* Until it is true. */
#define WAIT_FOR(what) \
	do { \
		int64_t end_ms = kit_now_ms() + PATIENCE_MS; \
		while (!(what)) { \
			ck_assert_msg( \
			    kit_now_ms() < end_ms, "in vain: %s (see %s)", #what, kit.dir); \
			kit_moment(); \
		} \
	} while (0)

/* --- the program as a child --- */

struct child {
	pid_t pid;
	int in, out; /* ends of pipes: its standard input; its standard output and error */
	char said[SAID_MAX]; /* complete after child_output() */
	size_t nsaid;
};

/* Runs the program with -C conf and the arguments, of which the last is NULL. prepare: in the child, before exec. */
void child_start(struct child *c, void (*prepare)(void), const char *arg, ...);
/* ... argv as for execv(3). */
void child_start_argv(struct child *c, void (*prepare)(void), const char *const argv[]);
void child_start_file(struct child *c, void (*prepare)(void), const char *path,
    const char *const argv[]); /* ... another program */
void child_feed(struct child *c, const char *text); /* leaves its standard input open */
void child_end_of_input(struct child *c);
void child_output(struct child *c); /* all of it: until nobody holds the other end */
int child_wait(struct child *c); /* its exit status; 128 and the signal when it died of one */
int child_end(struct child *c); /* end of input, output, wait */
/* One message from start to end; what the exit status was. */
int submit(void (*prepare)(void), const char *text, const char *arg, ...);

/* --- the spool --- */

size_t files_in(const char *part); /* "ctl": how many entries that do not start with a dot */
/* n messages to NUMBER@whole.example, Message-ID <NUMBER@whole.example>, without the program. */
void fill_spool(size_t n);
void fill_spool_for(size_t n, long long uid); /* as if that user had submitted them */
void wake_runners(void);
int lock_oldest(void); /* the message that is first in the queue; close(2) lets go */
bool runner_present(const char *name);
/* The whole of a file; freed by the caller. */
char *file_text(const char *path);
size_t count_text(const char *path, const char *text); /* how often it is in the file */
/* How many different processes have written lines with that text to the log. */
size_t count_pids(const char *text);

/* --- the test as a server --- */

int server_listen(int *port); /* on 127.0.0.1 */
int server_accept(int listener);
bool server_called(int listener); /* somebody waits to be accepted */
void server_say(int fd, const char *text); /* CRLF is added */
/* The next line; it must begin with `start`. Until the next call. */
const char *server_hear(int fd, const char *start);
void server_greet(int fd); /* greeting and EHLO; PIPELINING is offered */
void server_envelope(int fd); /* MAIL, one RCPT, DATA, the message; the dot is not answered */
void server_take(int fd); /* the same, answered */
void server_hear_end(int fd); /* nothing but QUIT comes, then the end; closes */

/* --- the sink --- */

struct sink {
	pid_t pid;
	int port;
	char record[96];
};
void sink_start(struct sink *s, const char *latency_ms);
void sink_stop(struct sink *s);
size_t sink_messages(const struct sink *s);
/* Messages 0 to n - 1 of fill_spool() have come once each. */
void sink_has_each_once(const struct sink *s, size_t n);

#endif
