/* SPDX-License-Identifier: MIT */
/* The frames that are to be fetched next, as a ring. */
#include <assert.h>

#include "pull/sync_private.h"

static struct item *item_at(struct sync *sync, size_t i)
{
	return &sync->items[(sync->items_start + i) % SYNC_ITEMS_MAX];
}

void sync_push_item(struct sync *sync, const struct item *item)
{
	assert(sync->n_items < SYNC_ITEMS_MAX);
	*item_at(sync, sync->n_items++) = *item;
}

void sync_push_again(struct sync *sync, struct item item)
{
	assert(sync->n_items < SYNC_ITEMS_MAX);
	item.again = true;
	sync->items_start = (sync->items_start + SYNC_ITEMS_MAX - 1) % SYNC_ITEMS_MAX;
	sync->n_items++;
	*item_at(sync, 0) = item;
}

struct item sync_pop_item(struct sync *sync)
{
	struct item item = *item_at(sync, 0);

	sync->items_start = (sync->items_start + 1) % SYNC_ITEMS_MAX;
	sync->n_items--;
	return item;
}
