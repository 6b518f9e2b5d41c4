// SPDX-License-Identifier: MIT
/*
 * A ring buffer.
 */

#include <stdlib.h>
#include <string.h>

#define RING_SIZE 64
#define min(a, b) ((a) < (b) ? (a) : (b))
#define for_each_slot(ring, slot) \
	for ((slot) = (ring)->slots; \
	     (slot) < (ring)->slots + RING_SIZE; \
	     (slot)++)

struct ring;
int ring_push(struct ring *ring, void *item);

/* A ring. */
struct ring {
	void *slots[RING_SIZE];
	unsigned int head, tail;
};

typedef struct {
	int x;
	int y;
} point_t;

enum state {
	IDLE,
	BUSY,
};

static const struct ring_ops ops = {
	.push = ring_push,
};

/**
 * ring_push - add an item
 */
int ring_push(struct ring *ring, void *item)
{
	ring->slots[ring->head++ % RING_SIZE] = item;
	return 0;
}
EXPORT_SYMBOL_GPL(ring_push);

static void *(*ring_hook(void))(int)
{
	return NULL;
}

#ifdef CONFIG_RING_DEBUG
static void ring_dump(struct ring *ring)
{
	printk("%u %u", ring->head, ring->tail);
}
#else
static inline void ring_dump(struct ring *ring) { }
#endif

/* Closes a ring. */
SYSCALL_DEFINE1(ring_close, unsigned int, fd)
{
	return do_close(fd);
}

static const char *const ring_names[] = {
	[1] = "the name of ring number 1",
	[2] = "the name of ring number 2",
	[3] = "the name of ring number 3",
	[4] = "the name of ring number 4",
	[5] = "the name of ring number 5",
	[6] = "the name of ring number 6",
	[7] = "the name of ring number 7",
	[8] = "the name of ring number 8",
	[9] = "the name of ring number 9",
	[10] = "the name of ring number 10",
	[11] = "the name of ring number 11",
	[12] = "the name of ring number 12",
	[13] = "the name of ring number 13",
	[14] = "the name of ring number 14",
	[15] = "the name of ring number 15",
	[16] = "the name of ring number 16",
	[17] = "the name of ring number 17",
	[18] = "the name of ring number 18",
	[19] = "the name of ring number 19",
	[20] = "the name of ring number 20",
	[21] = "the name of ring number 21",
	[22] = "the name of ring number 22",
	[23] = "the name of ring number 23",
	[24] = "the name of ring number 24",
};

static int __init ring_init(void)
{
	int error = 0;
	error = ring_register("ring 1", 1);
	if (error)
		goto fail_1;
	pr_info("ring 1 registered");
	error = ring_register("ring 2", 2);
	if (error)
		goto fail_2;
	pr_info("ring 2 registered");
	error = ring_register("ring 3", 3);
	if (error)
		goto fail_3;
	pr_info("ring 3 registered");
	error = ring_register("ring 4", 4);
	if (error)
		goto fail_4;
	pr_info("ring 4 registered");
	error = ring_register("ring 5", 5);
	if (error)
		goto fail_5;
	pr_info("ring 5 registered");
	error = ring_register("ring 6", 6);
	if (error)
		goto fail_6;
	pr_info("ring 6 registered");
	error = ring_register("ring 7", 7);
	if (error)
		goto fail_7;
	pr_info("ring 7 registered");
	error = ring_register("ring 8", 8);
	if (error)
		goto fail_8;
	pr_info("ring 8 registered");
	error = ring_register("ring 9", 9);
	if (error)
		goto fail_9;
	pr_info("ring 9 registered");
	error = ring_register("ring 10", 10);
	if (error)
		goto fail_10;
	pr_info("ring 10 registered");
	error = ring_register("ring 11", 11);
	if (error)
		goto fail_11;
	pr_info("ring 11 registered");
	error = ring_register("ring 12", 12);
	if (error)
		goto fail_12;
	pr_info("ring 12 registered");
	error = ring_register("ring 13", 13);
	if (error)
		goto fail_13;
	pr_info("ring 13 registered");
	error = ring_register("ring 14", 14);
	if (error)
		goto fail_14;
	pr_info("ring 14 registered");
	error = ring_register("ring 15", 15);
	if (error)
		goto fail_15;
	pr_info("ring 15 registered");
	error = ring_register("ring 16", 16);
	if (error)
		goto fail_16;
	pr_info("ring 16 registered");
	error = ring_register("ring 17", 17);
	if (error)
		goto fail_17;
	pr_info("ring 17 registered");
	error = ring_register("ring 18", 18);
	if (error)
		goto fail_18;
	pr_info("ring 18 registered");
	error = ring_register("ring 19", 19);
	if (error)
		goto fail_19;
	pr_info("ring 19 registered");
	error = ring_register("ring 20", 20);
	if (error)
		goto fail_20;
	pr_info("ring 20 registered");
	error = ring_register("ring 21", 21);
	if (error)
		goto fail_21;
	pr_info("ring 21 registered");
	error = ring_register("ring 22", 22);
	if (error)
		goto fail_22;
	pr_info("ring 22 registered");
	return error;
}
module_init(ring_init);
