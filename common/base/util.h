/* SPDX-License-Identifier: MIT */
/* The few macros everything uses: cleanup attributes, ownership transfer, sizes. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Runs `f` on the variable's address when it leaves scope. */
#define CLEANUP(f) __attribute__((cleanup(f)))

/* Hands the value out of a cleanup variable: the variable becomes empty. */
#define TAKE_PTR(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	__extension__({                                                                            \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* Defines `foo_freep` for CLEANUP from `foo_free(struct foo *)`, which must take NULL. */
#define DEFINE_CLEANUP(type, free_function)                                                        \
	static inline void free_function##p(type **p)                                              \
	{                                                                                          \
		free_function(*p);                                                                 \
	}

static inline void memory_freep(void *p)
{
	free(*(void **)p);
}

/*
 * Whether the list of `n` elements of `size` bytes at `*list` (`list` is a `struct foo **`) has
 * room for one more, after it was made to grow if need be: its memory is as good as doubled. False:
 * there is no memory, and all is as before.
 */
static inline bool list_make_room(void *list, size_t n, size_t *room, size_t size)
{
	const size_t more = *room * 2 + 64;
	void *grown;

	if (n < *room)
		return true;
	grown = reallocarray(*(void **)list, more, size);
	if (!grown)
		return false;
	*(void **)list = grown;
	*room = more;
	return true;
}

static inline void fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void file_closep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define CLEANUP_FREE CLEANUP(memory_freep)
#define CLEANUP_FD CLEANUP(fd_closep)
#define CLEANUP_FILE CLEANUP(file_closep)
