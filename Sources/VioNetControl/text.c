/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that grows as it is written, up to a limit. */
#include "control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool make_room(struct text *text, size_t more)
{
	if (text->failed || text->length + more > ANSWER) {
		text->failed = true;
		return false;
	}
	if (text->length + more <= text->room)
		return true;
	size_t room = text->room * 2 > text->length + more ? text->room * 2 : text->length + more + 512;
	char *bytes = realloc(text->bytes, room);
	if (bytes == NULL) {
		text->failed = true;
		return false;
	}
	text->bytes = bytes;
	text->room = room;
	return true;
}

void text_add(struct text *text, const char *format, ...)
{
	va_list list, again;
	va_start(list, format);
	va_copy(again, list);
	int length = vsnprintf(NULL, 0, format, list);
	if (length < 0)
		text->failed = true;
	else if (make_room(text, (size_t)length + 1))
		text->length += (size_t)vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
	va_end(again);
	va_end(list);
}

void text_add_plain(struct text *text, const char *string, bool escape)
{
	for (; *string != 0 && make_room(text, 2); string++) {
		char c = *string < ' ' || *string > '~' ? '?' : *string;
		if (escape && (c == '"' || c == '\\'))
			text->bytes[text->length++] = '\\';
		text->bytes[text->length++] = c;
	}
}

void text_free(struct text *text)
{
	free(text->bytes);
	*text = (struct text){0};
}
