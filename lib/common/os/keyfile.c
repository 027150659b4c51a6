/* SPDX-License-Identifier: Apache-2.0 */
#include "common/os/keyfile.h"

#include "common/base64url.h"
#include "common/os/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_TEXT_MIN 16
#define SECRET_LEN_MAX  1024

PRINTF_LIKE(3, 4)
static enum err fail(enum err e, char why[KEYFILE_WHY_CAPACITY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, KEYFILE_WHY_CAPACITY, format, args);
    va_end(args);
    return e;
}

static enum err fail_errno(const char *path, const char *doing, char why[KEYFILE_WHY_CAPACITY])
{
    return fail(ERR_SYSTEM, why, "%s: %s: %s", path, doing, strerror(errno));
}

enum err keyfile_directory(const char *path, char ret_why[KEYFILE_WHY_CAPACITY])
{
    char at[PATH_MAX];
    struct stat st;
    size_t len = strlen(path);
    if (len == 0)
        return fail(ERR_SYSTEM, ret_why, "the path of a directory is empty");
    if (len >= sizeof at)
        return fail(ERR_FULL, ret_why, "%.64s…: this path is too long", path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(at, path, i);
        at[i] = '\0';
        if (mkdir(at, 0700) != 0 && errno != EEXIST)
            return fail_errno(at, "cannot make this directory", ret_why);
    }
    if (stat(path, &st) != 0)
        return fail_errno(path, "stat", ret_why);
    if (!S_ISDIR(st.st_mode))
        return fail(ERR_SYSTEM, ret_why, "%s: is not a directory", path);
    return OK;
}

static enum err read_all(int fd, const char *path, size_t len, uint8_t **ret,
                         char why[KEYFILE_WHY_CAPACITY])
{
    uint8_t *data = malloc(len + 1);
    if (data == NULL)
        return fail(ERR_SYSTEM, why, "%s: out of memory", path);
    size_t at = 0;
    while (at < len) {
        ssize_t n = read(fd, data + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(data);
            return fail(ERR_SYSTEM, why, "%s: changed while it was read", path);
        }
        at += (size_t)n;
    }
    data[len] = 0;
    *ret = data;
    return OK;
}

enum err keyfile_read(const char *path, uint8_t **ret, size_t *ret_len,
                      char why[KEYFILE_WHY_CAPACITY])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return fail(ERR_NOT_FOUND, why, "%s: does not exist", path);
    if (fd < 0)
        return fail_errno(path, "cannot open", why);
    struct stat st;
    enum err e;
    if (fstat(fd, &st) != 0)
        e = fail_errno(path, "cannot stat", why);
    else if (!S_ISREG(st.st_mode))
        e = fail(ERR_AUTH, why, "%s: not a regular file", path);
    else if ((st.st_mode & 077) != 0)
        e = fail(ERR_AUTH, why, "%s: readable by group or others (mode %04o), expected 0600", path,
                 (unsigned)(st.st_mode & 07777));
    else if (st.st_size > KEYFILE_BYTES_MAX)
        e = fail(ERR_FULL, why, "%s: larger than %d bytes", path, KEYFILE_BYTES_MAX);
    else
        e = read_all(fd, path, (size_t)st.st_size, ret, why);
    (void)close(fd);
    if (e == OK)
        *ret_len = (size_t)st.st_size;
    return e;
}

static bool write_and_sync(int fd, struct bytes data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.data, data.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data = bytes_of(data.data + n, data.len - (size_t)n);
    }
    return fsync(fd) == 0;
}

static void sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    (void)snprintf(directory, sizeof directory, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
                   slash == NULL ? "." : path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* link() refuses to replace, rename() replaces. */
static enum err publish(const char *temporary, const char *path, bool exclusive,
                        char why[KEYFILE_WHY_CAPACITY])
{
    if (exclusive) {
        if (link(temporary, path) != 0)
            return errno == EEXIST ? fail(ERR_BAD_STATE, why, "%s: exists already", path)
                                   : fail_errno(path, "cannot create", why);
        (void)unlink(temporary);
    } else if (rename(temporary, path) != 0) {
        return fail_errno(path, "cannot replace", why);
    }
    sync_directory_of(path);
    return OK;
}

enum err keyfile_write(const char *path, struct bytes data, bool exclusive,
                       char why[KEYFILE_WHY_CAPACITY])
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return fail(ERR_SYSTEM, why, "%s: path too long", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return fail_errno(path, "cannot create a file beside it", why);
    bool ok = write_and_sync(fd, data);
    enum err e = ok ? OK : fail_errno(path, "cannot write", why);
    (void)close(fd);
    if (e == OK)
        e = publish(temporary, path, exclusive, why);
    if (e != OK)
        (void)unlink(temporary);
    return e;
}

static enum err secret_create(const char *path, size_t len, char why[KEYFILE_WHY_CAPACITY])
{
    uint8_t raw[SECRET_LEN_MAX];
    char text[BASE64URL_CAPACITY(SECRET_LEN_MAX) + 1];
    check(len >= 16 && len <= sizeof raw);
    random_bytes(raw, len);
    size_t n = base64url_write(text, bytes_of(raw, len));
    text[n++] = '\n';
    enum err e = keyfile_write(path, bytes_of(text, n), true, why);
    bytes_wipe(raw, sizeof raw);
    bytes_wipe(text, sizeof text);
    return e;
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r' ||
                            text.data[text.len - 1] == ' '))
        text.len--;
    return text;
}

enum err keyfile_secret(const char *path, size_t len, uint8_t *ret, size_t capacity,
                        size_t *ret_len, char why[KEYFILE_WHY_CAPACITY])
{
    uint8_t *data;
    size_t data_len;
    enum err e = keyfile_read(path, &data, &data_len, why);
    if (e == ERR_NOT_FOUND) {
        e = secret_create(path, len, why);
        if (e != OK && e != ERR_BAD_STATE) /* somebody else was first: theirs */
            return e;
        e = keyfile_read(path, &data, &data_len, why);
    }
    if (e != OK)
        return e;
    struct bytes text = trim(bytes_of(data, data_len));
    size_t n;
    if (text.len < SECRET_TEXT_MIN) {
        e = fail(ERR_MALFORMED, why, "%s: shorter than %d characters", path, SECRET_TEXT_MIN);
    } else if (base64url_parse(text, ret, capacity, &n) == OK && n == len) {
        *ret_len = n;
    } else if (text.len > capacity) {
        e = fail(ERR_FULL, why, "%s: longer than %zu characters", path, capacity);
    } else {
        memcpy(ret, text.data, text.len);
        *ret_len = text.len;
    }
    bytes_wipe(data, data_len);
    free(data);
    return e;
}

enum err keyfile_directory_check(const char *path, char why[KEYFILE_WHY_CAPACITY])
{
    static const char probe[] = "/.check-XXXXXX";
    char at[4096];
    size_t len = strlen(path);
    if (len == 0 || len + sizeof probe > sizeof at)
        return fail(ERR_FULL, why, "%.64s: the path is empty or too long", path);
    memcpy(at, path, len + 1);
    struct stat st;
    while (stat(at, &st) != 0) {
        if (errno != ENOENT)
            return fail(ERR_SYSTEM, why, "%.400s: %s", path, strerror(errno));
        char *slash = strrchr(at, '/');
        if (slash == NULL || slash == at)
            (void)snprintf(at, sizeof at, "%s", slash == NULL ? "." : "/");
        else
            *slash = '\0';
    }
    len = strlen(at);
    if (!S_ISDIR(st.st_mode))
        return fail(ERR_SYSTEM, why, "%.400s: is not a directory", at);
    memcpy(at + len, probe, sizeof probe);
    if (mkdtemp(at) == NULL || rmdir(at) != 0)
        return fail(ERR_SYSTEM, why, "%.400s: cannot be used: %s", path, strerror(errno));
    return OK;
}

EVP_PKEY *keyfile_p256_generate(void)
{
    return EVP_EC_gen("P-256");
}

static enum err p256_create(const char *path, char why[KEYFILE_WHY_CAPACITY])
{
    EVP_PKEY *key = keyfile_p256_generate();
    BIO *bio = BIO_new(BIO_s_mem());
    enum err e = ERR_SYSTEM;
    if (key != NULL && bio != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        char *pem = NULL;
        long len = BIO_get_mem_data(bio, &pem);
        e = keyfile_write(path, bytes_of(pem, (size_t)len), true, why);
        bytes_wipe(pem, (size_t)len);
    } else {
        (void)fail(ERR_SYSTEM, why, "%s: cannot make a P-256 key", path);
    }
    BIO_free(bio);
    EVP_PKEY_free(key);
    return e;
}

static enum err p256_parse(const char *path, const uint8_t *pem, size_t len, EVP_PKEY **ret,
                           char why[KEYFILE_WHY_CAPACITY])
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (bio == NULL)
        return fail(ERR_SYSTEM, why, "%s: out of memory", path);
    /* "" instead of a prompt for a passphrase. */
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (char[]){ "" });
    BIO_free(bio);
    if (key == NULL)
        return fail(ERR_MALFORMED, why, "%s: not a private key in PEM", path);
    char group[32];
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       NULL) != 1 ||
        strcmp(group, "prime256v1") != 0) {
        EVP_PKEY_free(key);
        return fail(ERR_UNSUPPORTED, why, "%s: not a P-256 key", path);
    }
    *ret = key;
    return OK;
}

enum err keyfile_p256(const char *path, EVP_PKEY **ret, char why[KEYFILE_WHY_CAPACITY])
{
    uint8_t *pem;
    size_t len;
    enum err e = keyfile_read(path, &pem, &len, why);
    if (e == ERR_NOT_FOUND) {
        e = p256_create(path, why);
        if (e != OK && e != ERR_BAD_STATE)
            return e;
        e = keyfile_read(path, &pem, &len, why);
    }
    if (e != OK)
        return e;
    e = p256_parse(path, pem, len, ret, why);
    bytes_wipe(pem, len);
    free(pem);
    return e;
}
