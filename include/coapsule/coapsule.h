// SPDX-License-Identifier: Apache-2.0
/** @file Everything. */
#ifndef COAPSULE_COAPSULE_H
#define COAPSULE_COAPSULE_H

#include <coapsule/client.h>
#include <coapsule/core.h>
#include <coapsule/error.h>
#include <coapsule/server.h>
#include <coapsule/types.h>

#endif /* COAPSULE_COAPSULE_H */
