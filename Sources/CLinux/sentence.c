/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One error sentence and one log line per thread.
 *
 * In C because Embedded Swift has no thread-local storage; on a pthread key because a _Thread_local in a library that
 * is loaded with dlopen needs the loader's help at run time. A thread without an error costs nothing; every buffer is
 * freed when its thread ends or when the library is unloaded, whichever comes first.
 */
#include "CLinux.h"

#include <stdio.h>

enum { LIMIT = 400 };

struct sentences {
	struct sentences *next, **link;
	size_t length[2];
	char text[2][LIMIT];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sentences *all;
static pthread_key_t key;
static int key_made;

static void forget(void *pointer)
{
	struct sentences *mine = pointer;
	pthread_mutex_lock(&lock);
	*mine->link = mine->next;
	if (mine->next != NULL)
		mine->next->link = mine->link;
	pthread_mutex_unlock(&lock);
	free(mine);
}

__attribute__((destructor)) static void unload(void)
{
	if (key_made)
		pthread_key_delete(key);
	while (all != NULL) {
		struct sentences *mine = all;
		all = mine->next;
		free(mine);
	}
}

/* This thread's buffers, or NULL when there is no memory for them: then sentences are lost, never calls. */
static struct sentences *mine(void)
{
	struct sentences *found = NULL;
	pthread_mutex_lock(&lock);
	if (!key_made)
		key_made = pthread_key_create(&key, forget) == 0;
	if (key_made)
		found = pthread_getspecific(key);
	if (key_made && found == NULL && (found = calloc(1, sizeof(*found))) != NULL) {
		if (pthread_setspecific(key, found) != 0) {
			free(found);
			found = NULL;
		} else {
			found->next = all;
			found->link = &all;
			if (all != NULL)
				all->link = &found->next;
			all = found;
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void sentence_begin(int which)
{
	struct sentences *s = mine();
	if (s != NULL) {
		s->length[which] = 0;
		s->text[which][0] = 0;
	}
}

/* Bytes that are not printable become '?': part of the text may come from a peer or from a file name. */
void sentence_text(int which, const char *text, size_t length)
{
	struct sentences *s = mine();
	if (s == NULL)
		return;
	for (size_t i = 0; i < length && s->length[which] < LIMIT - 1; i++) {
		unsigned char c = (unsigned char)text[i];
		s->text[which][s->length[which]++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
	}
	s->text[which][s->length[which]] = 0;
}

void sentence_signed(int which, int64_t number)
{
	char digits[24];
	sentence_text(which, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)number));
}

void sentence_hex(int which, uint64_t number)
{
	char digits[24];
	sentence_text(which, digits, (size_t)snprintf(digits, sizeof(digits), "0x%llx", (unsigned long long)number));
}

void sentence_errno(int which, int error)
{
	char room[64];
	const char *text = strerror_r(error, room, sizeof(room));
	sentence_text(which, text, strlen(text));
}

const char *sentence_get(int which)
{
	struct sentences *s = mine();
	return s == NULL ? "" : s->text[which];
}
