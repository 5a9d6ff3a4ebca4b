/* pubsub_iam.c - what may be done with a topic or a subscription, and who else may: google.iam.v1.IAMPolicy on the bus's own address. Google's emulators have no such service; our broker keeps policies and asks nobody for them. */
#include <string.h>

#include "pubsub_call.h"
#include "wire.h"

#define IAM        "/google.iam.v1.IAMPolicy/"
#define MAX_GRANTS 10000 /* the service's own limit is 1,500 members of a policy */

enum sl_code sl_pubsub_admin_test_permission(struct sl_pubsub_admin *admin, const char *resource, const char *permission, bool *granted,
                                             struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    *granted = false;
    sl_wire_put_text(&request, 1, resource);
    sl_wire_put_text(&request, 2, permission);
    enum sl_code code = sl_pubsub_admin_call(admin, IAM "TestIamPermissions", "resource", resource, &request, &response, err);
    struct sl_wire wire = sl_wire_open((struct sl_span){sl_buf_text(&response), response.len}, "TestIamPermissionsResponse", err);
    struct sl_wire_field field;
    while (code == SL_OK && sl_wire_next(&wire, &field))
        *granted |= field.key == SL_KEY(1, SL_WIRE_BYTES) && field.bytes.len == strlen(permission) &&
                    memcmp(field.bytes.ptr, permission, field.bytes.len) == 0;
    sl_buf_fini(&response);
    return code == SL_OK ? wire.code : code;
}

/* Binding: 1 the role, 2, repeated, its members; 3 a condition: such a grant may not count, and is left out. */
static enum sl_code read_binding(struct sl_span bytes, struct sl_grant **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "Binding", err);
    struct sl_wire_field field;
    const char *role = "";
    const size_t first = *n;
    bool conditional = false;
    while (sl_wire_next(&wire, &field)) {
        conditional |= field.key == SL_KEY(3, SL_WIRE_BYTES);
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &role);
        if (field.key != SL_KEY(2, SL_WIRE_BYTES) || *n == MAX_GRANTS)
            continue;
        *out = sl_arena_push(arena, *out, n, sizeof **out);
        sl_wire_string(&wire, &field, arena, &(*out)[*n - 1].member);
    }
    for (size_t i = first; i < *n; i++)
        (*out)[i].role = role;
    if (conditional)
        *n = first;
    return wire.code;
}

enum sl_code sl_pubsub_admin_grants(struct sl_pubsub_admin *admin, const char *resource, struct sl_grant **out, size_t *n,
                                    struct sl_arena *arena, struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    struct sl_wire_field field;
    *out = NULL;
    *n = 0;
    sl_wire_put_text(&request, 1, resource);
    enum sl_code code = sl_pubsub_admin_call(admin, IAM "GetIamPolicy", "resource", resource, &request, &response, err);
    struct sl_wire wire = sl_wire_open((struct sl_span){sl_buf_text(&response), response.len}, "Policy", err);
    while (code == SL_OK && sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(4, SL_WIRE_BYTES))
            code = read_binding(field.bytes, out, n, arena, err);
    sl_buf_fini(&response);
    return code == SL_OK ? wire.code : code;
}
