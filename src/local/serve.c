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

struct child {
	uint32_t number;
	pid_t pid;
	int pipe;
	int64_t deadline_ms;
	bool killed;
	size_t n;
	char said[1 + LOCAL_TEXT_MAX]; /* the outcome, then the text */
};

struct server {
	int sock; /* -1: the runner has gone */
	const struct local_options *options;
	struct child *children[LOCAL_AT_ONCE];
	size_t nchildren;
};

static int64_t
now_ms(void)
{
	return sys.mono_ns() / 1000000;
}

/* --- answers ------------------------------------------------------------------------------ */

static void
answer(
    const struct server *s, uint32_t number, enum local_outcome outcome, const char *text, size_t n)
{
	struct local_wire_head head = {.number = number, .word = (uint32_t)outcome};
	char data[sizeof(head) + LOCAL_TEXT_MAX];

	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head), text, n);
	if (s->sock >= 0)
		packet_send(s->sock, data, sizeof(head) + n, -1); /* gone: nobody left to tell */
}

/* The child's end. What it said counts only if it ended in good order; a user can stop it at will. */
static void
finish(struct server *s, size_t i)
{
	struct child *c = s->children[i];
	static const char cut[] = "the delivery was cut short";
	int status;

	close(c->pipe);
	while (waitpid(c->pid, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && c->n > 0 &&
	    (unsigned char)c->said[0] <= LOCAL_FAIL)
		answer(s, c->number, (enum local_outcome)c->said[0], c->said + 1, c->n - 1);
	else
		answer(s, c->number, LOCAL_RETRY, cut, sizeof(cut) - 1);
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
listen_to(struct server *s, size_t i)
{
	struct child *c = s->children[i];
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
	finish(s, i);
}

/* --- the child ---------------------------------------------------------------------------- */

static int
look_up(const char *name, struct local_user *u)
{
	const struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL)
		return errno == 0 || errno == ESRCH ? ENOENT : errno;
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return str_copy(u->home, sizeof(u->home), pw->pw_dir) ? 0 : ENAMETOOLONG;
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

	if (geteuid() != 0)
		return geteuid() == u->uid ? 0 : -1; /* a helper of a user's own serves him alone */
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
	int err = lookup != NULL ? lookup(name, &job->user) : look_up(name, &job->user);

	if (err == ENOENT) {
		buf_adds(said, "no such user");
		return LOCAL_FAIL;
	}
	errno = err;
	if (err != 0)
		return local_trouble(said, "looking up the user");
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
child_new(uint32_t number, const struct local_options *o)
{
	struct child *c = calloc(1, sizeof(*c));
	int limit_ms = o->limit_ms > 0 ? o->limit_ms : LOCAL_LIMIT_S * 1000;

	if (c == NULL)
		return NULL;
	c->number = number;
	c->deadline_ms = now_ms() + limit_ms;
	return c;
}

static void
start(struct server *s, struct local_job *job, const char *name)
{
	static const char why[] = "no child can be started for it";
	struct child *c = child_new(job->request.number, s->options);
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

/* A name that is a name: it is looked up, becomes part of a path below the mbox folder, and is no
 * more than that. */
static bool
good_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= LOCAL_NAME_MAX && name[0] != '.' && strchr(name, '/') == NULL &&
	       str_is_clean(name, n);
}

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
	return n == 0 && head.word <= LOCAL_FORWARD && good_name(r->user) &&
	       str_is_clean(r->sender, strlen(r->sender)) &&
	       str_is_clean(r->recipient, strlen(r->recipient)) &&
	       (r->kind == LOCAL_FORWARD) == (r->message == -1);
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
		start(s, &job, job.request.user);
	} else {
		close(s->sock);
		s->sock = -1;
	}
	if (job.request.message >= 0)
		close(job.request.message);
}

/* How long poll(2) may wait: until the first child has had its time; -1: for ever. */
static int
patience_ms(struct server *s)
{
	int64_t now = now_ms(), first = INT64_MAX;

	for (size_t i = 0; i < s->nchildren; i++) {
		struct child *c = s->children[i];

		if (c->deadline_ms <= now)
			kill_child(c);
		else if (c->deadline_ms < first)
			first = c->deadline_ms;
	}
	if (first == INT64_MAX)
		return -1;
	return first - now < 60000 ? (int)(first - now) : 60000;
}

static void
turn(struct server *s)
{
	struct pollfd p[1 + LOCAL_AT_ONCE];
	size_t n = s->nchildren;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = s->children[i]->pipe, .events = POLLIN};
	/* negative: not watched */
	p[n] = (struct pollfd){.fd = n < LOCAL_AT_ONCE ? s->sock : -1, .events = POLLIN};
	if (poll(p, (nfds_t)n + 1, patience_ms(s)) <= 0)
		return;
	/* From the last: what finishes is replaced by the last, which was looked at already. */
	for (size_t i = n; i-- > 0;)
		if (p[i].revents != 0)
			listen_to(s, i);
	if (p[n].revents != 0 && p[n].fd >= 0)
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
	while (s.sock >= 0 || s.nchildren > 0)
		turn(&s);
}
