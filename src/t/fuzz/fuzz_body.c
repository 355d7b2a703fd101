/*
 * fuzz_body.c: a message on its way to the wire. The first byte is the size of a piece, and chooses:
 *
 * Any bytes through DATA: the server finds CRLF alone, one end of data, and what a slow reading makes
 * of the bytes; and as quoted-printable they come back as they were.
 *
 * Or any bytes as standard input, by submit() into a spool, from there through DATA: what the server
 * gets is the body that slow_input.c finds in the input, as it is or in quoted-printable that says
 * so, and the control file says of it what is true. 01 stands for 990 letters.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "fuzz.h"
#include "proto/body.h"
#include "proto/qp.h"
#include "slow_input.h"
#include "submit.h"
#include "whole.h"

enum { BLOCK = 32 * 1024 };

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return buf_len(a) == buf_len(b) && memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0;
}

/* --- the wire --- */

/* Every line end, whatever it is, as CRLF; an unfinished line ended. */
static void
normalise(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			i++;
		if (p[i] == '\r' || p[i] == '\n')
			buf_adds(out, "\r\n");
		else
			buf_addc(out, p[i]);
	}
	if (n > 0 && p[n - 1] != '\r' && p[n - 1] != '\n')
		buf_adds(out, "\r\n");
}

static void
send_data(struct buf *wire, const char *p, size_t n, size_t piece)
{
	struct body b;

	body_start(&b);
	for (size_t i = 0; i < n; i += piece) {
		size_t before = buf_len(wire), part = n - i < piece ? n - i : piece;

		body_add(&b, wire, p + i, part);
		require(buf_len(wire) - before <= BODY_WORST(part), "more than there is room for");
	}
	body_end(&b, wire);
}

/* As a server does (RFC 5321 4.5.2): a lone dot ends it, the dot before another byte is taken off. */
static void
receive(struct buf *out, const struct buf *wire)
{
	const char *p = buf_data(wire), *end = p + buf_len(wire), *lf;

	for (; p < end; p = lf + 1) {
		size_t n;

		lf = memchr(p, '\n', (size_t)(end - p));
		require(lf != NULL && lf > p && lf[-1] == '\r', "a bare LF, or no end");
		n = (size_t)(lf - p) - 1;
		require(memchr(p, '\r', n) == NULL, "a bare CR");
		if (n == 1 && *p == '.') {
			require(lf + 1 == end, "more behind the end of data");
			return;
		}
		if (*p == '.')
			p++;
		buf_add(out, p, (size_t)(lf + 1 - p));
	}
	bug("no end of data");
}

static void
check_data(const char *p, size_t n, size_t piece, const struct buf *want)
{
	struct buf wire, got;

	buf_init(&wire, SLOW_MAX);
	buf_init(&got, SLOW_MAX);
	send_data(&wire, p, n, piece);
	receive(&got, &wire);
	require(same(&got, want), "another message arrives");
	buf_free(&wire);
	buf_free(&got);
}

/* --- quoted-printable --- */

static int
hex(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c != '\0' ? strchr(digits, c) : NULL;

	require(at != NULL, "no hex digit");
	return (int)(at - digits);
}

/* Strictly by RFC 2045 6.7. */
static void
decode(struct buf *out, const char *p, size_t n)
{
	size_t column = 0;

	for (size_t i = 0; i < n; i++, column++) {
		if (p[i] == '\r') {
			require(i + 1 < n && p[i + 1] == '\n', "a bare CR");
			require(i == 0 || (p[i - 1] != ' ' && p[i - 1] != '\t'),
			    "white space at the end of a line");
			require(column <= 76, "a line of more than 76 characters");
			buf_adds(out, "\r\n");
		} else if (p[i] == '=' && i + 2 < n && p[i + 1] == '\r') {
			require(column <= 75 && p[i + 2] == '\n', "a soft line break too late");
		} else if (p[i] == '=') {
			require(i + 2 < n, "half a byte");
			buf_addc(out, (char)(hex(p[i + 1]) * 16 + hex(p[i + 2])));
			i += 2, column += 2;
			continue;
		} else {
			require(p[i] == '\t' || (p[i] >= ' ' && p[i] <= '~'), "a byte as it is");
			buf_addc(out, p[i]);
			continue;
		}
		i += p[i] == '=' ? 2 : 1;
		column = (size_t)-1;
	}
}

static void
check_coding(const struct buf *text, size_t piece)
{
	struct qp qp = {0};
	struct buf coded, again;
	size_t n = buf_len(text);

	buf_init(&coded, SLOW_MAX);
	buf_init(&again, SLOW_MAX);
	for (size_t i = 0; i < n; i += piece) {
		size_t before = buf_len(&coded), part = n - i < piece ? n - i : piece;

		qp_encode(&qp, buf_data(text) + i, part, &coded);
		require(buf_len(&coded) - before <= 4 * (part + 1), "longer than promised");
	}
	decode(&again, buf_data(&coded), buf_len(&coded));
	require(same(text, &again), "decoded it is another");
	buf_free(&coded);
	buf_free(&again);
}

static void
any_bytes(const char *p, size_t n, size_t piece)
{
	struct buf text;

	buf_init(&text, SLOW_MAX);
	normalise(&text, p, n);
	check_data(p, n, piece, &text);
	check_data(buf_data(&text), buf_len(&text), piece, &text);
	check_coding(&text, piece);
	buf_free(&text);
}

/* --- from standard input --- */

static struct {
	struct spool *sp;
	char dir[1024];
	int input; /* a descriptor that is always readable; what is read of it comes from here */
	const char *at;
	size_t left, piece;
} in = {.input = -1};

static ssize_t
read_input(int fd, void *dst, size_t n)
{
	if (fd != in.input)
		return sys_libc.read(fd, dst, n);
	n = n < in.piece ? n : in.piece;
	n = n < in.left ? n : in.left;
	memcpy(dst, in.at, n);
	in.at += n;
	in.left -= n;
	return (ssize_t)n;
}

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void
quiet(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	require(str_is_clean(line, strlen(line)), "a line of the log that is not clean");
}

static void
remove_spool(void)
{
	spool_close(&in.sp);
	whole_remove(in.dir);
}

static void
make_spool(void)
{
	const char *tmp = getenv("TMPDIR");
	char why[256];

	str_copy(in.dir, sizeof(in.dir) - 20, tmp != NULL ? tmp : "/tmp");
	memcpy(in.dir + strlen(in.dir), "/fuzz_body.XXXXXX", 18);
	require(mkdtemp(in.dir) != NULL, "no directory");
	sys.fsync = sys.fdatasync = no_sync;
	require(spool_open(&in.sp, in.dir, why, sizeof(why)) == 0, why);
	in.input = open("/dev/null", O_RDONLY);
	atexit(remove_spool);
}

/* What became of it, in the spool; freed and removed there by let_go(). */
struct queued {
	struct envelope e;
	struct buf message, header, body;
};

static void
load(struct queued *q, const char *id)
{
	int fd = spool_open_body(in.sp, id, NULL);
	const char *end;
	ssize_t n;
	off_t size;
	char why[256] = "", *at;

	envelope_init(&q->e);
	require(spool_load(in.sp, id, -1, &q->e, &size, why, sizeof(why)) == SPOOL_LOADED, why);
	buf_init(&q->message, SLOW_MAX);
	do {
		at = buf_reserve(&q->message, BLOCK);
		n = read(fd, at, BLOCK);
		require(n >= 0, "no body");
		buf_commit(&q->message, (size_t)n);
	} while (n > 0);
	close(fd);
	end = strstr(buf_str(&q->message), "\r\n\r\n");
	require(end != NULL, "no header");
	end += 2;
	buf_init(&q->header, SLOW_MAX);
	buf_init(&q->body, SLOW_MAX);
	buf_add(&q->header, buf_data(&q->message), (size_t)(end - buf_data(&q->message)));
	buf_add(&q->body, end + 2, buf_len(&q->message) - buf_len(&q->header) - 2);
	require(spool_finish(in.sp, id) == 0 && spool_remove_body(in.sp, id) == 0, "it stays");
}

static void
let_go(struct queued *q)
{
	envelope_free(&q->e);
	buf_free(&q->message);
	buf_free(&q->header);
	buf_free(&q->body);
}

struct facts {
	bool eightbit, dots;
	size_t longest;
};

static struct facts
facts_of(const struct buf *text)
{
	const char *p = buf_data(text), *end = p + buf_len(text), *lf;
	struct facts f = {0};

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		require(lf != NULL && lf > p && lf[-1] == '\r', "a line without its end");
		f.dots = f.dots || *p == '.';
		if ((size_t)(lf - 1 - p) > f.longest)
			f.longest = (size_t)(lf - 1 - p);
		for (; p < lf; p++)
			f.eightbit = f.eightbit || (unsigned char)*p >= 0x80;
	}
	return f;
}

/* The last field of that name; false: there is none. */
static bool
find_field(const struct buf *header, const char *name, struct slow_field *found)
{
	struct slow_field f;
	bool there = false;

	for (size_t at = 0; slow_field(header, &at, &f);) {
		if (strcmp(f.name, name) == 0) {
			*found = f;
			there = true;
		}
	}
	return there;
}

static bool
has_field(const struct buf *header, const char *name)
{
	struct slow_field f;

	return find_field(header, name, &f);
}

/* The body is the input's, word for word where its lines are short; else decoded, unless something
 * in the header forbids that it be changed. */
static void
check_body(const struct queued *q, const struct slow_input *want)
{
	static const char says_so[] = " quoted-printable\r\n";
	bool may_stay = has_field(&want->header, "content-transfer-encoding") ||
			has_field(&want->header, "content-type");
	struct slow_field f;
	struct buf decoded;

	if (facts_of(&want->body).longest <= 998 || has_field(&want->header, "dkim-signature") ||
	    (may_stay && same(&q->body, &want->body))) {
		require(same(&q->body, &want->body), "another body");
		return;
	}
	buf_init(&decoded, SLOW_MAX);
	decode(&decoded, buf_data(&q->body), buf_len(&q->body));
	require(same(&decoded, &want->body), "another body, decoded");
	require(has_field(&q->header, "mime-version") && has_field(&q->header, "content-type") &&
		    find_field(&q->header, "content-transfer-encoding", &f) &&
		    strncmp(f.value, says_so, strlen(says_so)) == 0,
	    "nothing says that it is coded");
	buf_free(&decoded);
}

static void
check_queued(const struct queued *q, const struct slow_input *want)
{
	static const char *const needed[] = {"received", "date", "from", "message-id"};
	static const char *const removed[] = {"bcc", "resent-bcc", "return-path", "content-length"};
	struct facts f = facts_of(&q->message);

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		require(has_field(&q->header, needed[i]), needed[i]);
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
		require(!has_field(&q->header, removed[i]), removed[i]);
	require(q->e.size == buf_len(&q->message) && q->e.eightbit == f.eightbit &&
		    q->e.dots == f.dots && q->e.longest == f.longest && q->e.nrcpts > 0,
	    "the control file says otherwise");
	check_body(q, want);
}

static void
standard_input(const struct buf *input, size_t piece, bool from_headers)
{
	char recipient[] = "bob@example.net", id[ENVELOPE_ID_MAX + 1], why[512] = "";
	char *recipients[] = {recipient, NULL};
	struct submit_options o = {.hostname = "mx.example.org",
	    .login = "alice",
	    .recipients = recipients,
	    .nrecipients = from_headers ? 0 : 1,
	    .from_headers = from_headers,
	    .input = in.input};
	struct slow_input want;
	struct queued q;
	int rc;

	in.at = buf_data(input);
	in.left = buf_len(input);
	in.piece = piece;
	rc = submit(in.sp, &o, id, why, sizeof(why));
	if (rc != EX_OK) {
		require(why[0] != '\0' && str_is_clean(why, strlen(why)), "refused, and no why");
		require(from_headers, why);
		return;
	}
	slow_input(&want, input, false);
	load(&q, id);
	check_queued(&q, &want);
	check_data(buf_data(&q.message), buf_len(&q.message), BLOCK, &q.message);
	let_go(&q);
	slow_input_free(&want);
}

void
fuzz_body(const uint8_t *data, size_t size)
{
	struct buf input;

	if (size == 0)
		return;
	if (data[0] < 0x80) {
		any_bytes((const char *)data + 1, size - 1, data[0] + 1u);
		return;
	}
	if (in.sp == NULL)
		make_spool();
	log_capture(quiet, NULL);
	sys.read = read_input;
	buf_init(&input, SLOW_MAX);
	slow_expand(&input, data + 1, size - 1);
	standard_input(&input, (data[0] & 0x3f) * 8u + 1u, (data[0] & 0x40) != 0);
	buf_free(&input);
	log_capture(NULL, NULL);
	sys.read = sys_libc.read;
}
