/*
 * ledger_impl.h: what the two files of the ledger share: ledger.c writes, ledger_book.c reads.
 */
#ifndef LEDGER_IMPL_H
#define LEDGER_IMPL_H

#include "ledger.h"

#include "base/buf.h"

enum { LEDGER_ROOM = 64 * 1024 * 1024 }; /* of the file: what is longer is begun anew */

/* The first line, with the length of what was written when the file was begun. */
#define LEDGER_HEADER "sortie-ledger\t1\t%012lld\n"
#define LEDGER_HEADER_SCAN "sortie-ledger\t1\t%lld\n"

extern const char ledger_file[];

/* Adds the record as a line; what does not fit into a line is cut. */
void ledger_line(struct buf *to, const char *name, const struct ledger_record *r);
/* The length in the header; -1: it is none of ours, or of another version. */
long long ledger_base(int fd);
/* Writes anew what the file at fd, of spool_state_append(), says, without what is too much and what forget()
 * (NULL: nothing) names. 0; or -1 and errno, and the file is as it was. */
int ledger_write_anew(struct spool *sp, int fd, ledger_forget_fn *forget, void *ctx);

#endif
