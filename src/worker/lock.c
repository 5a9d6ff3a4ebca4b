/* lock.c - one worker per SQLite ledger (RULES 31): a lock file beside it that names its holder. */
#include <stdio.h>
#include <stdlib.h>

#include <sluice/clock.h>
#include <sluice/file.h>
#include <sluice/worker.h>

#define RETRY_MS 100

enum sl_code sl_worker_lock(struct sl_lock **out, const struct sl_config *config, int64_t limit_ms, struct sl_err *err)
{
    struct sl_buf path = {0};
    char *dir = sl_path_dirname(config->ledger.path);
    enum sl_code code = sl_dir_make(dir, err);
    sl_buf_printf(&path, "%s.lock", config->ledger.path);
    free(dir);
    if (code == SL_OK)
        code = sl_lock_take(out, sl_buf_text(&path), "worker", err);
    for (int64_t waited = 0; code == SL_CONFLICT && waited < limit_ms; waited += RETRY_MS) {
        sl_pause_ms(RETRY_MS);
        code = sl_lock_take(out, sl_buf_text(&path), "worker", err);
    }
    sl_buf_fini(&path);
    if (code == SL_CONFLICT) {
        err->code = SL_UNAVAILABLE;
        return sl_wrap(err, "another worker has this ledger");
    }
    return code;
}
