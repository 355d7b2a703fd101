/*
 * dns.c: the cache, and who waits for what.
 *
 * A question is one object for as long as it is of any use, known by "TYPE NAME":
 *
 *	QUEUED    waits for room on the wire            link: d->queued
 *	ASKED     on the wire (dns_query.c)             link: none
 *	SETTLED   to be told to those who asked         link: d->settled, then d->telling
 *	KEPT      in the cache, oldest first            link: d->kept
 *
 * A lookup of a kept question settles it again. It leaves the map, and is freed by the task that
 * tells it, when its time is over or nobody waits for it any more: an answer is never taken away from
 * under a callback.
 */
#include "dns/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "dns/dns_msg.h"
#include "dns/dns_query.h"
#include "dns/resolvconf.h"
#include "dns/resolvconf_file.h"

/*
 * RFC 9520 3.2 wants failures kept between 1 s and 5 min. A server that was silent is not the first
 * to be asked for a while, so that one dead server costs one wait and not one for each name. When one
 * has answered a moment ago, silence about a name is the name's trouble and not the network's.
 */
enum { FAILURE_TTL_S = 30, SILENT_MS = 30000, HEARD_MS = 60000 };
enum { KEPT_MAX = 10000, KEPT_RECORDS_MAX = 50000, IN_FLIGHT = 200 };
enum { RESOLV_CONF_MAX = 65536, KEY_MAX = DNS_NAME_MAX + 8 };

enum question_state { QUEUED, ASKED, SETTLED, KEPT };

struct dns_question {
	struct dns *dns;
	struct map_node node;
	bool known; /* in the map */
	struct list link;
	enum question_state state;
	struct list lookups; /* who wants to know */
	struct dns_query *query; /* NULL: not on the wire; stopped ones wait for the task */
	unsigned generation; /* of the servers asked */
	int64_t until_ms;
	uint16_t type;
	const char *name; /* within key */
	struct dns_outcome outcome; /* its why is `why`, or a constant */
	char *why; /* NULL: there was no trouble */
	char key[]; /* "15 example.org" */
};

struct dns {
	struct reactor *r;
	struct map questions;
	struct list queued, settled, telling, kept;
	struct list told; /* lookups whose callbacks are being called */
	bool in_task;
	size_t nkept, nkept_records;
	size_t in_flight, max_in_flight;
	struct task task;

	struct resolvconf_file file;
	struct resolvconf own; /* the servers given in the options; nservers 0: none */
	struct resolvconf rc;
	unsigned generation;
	int64_t silent_until_ms[RESOLVCONF_SERVERS];
	bool heard; /* some server has answered something, */
	int64_t heard_ms; /* last at that time */
};

/* --- questions --- */

static struct dns_question *
new_question(struct dns *d, const char *key, uint16_t type)
{
	size_t size = strlen(key) + 1;
	struct dns_question *qn = xcalloc(1, sizeof(*qn) + size);

	memcpy(qn->key, key, size);
	qn->name = strchr(qn->key, ' ') + 1;
	qn->dns = d;
	qn->type = type;
	qn->outcome.why = "";
	list_init(&qn->link);
	list_init(&qn->lookups);
	return qn;
}

static void
leave_map(struct dns_question *qn)
{
	if (qn->known)
		map_remove(&qn->dns->questions, &qn->node);
	qn->known = false;
}

static void
leave_kept(struct dns_question *qn)
{
	struct dns *d = qn->dns;

	list_remove(&qn->link);
	d->nkept--;
	d->nkept_records -= qn->outcome.nrecords;
}

static void
forget_outcome(struct dns_question *qn)
{
	free(qn->outcome.records);
	free(qn->why);
	qn->why = NULL;
	qn->outcome = (struct dns_outcome){.why = ""};
}

static void
free_question(struct dns_question *qn)
{
	leave_map(qn);
	list_remove(&qn->link);
	while (!list_empty(&qn->lookups))
		list_remove(qn->lookups.next);
	dns_query_free(&qn->query);
	forget_outcome(qn);
	free(qn);
}

static void
drop_oldest(struct dns *d)
{
	struct dns_question *qn = list_item(d->kept.next, struct dns_question, link);

	leave_kept(qn);
	free_question(qn);
}

static void
keep(struct dns_question *qn)
{
	struct dns *d = qn->dns;

	qn->state = KEPT;
	list_add_tail(&d->kept, &qn->link);
	d->nkept++;
	d->nkept_records += qn->outcome.nrecords;
	while (d->nkept > KEPT_MAX || d->nkept_records > KEPT_RECORDS_MAX)
		drop_oldest(d);
}

static void
settle(struct dns_question *qn)
{
	struct dns *d = qn->dns;

	qn->state = SETTLED;
	list_add_tail(&d->settled, &qn->link);
	task_queue(d->r, &d->task);
}

/* --- which server first --- */

static size_t
choose_server(const struct dns *d)
{
	size_t n = d->rc.nservers, first = d->rc.rotate ? str_random((uint32_t)n) : 0;

	for (size_t i = 0; i < n; i++)
		if (d->silent_until_ms[(first + i) % n] <= reactor_now(d->r))
			return (first + i) % n;
	return first;
}

static void
learn(struct dns_question *qn)
{
	struct dns *d = qn->dns;
	const struct dns_outcome *o = &qn->outcome;

	if (qn->generation != d->generation)
		return; /* those were other servers */
	for (size_t i = 0; i < d->rc.nservers; i++)
		if (o->silent & 1u << i)
			d->silent_until_ms[i] = reactor_now(d->r) + SILENT_MS;
	if (o->status != DNS_TEMPORARY)
		d->silent_until_ms[o->server] = 0;
	if (!o->no_server) {
		d->heard = true;
		d->heard_ms = reactor_now(d->r);
	}
}

static bool
heard_lately(const struct dns *d)
{
	return d->heard && reactor_now(d->r) - d->heard_ms < HEARD_MS;
}

/* --- on the wire --- */

static void start_queued(struct dns *d);

static void
on_outcome(void *ctx, const struct dns_outcome *o)
{
	struct dns_question *qn = ctx;
	struct dns *d = qn->dns;
	uint32_t ttl = o->status == DNS_TEMPORARY ? FAILURE_TTL_S : o->ttl;

	qn->outcome = *o;
	qn->outcome.why = ""; /* the query's goes with it */
	if (o->why[0] != '\0')
		qn->outcome.why = qn->why = xstrdup(o->why);
	qn->until_ms = reactor_now(d->r) + (int64_t)ttl * 1000;
	learn(qn);
	d->in_flight--;
	settle(qn);
	start_queued(d);
}

static void
start_queued(struct dns *d)
{
	while (d->in_flight < d->max_in_flight && !list_empty(&d->queued)) {
		struct dns_question *qn = list_item(d->queued.next, struct dns_question, link);

		list_remove(&qn->link);
		qn->state = ASKED;
		qn->generation = d->generation;
		d->in_flight++;
		qn->query = dns_query_start(
		    d->r, &d->rc, choose_server(d), qn->name, qn->type, on_outcome, qn);
	}
}

static void
enqueue(struct dns_question *qn)
{
	qn->state = QUEUED;
	list_add_tail(&qn->dns->queued, &qn->link);
	start_queued(qn->dns);
}

/* Nobody waits any more. What is on the wire stops at once; the task frees it. */
static void
abandon(struct dns_question *qn)
{
	struct dns *d = qn->dns;

	if (qn->state == QUEUED) {
		free_question(qn);
	} else if (qn->state == ASKED) {
		leave_map(qn);
		dns_query_stop(qn->query);
		d->in_flight--;
		qn->until_ms = 0;
		settle(qn);
		start_queued(d);
	}
}

/* --- telling --- */

static void
tell_lookups(struct dns_question *qn)
{
	struct dns *d = qn->dns;
	const struct dns_outcome *o = &qn->outcome;
	struct dns_answer a = {
	    .status = o->status,
	    .name = qn->name,
	    .type = qn->type,
	    .records = o->records,
	    .nrecords = o->nrecords,
	    .no_server = o->no_server && !(o->in_vain && heard_lately(d)),
	    .why = o->why,
	};

	/* Who asks the same from a callback has his answer in a later turn, like everybody. */
	list_splice_tail(&d->told, &qn->lookups);
	while (!list_empty(&d->told)) {
		struct dns_lookup *q = list_item(d->told.next, struct dns_lookup, link);

		list_remove(&q->link);
		q->fn(q->ctx, &a);
	}
}

static void
tell(struct dns_question *qn)
{
	dns_query_free(&qn->query);
	if (qn->until_ms <= reactor_now(qn->dns->r))
		leave_map(qn);
	qn->state = KEPT; /* for those who ask from a callback; settled again it has a link */
	tell_lookups(qn);
	if (!qn->known)
		free_question(qn);
	else if (!list_linked(&qn->link))
		keep(qn);
}

static void
on_task(void *ctx)
{
	struct dns *d = ctx;

	d->in_task = true;
	list_splice_tail(&d->telling, &d->settled);
	while (!list_empty(&d->telling)) {
		struct dns_question *qn = list_item(d->telling.next, struct dns_question, link);

		list_remove(&qn->link);
		tell(qn);
	}
	d->in_task = false;
}

/* --- the servers --- */

/* Takes what the text says, and the servers that were given to us instead of its own. */
static void
take_servers(struct dns *d, const char *text, size_t len)
{
	resolvconf_parse(&d->rc, text, len);
	if (d->own.nservers > 0) {
		memcpy(d->rc.servers, d->own.servers, sizeof(d->rc.servers));
		d->rc.nservers = d->own.nservers;
	}
	d->generation++;
	memset(d->silent_until_ms, 0, sizeof(d->silent_until_ms));
	d->heard = false;
	while (!list_empty(&d->kept)) /* other servers may have other answers */
		drop_oldest(d);
}

static void
refresh(struct dns *d)
{
	struct buf text;

	buf_init(&text, RESOLV_CONF_MAX);
	if (resolvconf_file_changed(&d->file, reactor_now(d->r), &text))
		take_servers(d, buf_data(&text), buf_len(&text));
	buf_free(&text);
}

/* --- from outside --- */

static bool
take_options(struct dns *d, const struct dns_options *o, char *why, size_t whysize)
{
	if (o->nservers > RESOLVCONF_SERVERS) {
		snprintf(why, whysize, "more than %d nameservers", RESOLVCONF_SERVERS);
		return false;
	}
	for (size_t i = 0; i < o->nservers; i++) {
		if (!resolvconf_server(o->servers[i], &d->own.servers[i])) {
			snprintf(
			    why, whysize, "not the address of a nameserver: %s", o->servers[i]);
			return false;
		}
	}
	d->own.nservers = o->nservers;
	d->max_in_flight = o->max_in_flight > 0 ? o->max_in_flight : IN_FLIGHT;
	return true;
}

struct dns *
dns_new(struct reactor *r, const struct dns_options *o, char *why, size_t whysize)
{
	struct dns *d = xcalloc(1, sizeof(*d));

	if (!take_options(d, o, why, whysize)) {
		free(d);
		return NULL;
	}
	d->r = r;
	map_init(&d->questions);
	list_init(&d->queued);
	list_init(&d->settled);
	list_init(&d->telling);
	list_init(&d->kept);
	list_init(&d->told);
	task_init(&d->task, on_task, d);
	take_servers(d, "", 0);
	if (o->resolv_conf != NULL)
		d->file.path = xstrdup(o->resolv_conf);
	refresh(d);
	return d;
}

void
dns_free(struct dns **dp)
{
	struct dns *d = *dp;
	struct map_node *n;

	if (d == NULL)
		return;
	if (d->in_task)
		bug("dns_free from a lookup's callback");
	task_cancel(&d->task);
	while ((n = map_any(&d->questions)) != NULL)
		free_question(map_item(n, struct dns_question, node));
	while (!list_empty(&d->settled)) /* those that have left the map */
		free_question(list_item(d->settled.next, struct dns_question, link));
	map_free(&d->questions);
	free(d->file.path);
	free(d);
	*dp = NULL;
}

void
dns_lookup_init(struct dns_lookup *q)
{
	memset(q, 0, sizeof(*q));
	list_init(&q->link);
}

/* "15 example.org" into key[KEY_MAX]; false: such a name cannot be in the DNS. */
static bool
make_key(char *key, const char *name, uint16_t type)
{
	size_t n = strlen(name);
	char *at;

	snprintf(key, KEY_MAX, "%u ", (unsigned)type);
	at = key + strlen(key);
	if (n > 1 && name[n - 1] == '.') /* "example.org." is the same name */
		n--;
	str_clean(at, DNS_NAME_MAX, name, n);
	str_lowercase(at);
	return n < DNS_NAME_MAX && strlen(at) == n && dns_msg_name_ok(at);
}

static struct dns_question *
impossible(struct dns *d, const char *key, uint16_t type)
{
	struct dns_question *qn = new_question(d, key, type);

	qn->outcome.status = DNS_NXDOMAIN;
	qn->outcome.why = "not a domain name";
	settle(qn);
	return qn;
}

static struct dns_question *
find_or_ask(struct dns *d, const char *key, uint16_t type)
{
	struct map_node *n = map_get(&d->questions, key);
	struct dns_question *qn;

	if (n == NULL) {
		qn = new_question(d, key, type);
		map_put(&d->questions, &qn->node, qn->key);
		qn->known = true;
		enqueue(qn);
		return qn;
	}
	qn = map_item(n, struct dns_question, node);
	if (qn->state != KEPT)
		return qn;
	if (list_linked(&qn->link)) /* otherwise it is being told */
		leave_kept(qn);
	if (qn->until_ms > reactor_now(d->r)) {
		settle(qn);
	} else {
		forget_outcome(qn);
		enqueue(qn);
	}
	return qn;
}

void
dns_lookup(
    struct dns *d, struct dns_lookup *q, const char *name, uint16_t type, dns_fn *fn, void *ctx)
{
	char key[KEY_MAX];
	struct dns_question *qn;

	if (list_linked(&q->link))
		bug("dns_lookup with a lookup that is under way");
	if (type != DNS_A && type != DNS_AAAA && type != DNS_MX)
		bug("dns_lookup of a type that dns_msg does not read");
	refresh(d);
	if (make_key(key, name, type))
		qn = find_or_ask(d, key, type);
	else
		qn = impossible(d, key, type);
	q->fn = fn;
	q->ctx = ctx;
	q->question = qn;
	list_add_tail(&qn->lookups, &q->link);
}

/*
 * A lookup that is just being told is on another list, and its question in no state that could be
 * abandoned.
 */
void
dns_cancel(struct dns_lookup *q)
{
	if (!list_linked(&q->link))
		return;
	list_remove(&q->link);
	if (list_empty(&q->question->lookups))
		abandon(q->question);
}
