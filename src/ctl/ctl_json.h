/*
 * ctl_json.h: JSON (RFC 8259), written as it comes. Strings become valid UTF-8 whatever they were.
 *
 * One object a line: json_open(j, NULL, '{') ... json_close(j, '}') and a newline by the caller. A key
 * is NULL in an array and for the outermost value.
 */
#ifndef CTL_CTL_JSON_H
#define CTL_CTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool comma; /* something stands before */
};

void json_open(struct json *j, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket); /* '}' or ']' */
void json_string(struct json *j, const char *key, const char *text); /* NULL: null */
void json_number(struct json *j, const char *key, int64_t n);
void json_time(struct json *j, const char *key, int64_t at); /* 0 or INT64_MAX: null */
void json_bool(struct json *j, const char *key, bool yes);
void json_null(struct json *j, const char *key);

#endif
