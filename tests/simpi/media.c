/* SPDX-License-Identifier: MIT */
/* The media controllers: which entities there are, and how they are linked. */
#include "pi.h"

#include <errno.h>
#include <linux/media.h>
#include <stdio.h>
#include <string.h>

enum { ENTITIES = 8, LINKS = 16, MAJOR = 81 };

struct topology {
	struct media_v2_entity entity[ENTITIES];
	struct media_v2_interface interface[ENTITIES];
	struct media_v2_pad pad[2];
	struct media_v2_link link[LINKS];
	unsigned n_entities, n_pads, n_links;
};

static void topology_link(struct topology *t, unsigned from, unsigned to, unsigned flags)
{
	struct media_v2_link *link = &t->link[t->n_links++];

	link->id = 40 + t->n_links;
	link->source_id = from;
	link->sink_id = to;
	link->flags = flags | MEDIA_LNK_FL_ENABLED;
}

/* An entity and the device that is its interface. */
static unsigned topology_add(
	struct topology *t, const char *name, unsigned function, unsigned interface, unsigned minor)
{
	unsigned i = t->n_entities++, id = i + 1;

	t->entity[i].id = id;
	snprintf(t->entity[i].name, sizeof t->entity[i].name, "%s", name);
	t->entity[i].function = function;
	t->interface[i].id = 10 + id;
	t->interface[i].intf_type = interface;
	t->interface[i].devnode.major = MAJOR;
	t->interface[i].devnode.minor = minor;
	topology_link(t, 10 + id, id, MEDIA_LNK_FL_INTERFACE_LINK);
	return id;
}

static void topology_of_receiver(struct topology *t)
{
	char name[40];
	unsigned sensor, video, lens;

	snprintf(name, sizeof name, "%s 10-0010", pi.options.sensor->name);
	sensor = topology_add(
		t, name, MEDIA_ENT_F_CAM_SENSOR, MEDIA_INTF_T_V4L_SUBDEV, MINOR_SENSOR);
	video = topology_add(t, pi.node[NODE_UNICAM].entity, MEDIA_ENT_F_IO_V4L,
		MEDIA_INTF_T_V4L_VIDEO, pi.node[NODE_UNICAM].minor);
	t->entity[video - 1].flags = MEDIA_ENT_FL_DEFAULT;
	t->pad[0] = (struct media_v2_pad){ 21, sensor, MEDIA_PAD_FL_SOURCE, 0, { 0 } };
	t->pad[1] = (struct media_v2_pad){ 22, video, MEDIA_PAD_FL_SINK, 0, { 0 } };
	t->n_pads = 2;
	topology_link(t, 21, 22, MEDIA_LNK_FL_IMMUTABLE);
	if (!pi.options.sensor->has_lens)
		return;
	lens = topology_add(
		t, "dw9807 10-000c", MEDIA_ENT_F_LENS, MEDIA_INTF_T_V4L_SUBDEV, MINOR_LENS);
	topology_link(t, sensor, lens, MEDIA_LNK_FL_ANCILLARY_LINK | MEDIA_LNK_FL_IMMUTABLE);
}

/* Copies what there is room for; returns how much there is. */
static unsigned part_copy(uint64_t to, unsigned room, const void *from, unsigned n, size_t size)
{
	if (to && room >= n)
		memcpy((void *)(uintptr_t)to, from, n * size);
	return n;
}

static void topology_copy(const struct topology *t, struct media_v2_topology *ret)
{
	ret->topology_version = 1;
	ret->num_entities = part_copy(
		ret->ptr_entities, ret->num_entities, t->entity, t->n_entities, sizeof *t->entity);
	ret->num_interfaces = part_copy(ret->ptr_interfaces, ret->num_interfaces, t->interface,
		t->n_entities, sizeof *t->interface);
	ret->num_pads = part_copy(ret->ptr_pads, ret->num_pads, t->pad, t->n_pads, sizeof *t->pad);
	ret->num_links =
		part_copy(ret->ptr_links, ret->num_links, t->link, t->n_links, sizeof *t->link);
}

int media_ioctl(bool isp, unsigned long request, void *data)
{
	struct topology t = { .n_entities = 0 };

	switch (request) {
	case MEDIA_IOC_DEVICE_INFO: {
		struct media_device_info *info = data;

		memset(info, 0, sizeof *info);
		snprintf(info->driver, sizeof info->driver, "%s", isp ? "bcm2835-isp" : "unicam");
		snprintf(info->model, sizeof info->model, "%s", info->driver);
		snprintf(info->bus_info, sizeof info->bus_info, "platform:simpi");
		info->media_version = info->driver_version = 6 << 16 | 12 << 8;
		return 0;
	}
	case MEDIA_IOC_SETUP_LINK:
		return 0;
	case MEDIA_IOC_G_TOPOLOGY:
		for (int i = NODE_ISP_IN; isp && i < NODES; i++)
			topology_add(&t, pi.node[i].entity, MEDIA_ENT_F_IO_V4L,
				MEDIA_INTF_T_V4L_VIDEO, pi.node[i].minor);
		if (!isp)
			topology_of_receiver(&t);
		topology_copy(&t, data);
		return 0;
	default:
		return -ENOTTY;
	}
}
