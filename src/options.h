/*
 * options.h: the sendmail command line, for every name we are called by.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mode {
	MODE_SUBMIT, /* -bm, the default */
	MODE_MAILQ, /* -bp, mailq */
	MODE_QUEUE, /* -q, -qTIME, -qI/-qR/-qS, -bd */
	MODE_SMTP, /* -bs: submission over SMTP on standard input */
	MODE_VERIFY, /* -bv */
	MODE_ALIASES, /* -bi, -I, newaliases */
	MODE_HOSTSTAT, /* -bh, hoststat */
	MODE_PURGESTAT, /* -bH, purgestat */
	MODE_VERSION, /* --version, a lone -V */
	MODE_DELIVER, /* --deliver, --deliver-for: what another process of ours has queued (front.c) */
};

enum delivery { DELIVER_BACKGROUND, DELIVER_NOW, DELIVER_QUEUE };

struct queue_filter { /* -qI -qR -qS: substring, in any case; ! before the letter inverts */
	char which; /* 'I' 'R' 'S' */
	bool inverted;
	const char *text;
};

struct options { /* points into argv */
	enum mode mode;
	const char *config; /* -C, NULL: the default */
	const char *sender; /* -f or -r, NULL: none; "" the null sender */
	const char *full_name; /* -F */
	bool from_headers; /* -t */
	bool ignore_dots; /* -i, -oi */
	bool verbose; /* -v */
	bool
	    as_caller; /* -C, -d, a setting that is not for everybody: with the caller's rights alone */
	bool daemon; /* -bd, -bD: QUEUE, resident; five minutes unless -qTIME says otherwise */
	enum delivery delivery;
	const char *id; /* DELIVER: one message; NULL: all of uid's */
	long long uid; /* ... who submits */
	int fd; /* ... run/UID, locked; for one message where signals are passed on, as runner.h's orders */
	int64_t interval_s; /* -q5m; 0: one pass */
	struct queue_filter *filters;
	size_t nfilters;
	char **recipients; /* NULL-terminated; the strings are argv's */
	int nrecipients;
};

/*
 * Fills o from argv (argv[0] may be NULL). Options may stand behind recipients; "--" ends them. The
 * last of two of the same kind counts. Returns 0, or EX_USAGE with a line in why; o is to be freed
 * in either case.
 */
int options_parse(struct options *o, int argc, char **argv, char *why, size_t whysize);
void options_free(struct options *o);

#endif
