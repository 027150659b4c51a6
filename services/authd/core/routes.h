/* routes.h - authd's HTTP API (docs/api.md): which request goes to which first step.
 *
 * Pure: requests in, store operations and responses out (core/call.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_ROUTES_H
#define AUTHD_CORE_ROUTES_H

#include "core/call.h"

/* Runs the first step: afterwards call->next says whether the response is complete. */
void auth_start(struct auth *auth, struct call *call);
/* Continues with call->reply; call->next must not be NULL. */
void auth_resume(struct auth *auth, struct call *call);

/* First steps, by file. */
call_step route_register; /* routes_account.c */
call_step route_me;
call_step route_login_start; /* routes_login.c */
call_step route_login_finish;
call_step route_guest; /* routes_session.c */
call_step route_refresh;
call_step route_logout;
call_step route_ice_servers; /* routes_public.c */
call_step route_jwks;

#endif
