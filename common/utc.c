/* SPDX-License-Identifier: MIT */
#include "common/utc.h"
