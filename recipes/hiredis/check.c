/* Checks the features that the recipe of hiredis declares; prints the name of each feature that is missing. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#ifndef _WIN32
#include <sys/socket.h>
#include <unistd.h>
#endif

static int has_commands(void) {
    static const char expected[] = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\nword\r\n";
    char *command = NULL;
    int size = redisFormatCommand(&command, "SET %s %b", "a", "word", (size_t)4);
    int is_right = size == sizeof(expected) - 1 && memcmp(command, expected, sizeof(expected) - 1) == 0;

    redisFreeCommand(command);
    return is_right;
}

/* An answer that arrives in two parts: an array of a number, a string and nothing. */
static int has_replies(void) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    int is_right = redisReaderFeed(reader, "*3\r\n:42\r\n$4", 11) == REDIS_OK &&
                   redisReaderGetReply(reader, &reply) == REDIS_OK && reply == NULL &&
                   redisReaderFeed(reader, "\r\nword\r\n$-1\r\n", 13) == REDIS_OK &&
                   redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL;

    if (is_right) {
        redisReply *array = reply;

        is_right = array->type == REDIS_REPLY_ARRAY && array->elements == 3 && array->element[0]->integer == 42 &&
                   strcmp(array->element[1]->str, "word") == 0 && array->element[2]->type == REDIS_REPLY_NIL;
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return is_right;
}

/* The server is the other end of a pair of sockets, and has answered already. */
static int has_connection(void) {
#ifdef _WIN32
    return 0;
#else
    int ends[2], is_right = 0;
    char sent[64] = "";
    redisContext *context;
    redisReply *reply;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || write(ends[1], "+PONG\r\n", 7) != 7)
        return 0;
    context = redisConnectFd(ends[0]);
    if (context != NULL && context->err == 0) {
        reply = redisCommand(context, "PING");
        is_right = reply != NULL && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "PONG") == 0 &&
                   read(ends[1], sent, sizeof(sent) - 1) == 14 && strcmp(sent, "*1\r\n$4\r\nPING\r\n") == 0;
        if (reply != NULL)
            freeReplyObject(reply);
    }
    redisFree(context);
    close(ends[1]);
    return is_right;
#endif
}

static int has_feature(const char *name) {
    if (strcmp(name, "commands") == 0)
        return has_commands();
    return strcmp(name, "replies") == 0 ? has_replies() : strcmp(name, "connection") == 0 && has_connection();
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
