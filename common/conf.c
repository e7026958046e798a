/* SPDX-License-Identifier: MIT */
#include "common/conf.h"
