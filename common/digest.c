/* SPDX-License-Identifier: MIT */
#include "common/digest.h"
