/* SPDX-License-Identifier: MIT */
/*
 * What can happen to a camera's view, done to a picture's planes: troubles that make it useless,
 * and weather that does not. The simulated camera plays them (setting test.trouble), and so do the
 * tests of what a picture is worth.
 */
#pragma once

#include "capture/simcam/scene.h"

/*
 * Does it to all of the canvas: `strength` from 0, nothing, to 1. The same `seed` gives the same
 * picture. VIEW_FROZEN is the camera's own to do. -ENOMEM.
 */
int trouble_do(struct canvas *canvas, enum camera_trouble trouble, double strength, uint64_t seed);
