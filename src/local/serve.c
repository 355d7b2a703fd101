/*
 * serve.c: the local helper itself, the one process that stays root. It reads no file, follows no
 * path and looks at no message; what is done for a user is done by a child that has become him.
 */
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/packet.h"
#include "base/str.h"
#include "base/sys.h"
#include "local/local_impl.h"
#include "local/local_wire.h"

enum {
	CHILDREN_MAX = 4 * LOCAL_AT_ONCE, /* with those that hang */
	GRACE_MS = 2000, /* from SIGKILL to the end */
	ENDING_MS = 1, /* from the end of what it says to the end */
	HANGING_MS = 1000, /* one that has been given up is looked at this often */
};

struct child {
	uint64_t number;
	pid_t pid;
	int pipe; /* -1: it has said all */
	int64_t deadline_ms;
	bool killed;
	bool given_up; /* it was answered for, and still does not end */
	size_t n;
	char said[1 + LOCAL_TEXT_MAX]; /* the outcome, then the text */
	char name[LOCAL_NAME_MAX + 1];
};

struct server {
	int sock; /* -1: the runner has gone */
	const struct local_options *options;
	struct child *children[CHILDREN_MAX];
	size_t nchildren, nhanging; /* those that were given up are among the children */
};

static int64_t
now_ms(void)
{
	return sys.mono_ns() / 1000000;
}

/* --- answers ------------------------------------------------------------------------------ */

static void
answer(
    const struct server *s, uint64_t number, enum local_outcome outcome, const char *text, size_t n)
{
	struct local_wire_head head = {.number = number, .word = (uint32_t)outcome};
	char data[sizeof(head) + LOCAL_TEXT_MAX];

	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head), text, n);
	if (s->sock >= 0)
		packet_send(s->sock, data, sizeof(head) + n, -1); /* gone: nobody left to tell */
}

static int
limit_ms(const struct server *s)
{
	return s->options->limit_ms > 0 ? s->options->limit_ms : LOCAL_LIMIT_S * 1000;
}

static void
say_cut_short(const struct server *s, const struct child *c)
{
	static const char cut[] = "the delivery was cut short";

	answer(s, c->number, LOCAL_RETRY, cut, sizeof(cut) - 1);
}

/* It has ended. What it said counts only if that was in good order; a user can stop it at will. */
static void
finish(struct server *s, size_t i, int status)
{
	struct child *c = s->children[i];

	if (c->given_up)
		s->nhanging--;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && c->n > 0 &&
		 (unsigned char)c->said[0] <= LOCAL_FAIL)
		answer(s, c->number, (enum local_outcome)c->said[0], c->said + 1, c->n - 1);
	else
		say_cut_short(s, c);
	s->children[i] = s->children[--s->nchildren];
	free(c);
}

/* A stopped child holds its pipe open and its clock still; SIGKILL ends it all the same. */
static void
kill_child(struct child *c)
{
	if (!c->killed)
		kill(c->pid, SIGKILL);
	c->killed = true;
}

static void
listen_to(struct child *c)
{
	ssize_t n = read(c->pipe, c->said + c->n, sizeof(c->said) - c->n);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		c->n += (size_t)n;
		if (c->n < sizeof(c->said))
			return;
		c->n = 0; /* it may not say so much */
	}
	kill_child(c); /* harmless to one that has ended: it is not waited for yet */
	close(c->pipe);
	c->pipe = -1;
	if (c->deadline_ms > now_ms())
		c->deadline_ms = now_ms();
}

/*
 * Nothing ends a child that waits for a file server, not even SIGKILL; and the server of the user's home
 * may be the user himself (FUSE). Nobody else is to wait for it.
 */
static void
look_after(struct server *s, size_t i, int64_t now)
{
	struct child *c = s->children[i];
	int grace = limit_ms(s) < GRACE_MS ? limit_ms(s) : GRACE_MS, status = 0;
	pid_t got = c->pipe == -1 ? waitpid(c->pid, &status, WNOHANG) : 0;

	if (got == c->pid || (got == -1 && errno != EINTR)) {
		finish(s, i, got == -1 ? -1 : status);
		return;
	}
	if (c->deadline_ms <= now)
		kill_child(c);
	if (c->given_up || c->deadline_ms + grace > now)
		return;
	say_cut_short(s, c);
	c->given_up = true;
	s->nhanging++;
}

/* --- the child ---------------------------------------------------------------------------- */

/*
 * Whoever is not there is not found without an error (POSIX, getpwnam). ENOENT, ESRCH and their like come
 * of a passwd that is missing for a moment or of a directory service in trouble: no mail bounces for that.
 */
int
local_look_up(const char *name, struct local_user *u)
{
	static char text[65536]; /* there is one thread */
	struct passwd entry, *pw;

	do
		errno = getpwnam_r(name, &entry, text, sizeof(text), &pw);
	while (errno == EINTR);
	if (errno != 0)
		return -1;
	if (pw == NULL)
		return 0;
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	if (str_copy(u->home, sizeof(u->home), pw->pw_dir))
		return 1;
	errno = ENAMETOOLONG;
	return -1;
}

/*
 * For good: real, effective and saved. The group is the user's own; a folder of mboxes that only a
 * group may write to (group mail's) gives its group as the one other, as Debian's policy has it.
 */
static int
become(const struct local_job *job, const char *name)
{
	const struct local_user *u = &job->user;
	struct stat st;
	bool mbox = job->request.kind == LOCAL_MBOX && stat(job->options->spool, &st) == 0 &&
		    (st.st_mode & (S_IWGRP | S_IWOTH)) == S_IWGRP;
	gid_t gid = mbox ? st.st_gid : u->gid;

	if (geteuid() != 0) { /* a helper of a user's own serves him alone */
		errno = EPERM;
		return geteuid() == u->uid ? 0 : -1;
	}
	if (initgroups(name, u->gid) != 0 || setregid(gid, gid) != 0 ||
	    setreuid(u->uid, u->uid) != 0)
		return -1;
	return getuid() == u->uid && geteuid() == u->uid && setreuid(0, 0) != 0 ? 0 : -1;
}

static enum local_outcome
work(struct local_job *job, const char *name, struct buf *said)
{
	static enum local_outcome (*const kinds[])(const struct local_job *, struct buf *) = {
	    [LOCAL_MAILDIR] = local_maildir,
	    [LOCAL_MBOX] = local_mbox,
	    [LOCAL_FORWARD] = local_forward,
	};
	local_lookup_fn *lookup = job->options->lookup;
	struct stat st;
	int found = lookup != NULL ? lookup(name, &job->user) : local_look_up(name, &job->user);

	if (found < 0)
		return local_trouble(said, "looking up the user");
	if (found == 0) {
		buf_adds(said, "no such user");
		return LOCAL_FAIL;
	}
	if (job->user.uid == 0) {
		buf_adds(said, "root's mailbox is not written as root: make an alias for root");
		return LOCAL_RETRY;
	}
	if (become(job, name) != 0)
		return local_trouble(said, "becoming the user");
	if (job->request.kind != LOCAL_FORWARD &&
	    (fstat(job->request.message, &st) != 0 || !S_ISREG(st.st_mode))) {
		buf_adds(said, "the message is not a file");
		return LOCAL_RETRY;
	}
	job->home = open(job->user.home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	job->home_error = errno;
	return kinds[job->request.kind](job, said);
}

/* Its descriptors are the message, the pipe and whatever is on 0 to 2; then it says how it went. */
static void
run_child(struct server *s, struct local_job *job, const char *name, int out)
{
	struct buf said;
	char outcome;

	close(s->sock);
	for (size_t i = 0; i < s->nchildren; i++)
		if (s->children[i]->pipe != -1)
			close(s->children[i]->pipe);
	umask(077);
	buf_init(&said, LOCAL_TEXT_MAX - 1);
	outcome = (char)work(job, name, &said);
	if (said.overflow)
		_exit(1);
	if (write(out, &outcome, 1) == 1 &&
	    write(out, buf_data(&said), buf_len(&said)) == (ssize_t)buf_len(&said))
		_exit(0);
	_exit(1);
}

static struct child *
child_new(const struct server *s, uint64_t number, const char *name)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->number = number;
	c->deadline_ms = now_ms() + limit_ms(s);
	str_copy(c->name, sizeof(c->name), name);
	return c;
}

static void
start(struct server *s, struct local_job *job, const char *name)
{
	static const char why[] = "no child can be started for it";
	struct child *c = child_new(s, job->request.number, name);
	int ends[2];

	if (c == NULL || pipe(ends) != 0) {
		free(c);
		answer(s, job->request.number, LOCAL_RETRY, why, sizeof(why) - 1);
		return;
	}
	c->pid = fork();
	if (c->pid == 0) {
		close(ends[0]);
		run_child(s, job, name, ends[1]);
	}
	close(ends[1]);
	c->pipe = ends[0];
	if (c->pid == -1) {
		close(ends[0]);
		free(c);
		answer(s, job->request.number, LOCAL_RETRY, why, sizeof(why) - 1);
		return;
	}
	s->children[s->nchildren++] = c;
}

/* --- requests ----------------------------------------------------------------------------- */

/* The three strings behind the head, all of it; false: nonsense. */
static bool
parse(const char *data, size_t n, struct local_request *r)
{
	const char **to[] = {&r->user, &r->sender, &r->recipient};
	struct local_wire_head head;

	if (n <= sizeof(head))
		return false;
	memcpy(&head, data, sizeof(head));
	data += sizeof(head);
	n -= sizeof(head);
	for (int i = 0; i < 3; i++) {
		const char *end = memchr(data, '\0', n);

		if (end == NULL)
			return false;
		*to[i] = data;
		n -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	r->number = head.number;
	r->kind = (enum local_kind)head.word;
	return n == 0 && head.word <= LOCAL_FORWARD && local_name_ok(r->user) &&
	       str_is_clean(r->sender, strlen(r->sender)) &&
	       str_is_clean(r->recipient, strlen(r->recipient)) &&
	       (r->kind == LOCAL_FORWARD) == (r->message == -1);
}

/* Whether one of his hangs: another would, too. */
static bool
hangs(const struct server *s, const char *name)
{
	for (size_t i = 0; i < s->nchildren; i++)
		if (s->children[i]->given_up && strcmp(s->children[i]->name, name) == 0)
			return true;
	return false;
}

static void
serve_one(struct server *s, struct local_job *job)
{
	static const char why[] = "an earlier delivery to the user still hangs";

	if (hangs(s, job->request.user))
		answer(s, job->request.number, LOCAL_RETRY, why, sizeof(why) - 1);
	else
		start(s, job, job->request.user);
}

/* A runner that makes no sense is not served any more. */
static void
take_request(struct server *s)
{
	char data[LOCAL_WIRE_MAX];
	struct local_job job = {.options = s->options, .home = -1};
	ssize_t n = packet_receive(s->sock, data, sizeof(data), &job.request.message);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && parse(data, (size_t)n, &job.request)) {
		serve_one(s, &job);
	} else {
		close(s->sock);
		s->sock = -1;
	}
	if (job.request.message >= 0)
		close(job.request.message);
}

/* When look_after() has something to do; what the pipe tells comes by itself. */
static int64_t
next_look(const struct server *s, const struct child *c, int64_t now)
{
	int grace = limit_ms(s) < GRACE_MS ? limit_ms(s) : GRACE_MS;

	if (c->pipe == -1)
		return now + (c->given_up ? HANGING_MS : ENDING_MS);
	if (c->given_up)
		return INT64_MAX;
	return c->deadline_ms + (c->killed ? grace : 0);
}

/* How long poll(2) may wait; -1: for ever. */
static int
patience_ms(const struct server *s)
{
	int64_t now = now_ms(), first = INT64_MAX;

	for (size_t i = 0; i < s->nchildren; i++) {
		int64_t at = next_look(s, s->children[i], now);

		if (at < first)
			first = at;
	}
	if (first == INT64_MAX)
		return -1;
	if (first <= now)
		return 0;
	return first - now < 60000 ? (int)(first - now) : 60000;
}

static bool
has_room(const struct server *s)
{
	return s->nchildren < CHILDREN_MAX && s->nchildren - s->nhanging < LOCAL_AT_ONCE;
}

static void
turn(struct server *s)
{
	struct pollfd p[1 + CHILDREN_MAX];
	size_t n = s->nchildren;
	bool ready;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = s->children[i]->pipe, .events = POLLIN};
	/* negative: not watched */
	p[n] = (struct pollfd){.fd = has_room(s) ? s->sock : -1, .events = POLLIN};
	ready = poll(p, (nfds_t)n + 1, patience_ms(s)) > 0;
	for (size_t i = 0; ready && i < n; i++)
		if (p[i].revents != 0)
			listen_to(s->children[i]);
	/* From the last: what finishes is replaced by the last, which was looked at already. */
	for (size_t i = n; i-- > 0;)
		look_after(s, i, now_ms());
	if (ready && p[n].revents != 0 && p[n].fd >= 0)
		take_request(s);
}

/* The terminal's and the service manager's signals are for the runner; the helper ends after it, and
 * never in the middle of a mailbox. */
static void
ignore_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

void
local_serve(int sock, const struct local_options *options)
{
	struct server s = {.sock = sock, .options = options};

	ignore_signals();
	if (chdir("/") != 0) {
		/* every path is absolute: it would only hold a file system that is to be unmounted */
	}
	while (s.sock >= 0 || s.nchildren > s.nhanging)
		turn(&s);
}
