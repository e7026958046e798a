/* SPDX-License-Identifier: MIT */
#include "common/wire.h"
