/*
 * submit_encode.h: the second pass over a body whose lines SMTP does not carry.
 */
#ifndef SUBMIT_ENCODE_H
#define SUBMIT_ENCODE_H

#include "base/buf.h"
#include "spool/spool.h"
#include "submit_body.h"
#include "submit_header.h"

/* NULL when the body may become quoted-printable, else why it must stay as it is. */
const char *submit_encode_obstacle(const struct submit_facts *facts);

/*
 * Replaces the draft's body, which starts behind header and the empty line, by its quoted-printable
 * form under a header that says so. body is the writer that wrote it; it describes the new file
 * afterwards. Returns 0, or -1 and errno.
 */
int submit_encode(struct spool *sp, struct draft *d, const struct buf *header,
    const struct submit_facts *facts, struct submit_body *body);

#endif
