/*
 * fuzz.h: the fuzz targets. Each is a function fuzz_NAME() in fuzz_NAME.c that takes any bytes and
 * aborts when what the code under test makes of them is not right. One program has them all: linked
 * with libFuzzer (libfuzzer.c) it is fuzz_NAME by the name it is called by; linked with replay.c it
 * runs every file of a folder through the target that the folder is named after.
 */
#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef void fuzz_fn(const uint8_t *data, size_t size);

fuzz_fn fuzz_address, fuzz_aliases, fuzz_body, fuzz_config, fuzz_dns_msg, fuzz_ehlo, fuzz_envelope,
    fuzz_forward, fuzz_header, fuzz_reply, fuzz_resolvconf, fuzz_sasl, fuzz_smtp, fuzz_smtp_server;

/* The target that the last part of a path names, with or without "fuzz_" before it; NULL: none. */
fuzz_fn *fuzz_target(const char *path);

#endif
