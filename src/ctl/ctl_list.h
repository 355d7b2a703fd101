/*
 * ctl_list.h: a message as one line: of a table, or as JSON.
 */
#ifndef CTL_CTL_LIST_H
#define CTL_CTL_LIST_H

#include "ctl/ctl.h"
#include "ctl/ctl_term.h"
#include "spool/envelope.h"

struct list {
	struct ctl *c;
	struct table table;
};

void list_begin(struct list *l, struct ctl *c);
void list_end(struct list *l);
/* c->json says how. */
void list_message(struct list *l, const struct envelope *e);
/* One that is there and cannot be read. */
void list_damaged(struct list *l, const char *id, const char *why);

const char *list_status_word(enum rcpt_status status); /* "deferred" */
const char *list_sender(const struct envelope *e); /* "<>" for the null sender */

#endif
